/** Publishing the heads of all tenants' logs in the service's own log, of which each process keeps the newest tree; `docs/key-service.md` §8.7. */

import { setImmediate } from 'node:timers/promises';
import { IntegrityError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import { serviceLog } from '../model/entry.ts';
import { leafHash } from '../model/merkle.ts';
import { SlotTree, slotBytes } from '../model/slots.ts';
import type { Leaf } from './acknowledged.ts';
import type { Engine, Queries } from './engine.ts';
import { headOf, selectHeadRows, walkHeads, writeHeads } from './heads.ts';
import type { NextPublication, PublishedHead, PublishedSlot } from './published.ts';
import type { StateRecord } from './rows.ts';
import { assertNewestPublication, followLog, publishedRoot, type SeenLog } from './service-log.ts';
import { appendEntries, readState, type StateReading, writeState } from './state.ts';

/** The newest publication, and the tree over its slots. */
export interface PublishedTree extends Newest {
  readonly tree: SlotTree;
}

/** A publication that is ready to be written, if nobody has published since it was begun. */
export interface Prepared {
  /** The service's own log with the publication that this one follows. */
  readonly seen: SeenLog;
  readonly next: NextPublication;
  readonly tree: SlotTree;
  readonly grown: readonly PublishedHead[];
  /** Tenants whose logs do not continue their heads, which stay as they were. */
  readonly refused: ReadonlyMap<string, IntegrityError>;
}

interface Newest {
  /** The leaf of the service's log. */
  readonly leaf: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly seed: Bytes;
  readonly slots: number;
  readonly root: Bytes;
}

/** What is published next, and what it follows. */
export interface Preparing {
  readonly next: NextPublication;
  readonly seen: SeenLog;
  /** What goes on of a tenant in place of what was published. */
  readonly accepted: PublishedHead | undefined;
}

/** Milliseconds that the clocks of two replicas, and the wait for the lock, may be apart. */
const aheadMs = 60_000;
/** Slots that are hashed in one turn: about a millisecond. */
const slotsAtOnce = 50;
const attempts = 5;

/** Whether somebody has published since. A time that is yet to come was written by a clock that was wrong, or by somebody else. */
export function isRecent({ published }: SeenLog, now: number, since: number): boolean {
  return published !== undefined && published.time > since && published.time <= now + aheadMs;
}

/**
 * Computes the next publication, without a lock and in pieces. `undefined`: somebody else has published meanwhile. Throws `IntegrityError` where the heads are not those
 * that were published.
 */
export async function preparePublication(
  engine: Engine,
  reading: StateReading,
  { next, seen, accepted }: Preparing,
): Promise<Prepared | undefined> {
  const newest = await engine.read((db) => selectNewest(db, seen));
  if (newest?.leaf !== seen.published?.leaf) return undefined;
  const [before, after, grown, refused]: [Bytes[], Bytes[], PublishedHead[], Map<string, IntegrityError>] = [
    [],
    [],
    [],
    new Map(),
  ];
  let isWhole = true;
  for await (const page of walkHeads(engine, reading)) {
    for (const walked of page) {
      const { slot, head } = walked;
      const isAccepted = head.tenant === accepted?.tenant;
      const published = isAccepted ? accepted : walked.next;
      if (walked.refused && !isAccepted) refused.set(head.tenant, walked.refused);
      if (published !== head) grown.push(published);
      if (newest && slot < newest.slots) before.push(leafHash(slotBytes(newest.seed, head)));
      else isWhole &&= head.tree.size === 0 && slot === after.length;
      after.push(leafHash(slotBytes(next.seed, published)));
      if (slot % slotsAtOnce === slotsAtOnce - 1) await setImmediate();
    }
  }
  if (!isWhole || !isThat(await SlotTree.over(before, setImmediate), newest)) {
    if ((await engine.read((db) => selectNewest(db, seen)))?.leaf !== newest?.leaf) return undefined;
    throw changed();
  }
  return { seen, next, tree: await SlotTree.over(after, setImmediate), grown, refused };
}

/** What a publication left. */
export interface Written {
  readonly state: StateRecord;
  /** `undefined`: somebody else has published meanwhile, and nothing was written. */
  readonly leaf: Leaf | undefined;
  readonly seen: SeenLog;
}

/** Writes a publication, under the lock of the service's state. Throws `IntegrityError` where the heads are no longer those of the newest publication. */
export async function writePublication(tx: Queries, reading: StateReading, prepared: Prepared): Promise<Written> {
  const { seen: before } = prepared;
  const state = await readState(tx, reading, serviceLog);
  const seen = await followLog(tx, state, before);
  await assertNewestPublication(tx, seen);
  if (seen.published?.leaf !== before.published?.leaf) return { state, leaf: undefined, seen };
  return publishOver(tx, reading, state, prepared);
}

/** Writes a publication behind what the log has, whose lock the caller holds. */
export async function publishOver(
  tx: Queries,
  reading: StateReading,
  state: StateRecord,
  { next, tree, grown }: Prepared,
): Promise<Written> {
  await writeHeads(tx, reading, grown);
  await tx.deleteFrom('publications').execute();
  const { time, seed } = next;
  await tx.insertInto('publications').values({ idx: state.tree.size, seed }).execute();
  const entry = next.entry(tree.slots, tree.root);
  const appended = await appendEntries(tx, state, [entry]);
  await writeState(tx, reading.macKey, appended);
  const last = { index: state.tree.size, hash: leafHash(entry.bytes) };
  const published = { leaf: last.index, hash: last.hash, time };
  const seen = { resumed: state.resumed, tree: appended.tree, published, last };
  return { state: appended, leaf: last, seen };
}

/** Reads the newest publication, and keeps its tree until there is a newer one. */
export class Publications {
  readonly #engine: Engine;
  readonly #seen: () => SeenLog | undefined;
  #kept: PublishedTree | undefined;
  #reading: Promise<PublishedTree | undefined> | undefined;

  /** `seen` is what this process knows of the service's own log: no earlier publication is believed. */
  constructor(engine: Engine, seen: () => SeenLog | undefined) {
    this.#engine = engine;
    this.#seen = seen;
  }

  /** Keeps what this process has published. */
  keep({ next: { time, seed }, tree }: Prepared, leaf: number): void {
    this.#kept = { leaf, time, seed, slots: tree.slots, root: tree.root, tree };
  }

  /** The newest publication. Throws `IntegrityError` where its heads do not have the root that its leaf says. */
  newest(): Promise<PublishedTree | undefined> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** A tenant's slot in it; `undefined` for a tenant that no publication has named yet. */
  async slot(tenant: string): Promise<PublishedSlot | undefined> {
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const newest = await this.newest();
      const query = (db: Queries) => db.selectFrom('heads').selectAll().where('tenant', '=', tenant).executeTakeFirst();
      const row = await this.#engine.read(query);
      if (!newest || !row || row.slot >= newest.slots) return undefined;
      const { leaf, seed, slots, tree } = newest;
      const head = headOf(row);
      const bytes = slotBytes(seed, head);
      const isPublished = equalBytes(tree.leaf(row.slot) ?? new Uint8Array(), leafHash(bytes));
      if (isPublished) return { leaf, slot: row.slot, slots, head, bytes, proof: tree.proof(row.slot) };
      if ((await this.#newest())?.leaf === leaf) break;
    }
    throw changed();
  }

  async #read(): Promise<PublishedTree | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const newest = await this.#newest();
      const kept = this.#kept;
      if (kept && newest && kept.leaf === newest.leaf && equalBytes(kept.root, newest.root)) return kept;
      const tree = await this.#treeOf(newest);
      if (tree && isThat(tree, newest)) {
        this.#kept = newest && { ...newest, tree };
        return this.#kept;
      }
      const isStill = (await this.#newest())?.leaf === newest?.leaf;
      if (isStill || attempt >= attempts) throw changed();
    }
  }

  #newest(): Promise<Newest | undefined> {
    // Taken before the read: what is published while it runs says nothing against it.
    const seen = this.#seen();
    return this.#engine.read((db) => selectNewest(db, seen));
  }

  // `undefined` where a head is there that was never published.
  async #treeOf(newest: Newest | undefined): Promise<SlotTree | undefined> {
    const leaves: Bytes[] = [];
    for (let from = 0; ; ) {
      const rows = await this.#engine.read((db) => selectHeadRows(db, from));
      for (const row of rows) {
        if (newest && row.slot < newest.slots) leaves.push(leafHash(slotBytes(newest.seed, headOf(row))));
        else if (row.size > 0) return undefined;
        if (row.slot % slotsAtOnce === slotsAtOnce - 1) await setImmediate();
      }
      const last = rows.at(-1);
      if (!last) return SlotTree.over(leaves, setImmediate);
      from = last.slot + 1;
    }
  }
}

