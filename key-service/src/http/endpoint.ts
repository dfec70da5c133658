/** What an endpoint is: its description, the schema of its body, and what it does; OpenAPI and routing come from the same definition. */

import type * as z from 'zod';
import type { Caller } from '../auth/caller.ts';
import type { Proof } from '../auth/proofs.ts';
import type { ItemRecord } from '../model/entry.ts';
import type { Actor } from '../operations/actor.ts';
import type { EffectiveLimits } from '../operations/tenant-records.ts';
import type { Service } from '../service.ts';
import type { Commit } from '../store/store.ts';
import type { Session } from '../transport/session.ts';

/** An authenticated request. */
export interface Call<B = unknown> {
  readonly service: Service;
  readonly caller: Caller;
  /** The caller with what policies let them do. */
  readonly actor: Actor;
  /** What the tenant may use. */
  readonly limits: EffectiveLimits;
  readonly proof: Proof;
  readonly body: B;
  readonly bodyBytes: Uint8Array;
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Headers;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal | undefined;
  /** There where the proof has the claims of the transport. */
  readonly session: Session | undefined;
}

/** What an endpoint answers, and what is recorded before it is sent. */
export interface Outcome {
  readonly status: number;
  /** JSON, or text for `/metrics`. */
  readonly body: Readonly<Record<string, unknown>> | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly items?: readonly ItemRecord[];
  readonly key?: string;
  readonly change?: Readonly<Record<string, unknown>>;
  readonly uses?: Commit['uses'];
  /** The epoch that it was decided on. */
  readonly epoch?: number;
  /** The `resumed` of the state that the epoch is of. */
  readonly resumed?: number;
  /** The ids of the keys that it was decided on, where all were found. */
  readonly keys?: readonly string[] | undefined;
  /** Whether it was decided on the tenant's list of tombstones. */
  readonly tombstones?: boolean | undefined;
  /** `true`: leaf and proof are recorded already, in the transaction of the change. */
  readonly recorded?: boolean;
}

/** An endpoint for authenticated callers. */
export interface Endpoint<B = unknown> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{parameters}`. */
  readonly path: string;
  /** The name in the log and the metrics. */
  readonly operation: string;
  readonly summary: string;
  readonly body?: z.ZodType<B>;
  readonly query?: z.ZodType;
  /** Headers that it takes beside those of every request. */
  readonly headers?: readonly ('If-Match' | 'Idempotency-Key')[];
  readonly response: z.ZodType;
  readonly status: number;
  /** `true`: it reads the store by itself, in turn over tenants. Default: `false`. */
  readonly reads?: boolean;
  /** Whether the proof must carry the claims of the transport. */
  readonly needsTransport?: boolean;
  /** What the call costs of the principal's quota. Default: 1. */
  weigh?(body: B): number;
  run(call: Call<B>): Promise<Outcome>;
}

/** Keeps the type of the body between schema and `run`. */
export function endpoint<B>(definition: Endpoint<B>): Endpoint {
  return definition as unknown as Endpoint;
}
