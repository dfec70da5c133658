/** A cached data key, with what it has been used for. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import type { DataKey } from '../keyrings/keyring.ts';
import type { EvictionReason } from '../lib/events.ts';
import type { KeyServiceClient } from '../service/client.ts';
import type { CacheSettings } from './options.ts';

/** The part of its life after which a data key is replaced ahead of time. */
const refreshAfter = 0.8;

/** What an entry is about. */
export interface EntrySubject {
  readonly operation: 'encrypt' | 'decrypt';
  /** The client of the service, where there is one: an entry is evicted by what that service says. */
  readonly client: KeyServiceClient | undefined;
  /** The key as it was asked for: an id or an alias. */
  readonly key: string | undefined;
}

/** A data key in a cache. */
export class CacheEntry {
  readonly subject: EntrySubject;
  readonly dataKey: DataKey;
  /** The data key's wrapped forms, where it is for encrypting; else the one that it came from. */
  readonly wrappedKeys: readonly WrappedKey[];
  readonly #begun: number;
  #messages = 0;
  #bytes = 0;

  /** `begun` is when the data key was asked for, in milliseconds since 1970. */
  constructor(subject: EntrySubject, dataKey: DataKey, wrappedKeys: readonly WrappedKey[], begun: number) {
    this.subject = subject;
    this.dataKey = dataKey;
    this.wrappedKeys = wrappedKeys;
    this.#begun = begun;
  }

  /** The id of the key that it is wrapped under. */
  get keyId(): string {
    return this.wrappedKeys[0]?.keyId ?? '';
  }

  /** The version of that key. */
  get version(): number {
    return this.wrappedKeys[0]?.version ?? 0;
  }

  /** Why the entry cannot be used any more; `undefined` where it can. */
  expired({ maxAge, maxMessages, maxBytes, now }: CacheSettings): EvictionReason | undefined {
    const age = now() - this.#begun;
    // A clock that was set back must not make a data key younger than it is.
    if (age < 0 || age >= maxAge) return 'age';
    if (this.subject.operation === 'decrypt') return undefined;
    if (this.#messages >= maxMessages) return 'messages';
    return this.#bytes >= maxBytes ? 'bytes' : undefined;
  }

  /** Counts one more use; `false`, and nothing counted, where the limits do not allow it. */
  take(bytes: number, settings: CacheSettings): boolean {
    if (this.expired(settings) !== undefined) return false;
    if (this.subject.operation === 'encrypt' && this.#bytes + bytes > settings.maxBytes) return false;
    this.takeFirst(bytes);
    return true;
  }

  /** Counts the use of whoever fetched it, which no limit denies: with a `maxAge` shorter than the fetch nobody would ever get a data key. */
  takeFirst(bytes: number): void {
    this.#messages++;
    this.#bytes += bytes;
  }

  /** Whether it is time to replace it. */
  isOld({ maxAge, maxMessages, maxBytes, now }: CacheSettings): boolean {
    const spent = this.subject.operation === 'decrypt' ? [] : [this.#messages / maxMessages, this.#bytes / maxBytes];
    return Math.max((now() - this.#begun) / maxAge, ...spent) >= refreshAfter;
  }
}
