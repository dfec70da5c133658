/** How far replicas are behind the primary server: `docs/fields.md` §10.14. */

import { assert } from '../../../lib/assert.ts';
import type { JobClient } from './database.ts';

/**
 * Whether a replica has not replayed what the primary server has written by now, and last replayed a transaction of longer ago than some milliseconds, by its own clock. Rejects with a `TypeError` for
 * a server that is no standby, and with the error of one that cannot be asked.
 */
export async function isBehind(primary: JobClient, replicas: readonly JobClient[], most: number): Promise<boolean> {
  if (replicas.length === 0) return false;
  const { rows } = await primary.query('SELECT pg_current_wal_lsn()::text AS written');
  const written = rows[0]?.['written'];
  const lags = await Promise.all(replicas.map((replica) => lagOf(replica, written)));
  return lags.some((lag) => lag > most);
}

async function lagOf(replica: JobClient, written: unknown): Promise<number> {
  const { rows } = await replica.query(lagSql, [written]);
  const { standby, current, lag } = rows[0] ?? {};
  assert(standby === true, 'replicas', 'pools on standby servers');
  if (current === true) return 0;
  return lag === null ? Number.POSITIVE_INFINITY : Number(lag);
}

const lagSql = `SELECT pg_is_in_recovery() AS standby, pg_last_wal_replay_lsn() >= $1::pg_lsn AS current,
  extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 * 1000 AS lag`;
