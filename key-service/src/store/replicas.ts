/** Which processes serve a database: a row each, renewed every few seconds, so that nobody takes the root key away under them. */

import { IntegrityError, OperatorError } from '../errors.ts';
import { serviceLog } from '../model/entry.ts';
import type { Queries } from './engine.ts';

/** A process that serves. */
export interface Replica {
  readonly id: string;
  /** Host and process, for people. */
  readonly name: string;
}

/** A replica as others see it. */
export interface SeenReplica extends Replica {
  /** Unix seconds of its last sign of life. */
  readonly seen: number;
}

/** Seconds after its last sign of life that a replica counts as alive. */
const liveSeconds = 30;
const forgetSeconds = 86_400;

/** Adds a replica, under the lock of the service's state: a change that looks for replicas comes before or after. */
export async function joinReplicas(tx: Queries, replica: Replica, now: number): Promise<void> {
  await tx.updateTable('states').set({ tenant: serviceLog }).where('tenant', '=', serviceLog).execute();
  await tx
    .insertInto('replicas')
    .values({ ...replica, seen: now })
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
export function selectReplicas(db: Queries): Promise<SeenReplica[]> {
  return db.selectFrom('replicas').selectAll().orderBy('name').execute();
}

/** Throws `OperatorError` where a replica serves; `now` is in seconds, by the clock of the database. */
export function assertNoneServes(replicas: readonly SeenReplica[], now: number): void {
  const live = replicas.filter(({ seen }) => now - seen < liveSeconds);
  if (live.length === 0) return;
  const names = live.map(({ name, seen }) => `${name} (seen ${Math.max(0, now - seen)} s ago)`).join(', ');
  throw new OperatorError(
    `Replicas serve this database: ${names}. Stop all of them first; one that was killed counts for ${liveSeconds} s`,
  );
}

function retired(): IntegrityError {
  return new IntegrityError('This replica was retired, by a rotation of the root key or a restore: restart it');
}
