/** Accepting what there is of the service's own log, where that has gone back or older heads were put back beside it; `docs/key-service.md` §12.9. */

import { IntegrityError } from '../errors.ts';
import { equalBytes } from '../lib/bytes.ts';
import { type LogEntry, serviceLog } from '../model/entry.ts';
import { isSameTree, rootOf } from '../model/merkle.ts';
import {
  type Basis,
  inspected,
  type KnownEnd,
  lockInspected,
  mendNodes,
  type ReadLog,
  readLog,
  rememberedEnds,
} from './accepted-log.ts';
import type { Engine, Queries } from './engine.ts';
import type { KnownHead, LostOfService } from './published.ts';
import { trustedMemory } from './remembered.ts';
import { type StateRecord, stateOf } from './rows.ts';
import { publishedRoot, type SeenLog, type SeenPublication } from './service-log.ts';
import { appendEntries } from './state.ts';
import type { Reading } from './transactions.ts';

/** What there is of the service's own log, against what is known of it. */
export interface FoundService {
  readonly basis: Basis;
  readonly lost: LostOfService;
  readonly log: ReadLog;
  /** As it was found, and as it goes on before its leaf. */
  readonly state: StateRecord;
  readonly next: Pick<StateRecord, 'epoch' | 'resumed'>;
  /** The log with the publication that the heads are of. */
  readonly seen: SeenLog;
}

/** Looks at the service's own log, without a lock. `checkpoint` is one outside the database. Throws `IntegrityError` for rows that nobody can accept. */
export async function inspectService(
  { macKey, engine }: Reading,
  checkpoint: KnownHead | undefined,
): Promise<FoundService> {
  const { basis, found } = await inspected(engine, serviceLog, async (basis) => {
    if (!basis.state) throw notAcceptable('The service has no state');
    const state = stateOf(macKey, basis.state);
    const all = trustedMemory(macKey, basis.remembered);
    const remembered = all.filter(({ resumed }) => resumed >= state.resumed);
    // The MAC of the state covers its tree: entries that lead elsewhere were changed, and none were lost.
    const stateEnd = watched({ size: state.tree.size, isHere: (tree) => isSameTree(tree, state.tree) });
    const checkpointEnd = checkpoint && watched(endOf(checkpoint));
    const ends = [stateEnd, ...rememberedEnds(remembered), ...(checkpointEnd ? [checkpointEnd] : [])];
    const there = basis.publication?.idx;
    const publications: { newest?: SeenPublication; published?: SeenPublication } = {};
    const log = await readLog(engine, serviceLog, ends, ({ index: leaf, hash, entry }) => {
      const { time } = publishedRoot(entry) ?? {};
      if (time === undefined) return;
      publications.newest = { leaf, hash, time };
      if (leaf === there) publications.published = publications.newest;
    });
    if (!stateEnd.found()) throw notAcceptable('The entries of the log of the service do not lead to its head');
    // The leaf that a replica remembers says nothing of those before it.
    const vouched = Math.max(state.tree.size, checkpointEnd?.found() ? checkpointEnd.size : 0);
    if (log.tree.size > vouched) throw notAcceptable(`Nothing vouches for entry ${vouched} of the log of the service`);
    const { newest, published } = publications;
    if (there !== undefined && !published) throw notAcceptable('The published heads are of no publication in the log');
    const tenants = await engine.read(countHeads);
    if (tenants !== state.revisions) throw notAcceptable('There are not as many heads as tenants');
    const known = [log.tree.size, checkpoint?.size ?? 0, ...remembered.map(({ size }) => size)];
    const lost: LostOfService = {
      entries: { known: Math.max(...known), there: log.tree.size },
      state: { known: log.tree.size, there: state.tree.size },
      publications: { known: newest?.leaf ?? null, there: published?.leaf ?? null },
      tenants: { known: Math.max(tenants, ...remembered.map(({ revisions }) => revisions)), there: tenants },
      forked: log.forked,
    };
    const next = {
      epoch: 1 + Math.max(state.epoch, ...remembered.map(({ epoch }) => epoch)),
      resumed: 1 + Math.max(state.resumed, ...all.map(({ resumed }) => resumed)),
    };
    const seen = { resumed: state.resumed, tree: log.tree, published, last: undefined };
    return { lost, log, state, next, seen };
  });
  return { basis, ...found };
}

/** Appends the leaf of the act to the log that there is, under its lock. `undefined`: there is something else by now than what was found. The state is not written yet. */
export async function resumeLog(
  tx: Queries,
  engine: Engine,
  { basis, log, state, next }: FoundService,
  { time, entry }: { readonly time: number; readonly entry: LogEntry },
): Promise<StateRecord | undefined> {
  if (!(await lockInspected(tx, engine, serviceLog, basis))) return undefined;
  await mendNodes(tx, serviceLog, log);
  const resumed = Math.max(time, next.resumed);
  return appendEntries(tx, { ...state, epoch: next.epoch, resumed, tree: log.tree }, [entry]);
}

function notAcceptable(what: string): IntegrityError {
  return new IntegrityError(`${what}: put back what was changed from a backup first`);
}

function endOf({ size, root }: KnownHead): KnownEnd {
  return { size, isHere: (tree) => equalBytes(rootOf(tree), root) };
}

/** An end that says whether the log had it. Every log has the empty one. */
function watched({ size, isHere }: KnownEnd): KnownEnd & { found(): boolean } {
  let isFound = size === 0;
  return {
    size,
    isHere: (tree, last) => {
      isFound = isHere(tree, last);
      return isFound;
    },
    found: () => isFound,
  };
}

async function countHeads(db: Queries): Promise<number> {
  const query = db.selectFrom('heads').select(({ fn }) => fn.countAll<number>().as('n'));
  return Number((await query.executeTakeFirstOrThrow()).n);
}
