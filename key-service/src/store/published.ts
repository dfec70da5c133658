/** What is published of tenants, and what is lost of one that has gone back: the terms in which a store is asked; `docs/key-service.md` §8.7 and §12.9. */

import type { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { Frontier } from '../model/merkle.ts';

/** What the service's own log says of all tenants' logs, as of one moment. */
export interface Publication {
  /** The leaf of the service's log that has the root over the slots of all tenants. */
  readonly leaf: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly slots: number;
}

/** A tenant's place in a publication. */
export interface PublishedSlot extends Pick<Publication, 'leaf' | 'slots'> {
  readonly slot: number;
  readonly head: PublishedHead;
  /** What the slot holds. */
  readonly bytes: Bytes;
  /** From the slot to the root that the leaf says. */
  readonly proof: readonly Bytes[];
}

/** A tenant's state and the head of its log, as they were published. */
export interface PublishedHead {
  readonly tenant: string;
  readonly epoch: number;
  readonly revisions: number;
  readonly tree: Frontier;
}

/** What is published next. */
export interface NextPublication {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** From which each slot's salt is derived. */
  readonly seed: Bytes;
  /** The leaf that says so, of the root over so many slots. */
  entry(slots: number, root: Bytes): LogEntry;
}

/** What publishing came to, and the tenants whose logs do not continue their published heads. */
export interface Published {
  readonly done: 'published' | 'recent';
  readonly refused: ReadonlyMap<string, IntegrityError>;
}

/** What was published or is remembered of a tenant, and what there is. */
export interface Lost {
  readonly entries: KnownAndThere;
  readonly epochs: KnownAndThere;
  /** The sum of revisions of keys, revocations and tombstones. */
  readonly changes: KnownAndThere;
  /** Keys of which some replica has seen a later revision. */
  readonly keys: readonly string[];
  /** Whether an entry that is known is another one now. */
  readonly forked: boolean;
}

/** How far a log had come, as a checkpoint says that somebody kept. */
export interface KnownHead {
  readonly size: number;
  readonly root: Bytes;
}

/** What is known of the service's own log, and what there is. */
export interface LostOfService {
  readonly entries: KnownAndThere;
  /** The entries that there are, and those of them that the state counts. */
  readonly state: KnownAndThere;
  /** The newest publication in the log, and the one that the heads in the database are of, by their leaves. */
  readonly publications: { readonly known: number | null; readonly there: number | null };
  readonly tenants: KnownAndThere;
  /** Whether an entry that is known is another one now. */
  readonly forked: boolean;
}

/** How the service's own log goes on with what there is. */
export interface ResumingService {
  readonly next: NextPublication;
  /** A checkpoint outside the database. Default: none. */
  readonly known?: KnownHead | undefined;
  /** Whether what was lost is accepted. Asked once it is known; `false` writes nothing. */
  accept(lost: LostOfService): boolean;
  /** The leaf. */
  entry(lost: LostOfService): LogEntry;
}

/** The most that anybody knows of, and what the database has. */
export interface KnownAndThere {
  readonly known: number;
  readonly there: number;
}

/** How a tenant goes on with what there is. */
export interface Resuming {
  readonly next: NextPublication;
  /** Whether what was lost is accepted. Asked once it is known; `false` writes nothing. */
  accept(lost: Lost): boolean;
  /** The leaf of the tenant's log, and that of the service's own. */
  entry(log: string, lost: Lost): LogEntry;
}
