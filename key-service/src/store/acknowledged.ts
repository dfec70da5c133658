/** What this process knows to have been committed: a database that knows less has gone back, `docs/key-service.md` §11.7. */

import { sql } from 'kysely';
import { IntegrityError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import { LruMap } from '../lib/lru.ts';
import type { LogEntry } from '../model/entry.ts';
import { type Frontier, leafHash } from '../model/merkle.ts';

/** A tenant's state after a transaction that was acknowledged. */
export interface AcknowledgedState {
  readonly tenant: string;
  readonly resumed: number;
  readonly epoch: number;
  readonly revisions: number;
  readonly tree: Frontier;
}

/** A row of a key as it was seen. */
export interface SeenKey {
  readonly id: string;
  readonly tenant: string;
  readonly revision: number;
  /** `undefined`: another process has seen it. */
  readonly mac: string | undefined;
}

/** How far a key had come that some process has seen. */
export type SeenRevision = Pick<SeenKey, 'id' | 'revision'>;

/** The last leaf of a transaction, by which it is found again. */
export interface Leaf {
  readonly index: number;
  readonly hash: Bytes;
}

/** The database is older than what this process has seen of it. */
export class RolledBack extends IntegrityError {}

/** What was known of a tenant when a read began: what comes to be known while it runs says nothing against it. */
export interface KnownState {
  readonly resumed: number;
  readonly epoch: number;
  readonly revisions: number;
  readonly size: number;
  readonly leaf: Bytes | undefined;
  /** Why nothing is done for the tenant any more. */
  readonly halted?: IntegrityError | undefined;
}

/** When a read began, in what was known before. */
export interface Known {
  readonly at: number;
}

const maxKeys = 50_000;
const nothing: KnownState = { resumed: 0, epoch: 0, revisions: 0, size: 0, leaf: undefined };

export class Acknowledged {
  readonly #states = new Map<string, KnownState & { readonly at: number }>();
  readonly #doubted = new Set<string>();
  #at = 0;
  readonly #keys = new LruMap<string, SeenKey & { readonly at: number }>(maxKeys);

  /** To be taken before a read or a transaction begins. */
  known(): Known {
    return { at: this.#at };
  }

  /** The same, of a tenant's state. */
  state(tenant: string): KnownState {
    return this.#states.get(tenant) ?? nothing;
  }

  /** The same, of a read of many: what has come to be known of a tenant since says nothing of what the read shows, except that an operator has accepted it, or it is halted. */
  stateBefore(tenant: string, { at }: Known): KnownState {
    const known = this.#states.get(tenant);
    if (!known || known.at <= at) return known ?? nothing;
    return { ...nothing, resumed: known.resumed, halted: known.halted };
  }

  /** A transaction was acknowledged, which left this state and, where it wrote any, this last leaf. */
  raise(state: AcknowledgedState, leaf: Leaf | undefined, keys: readonly SeenKey[] = []) {
    const { tenant, resumed, epoch, revisions, tree } = state;
    this.renew(state);
    for (const key of keys) this.see(key);
    const known = this.state(tenant);
    // A transaction of before an operator accepted what is there.
    if (resumed < known.resumed) return;
    const raised = epoch >= known.epoch ? { ...known, epoch, revisions } : known;
    const grown = leaf && tree.size > known.size ? { ...raised, size: tree.size, leaf: leaf.hash } : raised;
    this.#set(tenant, grown);
  }

  /** Forgets what was known of a tenant before an operator accepted what is there. */
  renew({ tenant, resumed }: Pick<AcknowledgedState, 'tenant' | 'resumed'>): void {
    if (resumed <= this.state(tenant).resumed) return;
    this.#set(tenant, { ...nothing, resumed });
    this.#doubted.delete(tenant);
    for (const { id } of this.keysOf(tenant)) this.#keys.delete(id);
  }

  /** Takes over what another process knows of a tenant, and of keys of it whose rows are older. */
  learn(tenant: string, other: KnownState, keys: readonly SeenRevision[] = []): void {
    this.renew({ tenant, resumed: other.resumed });
    const known = this.state(tenant);
    if (other.resumed < known.resumed) return;
    const { size, leaf } = other.size > known.size ? other : known;
    const [epoch, revisions] = [Math.max(known.epoch, other.epoch), Math.max(known.revisions, other.revisions)];
    this.#set(tenant, { ...known, epoch, revisions, size, leaf });
    for (const key of keys) this.see({ ...key, tenant, mac: undefined });
  }

  /** Tenants whose rows were older than what is known, since this was last called. The caller reports them, or gives them back. */
  takeDoubted(): string[] {
    const doubted = [...this.#doubted];
    this.#doubted.clear();
    return doubted;
  }

  /** For tenants that were taken and not told. */
  doubt(tenants: readonly string[]): void {
    for (const tenant of tenants) this.#doubted.add(tenant);
  }

  /** The rows of a tenant's keys that were seen. */
  keysOf(tenant: string): SeenKey[] {
    return this.#keys.values().filter((key) => key.tenant === tenant);
  }

  /** From now on nothing is done for a tenant. */
  halt(tenant: string, halted: IntegrityError): void {
    this.#set(tenant, { ...this.state(tenant), halted });
  }

  /** Remembers a row of a key that is committed. */
  see({ id, tenant, revision, mac }: SeenKey): void {
    const before = this.#keys.get(id);
    if (before && (before.revision > revision || (before.revision === revision && before.mac !== undefined))) return;
    this.#at += 1;
    this.#keys.set(id, { id, tenant, revision, mac, at: this.#at });
  }

  /** The rows have their MACs under another key from now on. */
  forgetKeys(): void {
    this.#keys.clear();
  }

  /** Throws as {@link assertContinues} does. A state in which an operator accepted what is there begins again. */
  assertState(state: AcknowledgedState, leaf: Uint8Array | null, known: KnownState): void {
    this.renew(state);
    try {
      assertContinues(state, leaf, known);
    } catch (error) {
      if (error instanceof RolledBack) this.#doubted.add(state.tenant);
      throw error;
    }
  }

  #set(tenant: string, known: KnownState): void {
    this.#at += 1;
    this.#states.set(tenant, { ...known, at: this.#at });
  }

  /** Throws `RolledBack` for a row that is older than one seen before, or another one of the same revision. */
  assertKey({ id, tenant, revision, mac }: SeenKey, { at }: Known): void {
    const before = this.#keys.get(id);
    if (!before || before.at > at) return;
    if (revision > before.revision) return;
    if (revision === before.revision && (before.mac === undefined || mac === before.mac)) return;
    this.#doubted.add(tenant);
    throw new RolledBack(`The rows of the key ${id} are older than ones seen before, or others: they were put back`);
  }
}

/** The hash of the leaf that `known` ends with, as the database has it now: a column beside the state. */
export function knownLeaf(tenant: string, { size }: KnownState) {
  return sql<Bytes | null>`(select hash from log_leaves where log = ${tenant} and idx = ${size - 1})`;
}

/** What a state must reach that no state reaches, of a tenant that was halted. */
export const unreachable = Number.MAX_SAFE_INTEGER;

function assertNotHalted(tenant: string, { halted }: KnownState): void {
  if (halted) throw new IntegrityError(`The tenant ${tenant} is halted: ${halted.message}`, { cause: halted });
}

/** Throws `RolledBack` for a state that does not continue what is known, and `IntegrityError` for a tenant that was halted. */
export function assertContinues(state: AcknowledgedState, leaf: Uint8Array | null, known: KnownState): void {
  const { tenant, resumed, epoch, revisions, tree } = state;
  if (resumed > known.resumed) return;
  assertNotHalted(tenant, known);
  const of = tenant === '' ? 'of the service' : `of the tenant ${tenant}`;
  if (resumed < known.resumed || epoch < known.epoch || revisions < known.revisions || tree.size < known.size) {
    throw new RolledBack(
      `The state ${of} went back: epoch ${epoch} and ${tree.size} entries, after epoch ${known.epoch} and ${known.size} entries`,
    );
  }
  if (known.leaf && !(leaf && equalBytes(leaf, known.leaf))) {
    throw new RolledBack(
      `Entry ${known.size - 1} of the log ${of} is another one than was acknowledged: the log was forked`,
    );
  }
}

/** The last leaf of these entries, which a transaction appends to a tree of this size. */
export function lastLeaf(size: number, entries: readonly LogEntry[]): Leaf | undefined {
  const last = entries.at(-1);
  return last && { index: size + entries.length - 1, hash: leafHash(last.bytes) };
}
