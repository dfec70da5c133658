/** What this process knows to have been committed: a database that knows less has gone back, `docs/key-service.md` §11.7. */

import { sql } from 'kysely';
import { IntegrityError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import { LruMap } from '../lib/lru.ts';
import type { LogEntry } from '../model/entry.ts';
import { type Frontier, leafHash } from '../model/merkle.ts';

/** The state after a transaction that was acknowledged. */
export interface AcknowledgedState {
  readonly epoch: number;
  readonly revisions: number;
  readonly tree: Frontier;
}

/** A row of a key as it was seen. */
export interface SeenKey {
  readonly id: string;
  readonly revision: number;
  readonly mac: string;
}

/** The last leaf of a transaction, by which it is found again. */
export interface Leaf {
  readonly index: number;
  readonly hash: Bytes;
}

/** The database is older than what this process has seen of it. */
export class RolledBack extends IntegrityError {}

/** What was known when a read began: what comes to be known while it runs says nothing against it. */
export interface Known {
  readonly epoch: number;
  readonly revisions: number;
  readonly size: number;
  readonly leaf: Bytes | undefined;
  readonly at: number;
}

const maxKeys = 50_000;

export class Acknowledged {
  #known: Omit<Known, 'at'> = { epoch: 0, revisions: 0, size: 0, leaf: undefined };
  #at = 0;
  readonly #keys = new LruMap<string, SeenKey & { readonly at: number }>(maxKeys);

  /** To be taken before a read or a transaction begins. */
  known(): Known {
    return { ...this.#known, at: this.#at };
  }

  /** A transaction was acknowledged, which left this state and, where it wrote any, this last leaf. */
  raise({ epoch, revisions, tree }: AcknowledgedState, leaf: Leaf | undefined, keys: readonly SeenKey[] = []): void {
    for (const key of keys) this.see(key);
    const { size } = this.#known;
    if (epoch >= this.#known.epoch) this.#known = { ...this.#known, epoch, revisions };
    if (leaf && tree.size > size) this.#known = { ...this.#known, size: tree.size, leaf: leaf.hash };
  }

  /** Remembers a row of a key that is committed. */
  see({ id, revision, mac }: SeenKey): void {
    const before = this.#keys.get(id);
    if (before && before.revision >= revision) return;
    this.#at += 1;
    this.#keys.set(id, { id, revision, mac, at: this.#at });
  }

  /** The rows have their MACs under another key from now on. */
  forgetKeys(): void {
    this.#keys.clear();
  }

  /** Throws `RolledBack` for a row that is older than one seen before, or another one of the same revision. */
  assertKey({ id, revision, mac }: SeenKey, { at }: Known): void {
    const before = this.#keys.get(id);
    if (!before || before.at > at) return;
    if (revision > before.revision || (revision === before.revision && mac === before.mac)) return;
    throw new RolledBack(`The rows of the key ${id} are older than ones seen before, or others: they were put back`);
  }
}

/** The hash of the leaf that `known` ends with, as the database has it now: a column beside the state. */
export function knownLeaf({ size }: Known) {
  return sql<Bytes | null>`(select hash from audit_leaves where idx = ${size - 1})`;
}

/** Throws `RolledBack` for a state that does not continue what is known. */
export function assertContinues(state: AcknowledgedState, leaf: Uint8Array | null, known: Known): void {
  const { epoch, revisions, tree } = state;
  if (epoch < known.epoch || revisions < known.revisions || tree.size < known.size) {
    throw new RolledBack(
      `The database went back: epoch ${epoch} and ${tree.size} entries, after epoch ${known.epoch} and ${known.size} entries`,
    );
  }
  if (known.leaf && !(leaf && equalBytes(leaf, known.leaf))) {
    throw new RolledBack(`Entry ${known.size - 1} of the log is another one than was acknowledged: the log was forked`);
  }
}

/** The last leaf of these entries, which a transaction appends to a tree of this size. */
export function lastLeaf(size: number, entries: readonly LogEntry[]): Leaf | undefined {
  const last = entries.at(-1);
  return last && { index: size + entries.length - 1, hash: leafHash(last.bytes) };
}
