/** Connections to PostgreSQL: checked when they are made, watched while they are used, and discarded after the first doubt. */

import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { LostConnection, StoreError, UnknownOutcome } from './errors.ts';

/** Options of {@link GuardedPool}. */
export interface PoolOptions {
  /** Connections of this replica. Default: 8. */
  readonly connections?: number | undefined;
  /** Milliseconds that a new connection, or one out of the pool, may take. Default: 3000. */
  readonly connectMs?: number | undefined;
  /** Milliseconds that the server may take for a statement or a lock; a second later its silence counts as a lost connection. Default: 3000. */
  readonly statementMs?: number | undefined;
}

// What the server says about a statement keeps the connection; these are about the connection or the node.
const fatalCodes = /^(08|57P|25006|25P03|25P04|53300)/;
/** Connections of a replica, where nothing else is configured. */
export const defaultConnections = 8;
const readOnlyCode = '25006';

// bigint as a number: no count here comes near 2^53.
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
};

interface Health {
  /** Which of the pool's beginnings this connection is from. */
  readonly generation: number;
  /** The server added a warning to what it answers. */
  warned: boolean;
}

/**
 * The pool that Kysely works with. A connection that fails, times out or turns out to be to a node that cannot be written is destroyed. Silence and a demoted
 * node are seldom about one connection: all that were made before are then destroyed when they are next taken out.
 */
export class GuardedPool implements PostgresPool {
  readonly #pool: pg.Pool;
  readonly #health = new WeakMap<pg.PoolClient, Health>();
  #generation = 0;

  constructor(
    connectionString: string,
    { connections = defaultConnections, connectMs = 3000, statementMs = 3000 }: PoolOptions = {},
  ) {
    this.#pool = new pg.Pool({
      connectionString,
      max: connections,
      connectionTimeoutMillis: connectMs,
      query_timeout: statementMs + 1000,
      statement_timeout: statementMs,
      lock_timeout: statementMs,
      // The locks of a replica that has died without a word.
      idle_in_transaction_session_timeout: statementMs + 1000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: 'bulla-key-service',
      types,
      onConnect: assertWritable,
    });
    // Without a listener an error of a connection would end the process. The pool's own is away while a connection is used.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => {
      const health: Health = { generation: this.#generation, warned: false };
      this.#health.set(client, health);
      client.on('error', () => undefined);
      client.on('notice', ({ code }) => {
        if (code?.startsWith('01')) health.warned = true;
      });
    });
  }

  get options(): object {
    return this.#pool.options;
  }

  async connect(): Promise<PostgresPoolClient> {
    for (;;) {
      const client = await this.#pool.connect().catch((error: unknown) => {
        if (error instanceof StoreError) throw error;
        throw new LostConnection('The database cannot be reached', error, /timeout/.test(String(error)));
      });
      const health = this.#health.get(client);
      if (health && health.generation === this.#generation) return this.#guarded(client, health);
      destroy(client);
    }
  }

  end(): Promise<void> {
    return this.#pool.end();
  }

  #guarded(client: pg.PoolClient, health: Health): PostgresPoolClient {
    let broken = false;
    const query = async (text: string, parameters: readonly unknown[]) => {
      if (broken) throw new LostConnection('The connection to the database was lost');
      health.warned = false;
      try {
        const result = await client.query(text, [...parameters]);
        if (commits(text) && health.warned) throw new UnknownOutcome('The database warned at a commit', false);
        return result;
      } catch (error) {
        if (isOfStatement(error) && text !== 'rollback') throw error;
        broken = true;
        throw this.#doubt(text, error);
      }
    };
    const release = (): void => (broken ? destroy(client) : client.release());
    return { query, release } as unknown as PostgresPoolClient;
  }

  #doubt(text: string, error: unknown): Error {
    const silent = error instanceof Error && error.message === 'Query read timeout';
    if (silent || codeOf(error) === readOnlyCode) this.#generation += 1;
    if (error instanceof UnknownOutcome) return error;
    if (commits(text)) return new UnknownOutcome('The connection was lost at a commit', true, error);
    if (silent) return new LostConnection('The database did not answer in time', error, true);
    return new LostConnection('The connection to the database was lost', error);
  }
}

// What is committed when it has been answered, and perhaps when it has not.
function commits(text: string): boolean {
  return text === 'commit' || text.startsWith('select * from bulla_commit(');
}

/** The code (SQLSTATE) of an error of the database. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

function isOfStatement(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && !fatalCodes.test(code);
}

async function assertWritable(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query('show transaction_read_only');
  if (rows[0]?.transaction_read_only === 'on') {
    throw new StoreError('The database is read-only: a standby, or a primary that was told to be');
  }
}

// Ending it politely would wait for an answer that never comes, and the pool with it.
function destroy(client: pg.PoolClient): void {
  client.release(true);
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
