/** The database of jobs: connections, transactions, and what may be tried again. */

import { textSettings } from './plain-text.ts';

/** What is used of a result of `pg`. */
export interface JobResult {
  readonly rows: readonly Record<string, unknown>[];
  readonly rowCount: number | null;
}

/** Runs statements. */
export interface JobClient {
  query(text: string, values?: unknown[]): Promise<JobResult>;
}

/** What is used of a pool of `pg`. */
export interface JobPool extends JobClient {
  connect(): Promise<JobClient & { release(error?: boolean): void }>;
}

/** Milliseconds for which a statement of a job waits for rows that an application has locked. */
const lockTimeout = 5_000;
const settings = [...textSettings, ['lock_timeout', String(lockTimeout)] as const];
const begin = `BEGIN ISOLATION LEVEL READ COMMITTED; ${settings.map(([name, value]) => `SET LOCAL ${name} = '${value}'`).join('; ')}`;

/** Works in a transaction under settings in which values have one text. A connection in the middle of something is closed, and its transaction with it. */
export async function inTransaction<Result>(
  pool: JobPool,
  work: (client: JobClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('COMMIT');
    broken = false;
    return result;
  } finally {
    client.release(broken);
  }
}

/** Does work that an expected error may end, which does not end the transaction. Gives that error, or `undefined`. */
export async function attempted(
  client: JobClient,
  isExpected: (error: unknown) => boolean,
  work: () => Promise<unknown>,
): Promise<unknown> {
  await client.query('SAVEPOINT attempt');
  try {
    await work();
    await client.query('RELEASE SAVEPOINT attempt');
    return undefined;
  } catch (error) {
    if (!isExpected(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT attempt');
    return error;
  }
}

/** The SQLSTATE of an error, if it has one. */
export function sqlStateOf(error: unknown): string | undefined {
  const code: unknown = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** A deadlock, a failed serialization, or a lock that was not to be had in time: nothing was changed, and the next attempt may succeed. */
export function isTransient(error: unknown): boolean {
  return ['40P01', '40001', '55P03'].includes(sqlStateOf(error) ?? '');
}
