/** The service's own log, followed from what this process has seen of it: heads are published over its newest publication alone; `docs/key-service.md` §11.7. */

import { IntegrityError } from '../errors.ts';
import { type Bytes, decodeBase64url } from '../lib/bytes.ts';
import { membersOf, serviceLog } from '../model/entry.ts';
import { appendLeaf, type Frontier, frontierAt, isSameTree, leafHash } from '../model/merkle.ts';
import { type Leaf, RolledBack } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { selectEntries, selectNodes } from './log-queries.ts';
import type { StateRecord } from './rows.ts';

/** The log as of a transaction that was acknowledged. */
export interface SeenLog {
  /** That of the state: what was seen before an operator accepted what is there counts no more. */
  readonly resumed: number;
  readonly tree: Frontier;
  /** The newest publication in it. */
  readonly published: SeenPublication | undefined;
  /** The last leaf, where it was read. */
  readonly last: Leaf | undefined;
}

/** A publication by its leaf. */
export interface SeenPublication {
  readonly leaf: number;
  readonly hash: Bytes;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** What a leaf says was published. */
export interface PublishedRoot {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly slots: number;
  readonly root: Bytes;
}

const entriesAtOnce = 100;
const grownAtOnce = 1000;

/**
 * The log up to its head, whose MAC was checked, from what was seen of it on; or from its newest publication, where nothing was. Throws `IntegrityError` where the entries
 * do not lead there.
 */
export async function followLog(db: Queries, state: StateRecord, seen: SeenLog | undefined): Promise<SeenLog> {
  const { resumed, tree: head } = state;
  const known = seen && seen.resumed >= resumed ? seen : await startOf(db, state);
  if (known.resumed > resumed || known.tree.size > head.size) {
    throw new RolledBack(`The log of the service went back: ${head.size} entries, after ${known.tree.size} entries`);
  }
  let { tree, published, last } = known;
  while (tree.size < head.size) {
    const page = await selectEntries(db, serviceLog, tree.size, Math.min(tree.size + grownAtOnce, head.size));
    if (page.length === 0) throw notLeading();
    for (const { index, entry } of page) {
      if (index !== tree.size) throw notLeading();
      const hash = leafHash(entry);
      const { time } = publishedRoot(entry) ?? {};
      if (time !== undefined) published = { leaf: index, hash, time };
      last = { index, hash };
      tree = appendLeaf(tree, hash).frontier;
    }
  }
  if (!isSameTree(tree, head)) throw notLeading();
  return { resumed, tree, published, last };
}

/** Throws `IntegrityError` where the published heads are of another publication than the newest one in the log. */
export async function assertNewestPublication(db: Queries, { published }: SeenLog): Promise<void> {
  if ((await glanceAtLog(db)).leaf === published?.leaf) return;
  throw new IntegrityError('The published heads are not those of the newest publication: they were put back');
}

/** The leaf of the publication that the heads are said to be of, and the `resumed` of the state: whether there is anything to look at. */
export async function glanceAtLog(
  db: Queries,
): Promise<{ readonly leaf: number | undefined; readonly resumed: number | undefined }> {
  const states = db.selectFrom('states').select('resumed').where('tenant', '=', serviceLog);
  const { resumed } = (await states.executeTakeFirst()) ?? {};
  const publications = db.selectFrom('publications').select('idx').orderBy('idx', 'desc').limit(1);
  return { leaf: (await publications.executeTakeFirst())?.idx, resumed };
}

/** What an entry of the service's log says was published; `undefined` for any other entry. */
export function publishedRoot(entry: Uint8Array): PublishedRoot | undefined {
  const { operation, time, change } = membersOf(entry);
  const { root: text, tenants: slots } = (change ?? {}) as { readonly root?: unknown; readonly tenants?: unknown };
  if (operation !== 'publish' || typeof time !== 'number' || typeof slots !== 'number') return undefined;
  const root = typeof text === 'string' ? decodeBase64url(text) : undefined;
  return root && { time, slots, root };
}

// What else is in the log is rare. Before tenants had their own it had everything, up to the leaf that says so.
async function startOf(db: Queries, { resumed, tree: { size } }: StateRecord): Promise<SeenLog> {
  let from = size;
  for (let found = false; from > 0 && !found; ) {
    const to = from;
    from = Math.max(0, to - entriesAtOnce);
    const page = await selectEntries(db, serviceLog, from, to);
    found = page.some(({ entry }) => ['publish', 'divide-log'].some((one) => membersOf(entry)['operation'] === one));
  }
  const tree = await frontierAt((...range) => selectNodes(db, serviceLog, ...range), from);
  return { resumed, tree, published: undefined, last: undefined };
}

function notLeading(): IntegrityError {
  return new IntegrityError(
    'The entries of the log of the service do not lead to its head: they were changed or put back',
  );
}
