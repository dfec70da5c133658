/** Events for operators of an application: no secrets, no plaintext, no values of contexts. */

import { tell } from './callbacks.ts';

/** A request to the key service, or to a provider of keys, has ended, with all its attempts. */
export interface ServiceCallEvent {
  readonly type: 'service-call';
  /** Method and path; of a provider its name and what it does. A key id may stand in it. */
  readonly operation: string;
  /** How many data keys it was about; 0 where it was about none. */
  readonly items: number;
  /** How often it was sent, nonces and renewed tokens included; 0 where it ended before that. */
  readonly attempts: number;
  readonly milliseconds: number;
  /** The HTTP status of the last answer. */
  readonly status: number | undefined;
  /** The id of the last request in the logs of the service. */
  readonly requestId: string | undefined;
  /** The code of the error that it ended with; `aborted` where a signal ended it, `unknown` for an error that is none of ours, `undefined` where it succeeded. */
  readonly error: string | undefined;
}

/** A request to the key service, or to a provider of keys, failed and is about to be sent again. */
export interface ServiceRetryEvent {
  readonly type: 'service-retry';
  /** As in {@link ServiceCallEvent}; `connect` and `token` where a discovery document or a token was asked for by itself. */
  readonly operation: string;
  /** 1 for the first repetition. */
  readonly retry: number;
  /** The code of the error. */
  readonly error: string;
}

/** A data key was asked of a cache. */
export interface CacheEvent {
  readonly type: 'cache';
  readonly operation: 'encrypt' | 'decrypt';
  /** `joined`: somebody else was fetching it already. `bypass`: the length of the plaintext is unknown or too large, so the data key is not shared. */
  readonly outcome: 'hit' | 'miss' | 'joined' | 'bypass';
  readonly keyId: string | undefined;
}

/** Why a data key left a cache. */
export type EvictionReason =
  | 'age'
  | 'messages'
  | 'bytes'
  | 'entries'
  | 'rotated'
  | 'floor'
  | 'unavailable'
  | 'invalidated'
  | 'failed'
  | 'refreshed';

/** A data key left a cache. */
export interface CacheEvictionEvent {
  readonly type: 'cache-eviction';
  readonly reason: EvictionReason;
  readonly keyId: string;
  readonly version: number;
}

/** A message was begun to be encrypted. */
export interface EncryptEvent {
  readonly type: 'encrypt';
  readonly keyIds: readonly string[];
  readonly keyUse: 'single' | 'shared';
}

/** A message's envelope was opened; its segments may still fail. */
export interface DecryptEvent {
  readonly type: 'decrypt';
  readonly keyId: string;
  readonly version: number;
}

/** A message did not decrypt. Many of these in a short time are worth an alert. */
export interface DecryptionFailedEvent {
  readonly type: 'decryption-failed';
  /** The code of the error. */
  readonly error: string;
  /** The ids of the message's keys, which nobody has verified. */
  readonly keyIds: readonly string[];
}

/** A cell that should be encrypted was read as plaintext, while that is allowed (`docs/fields.md` §6.2). */
export interface FieldPlaintextEvent {
  readonly type: 'field-plaintext';
  readonly table: string;
  readonly column: string;
  /** The row's identity. */
  readonly row: readonly string[];
}

/** Everything that is told. More types may come. */
export type BullaEvent =
  | ServiceCallEvent
  | ServiceRetryEvent
  | CacheEvent
  | CacheEvictionEvent
  | EncryptEvent
  | DecryptEvent
  | DecryptionFailedEvent
  | FieldPlaintextEvent;

/** Is told what happens. What it throws or rejects with is ignored: watching must not change what is watched. */
export type OnEvent = (event: BullaEvent) => void;

/** Tells an event. */
export function emit(onEvent: OnEvent | undefined, event: BullaEvent): void {
  tell(onEvent, event);
}
