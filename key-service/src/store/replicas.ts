/** Which processes serve a database: a row each, renewed every few seconds, so that nobody takes the root key away under them. */

import { IntegrityError, OperatorError } from '../errors.ts';
import { serviceLog } from '../model/entry.ts';
import type { Queries } from './engine.ts';

/** A process that serves. */
export interface Replica {
  readonly id: string;
  /** Host and process, for people. */
  readonly name: string;
  /** The ids of the root keys that it has: first that of the one that it seals under. */
  readonly roots: readonly string[];
}

/** A replica as others see it. */
export interface SeenReplica extends Replica {
  /** Unix seconds of its last sign of life. */
  readonly seen: number;
}

/** Seconds after its last sign of life that a replica counts as alive. */
const liveSeconds = 30;
const forgetSeconds = 86_400;

/**
 * Adds a replica, under the lock of the service's state: a change that looks for replicas comes before or after. Throws `OperatorError` beside a live one that could not
 * open what this one seals, or the other way round. `now` is in seconds.
 */
export async function joinReplicas(tx: Queries, { id, name, roots }: Replica, now: number): Promise<void> {
  await tx.updateTable('states').set({ tenant: serviceLog }).where('tenant', '=', serviceLog).execute();
  assertOpenEachOther(await selectReplicas(tx), { roots, now });
  await tx
    .insertInto('replicas')
    .values({ id, name, seen: now, roots: JSON.stringify(roots) })
    .execute();
}

/** A sign of life. Throws `IntegrityError` for a replica that was retired. */
export async function beatReplica(tx: Queries, id: string, now: number): Promise<void> {
  const beaten = await tx.updateTable('replicas').set({ seen: now }).where('id', '=', id).returning('id').execute();
  if (beaten.length === 0) throw retired();
  await tx
    .deleteFrom('replicas')
    .where('seen', '<', now - forgetSeconds)
    .execute();
}

/** Throws `IntegrityError` for a replica that was retired: it may hold a root key or secrets that are no more. */
export async function assertServes(tx: Queries, id: string): Promise<void> {
  const row = await tx.selectFrom('replicas').select('id').where('id', '=', id).executeTakeFirst();
  if (!row) throw retired();
}

/** All replicas but those that said goodbye. */
export async function selectReplicas(db: Queries): Promise<SeenReplica[]> {
  const rows = await db.selectFrom('replicas').selectAll().orderBy('name').execute();
  // Before schema 5 nobody said which root keys they have.
  return rows.map(({ roots = '[]', ...row }) => ({ ...row, roots: JSON.parse(roots) as string[] }));
}

/** Those that have shown a sign of life within 30 seconds. */
export function liveReplicas(replicas: readonly SeenReplica[], now: number): SeenReplica[] {
  return replicas.filter(({ seen }) => now - seen < liveSeconds);
}

/** Throws `OperatorError` where a replica serves; `now` is in seconds, by the clock of the database. */
export function assertNoneServes(replicas: readonly SeenReplica[], now: number): void {
  const live = liveReplicas(replicas, now);
  if (live.length === 0) return;
  const names = live.map(({ name, seen }) => `${name} (seen ${Math.max(0, now - seen)} s ago)`).join(', ');
  throw new OperatorError(
    `Replicas serve this database: ${names}. Stop all of them first; one that was killed counts for ${liveSeconds} s`,
  );
}

/** Throws `OperatorError` where a live replica could not open what is sealed under the first of these root keys, or seals under one that is not among them. */
export function assertOpenEachOther(
  replicas: readonly SeenReplica[],
  { roots, now }: Pick<Replica, 'roots'> & { readonly now: number },
): void {
  const [mine = ''] = roots;
  for (const { name, roots: theirs } of liveReplicas(replicas, now)) {
    if (!theirs.includes(mine)) {
      throw new OperatorError(
        `The replica ${name} does not have the root key ${mine}: name it in its previous_root_keys and restart it first`,
      );
    }
    if (!roots.includes(theirs[0] ?? '')) {
      throw new OperatorError(
        `The replica ${name} seals under the root key ${theirs[0]}, which previous_root_keys does not name here`,
      );
    }
  }
}

function retired(): IntegrityError {
  return new IntegrityError('This replica was retired, by a rotation of the root key or a restore: restart it');
}