function isThat(tree: SlotTree, newest: Newest | undefined): boolean {
  return newest === undefined || (tree.slots === newest.slots && equalBytes(tree.root, newest.root));
}

async function selectNewest(db: Queries, seen: SeenLog | undefined): Promise<Newest | undefined> {
  const row = await db.selectFrom('publications').selectAll().orderBy('idx', 'desc').limit(1).executeTakeFirst();
  const { leaf: known = -1, hash: knownHash } = seen?.published ?? {};
  if ((row?.idx ?? -1) < known) throw putBack();
  if (!row) return undefined;
  const query = db.selectFrom('log_leaves').selectAll().where('log', '=', serviceLog).where('idx', '=', row.idx);
  const leaf = await query.executeTakeFirst();
  const entry = Uint8Array.from(leaf?.entry ?? []);
  const hash = leafHash(entry);
  const said = publishedRoot(entry);
  if (!leaf || !said || !equalBytes(hash, leaf.hash)) throw changed();
  if (row.idx === known && knownHash && !equalBytes(hash, knownHash)) throw changed();
  return { leaf: row.idx, seed: Uint8Array.from(row.seed), ...said };
}

function changed(): IntegrityError {
  return new IntegrityError('The published heads were changed in the store by somebody else');
}

function putBack(): IntegrityError {
  return new IntegrityError('The published heads are older than ones that this process has seen: they were put back');
}
