/** The store and the root key that a configuration names. */

import { type Config, postgresPattern } from './config.ts';
import { OperatorError } from './errors.ts';
import type { RootKey } from './seals/root-key.ts';
import { softwareRootKey } from './seals/software.ts';
import { readRootKey } from './seals/sources.ts';
import { postgresEngine } from './store/postgres.ts';
import { SqlStore } from './store/sql-store.ts';
import { sqliteEngine } from './store/sqlite.ts';
import type { Store } from './store/store.ts';

/** Opens the store of a configuration; it is not migrated yet. */
export function openStore({ store }: Pick<Config, 'store'>): Store {
  if ('sqlite' in store) return new SqlStore(sqliteEngine(store.sqlite));
  const { connections, connect_ms: connectMs, statement_ms: statementMs } = store.pool ?? {};
  const options = { connections, connectMs, statementMs };
  if ('postgres' in store) return new SqlStore(postgresEngine(store.postgres, options));
  const url = process.env[store.postgres_env];
  if (url === undefined) throw new OperatorError(`The environment has no ${store.postgres_env} for the database`);
  if (!postgresPattern.test(url)) throw new OperatorError(`What ${store.postgres_env} holds is no postgres://…`);
  return new SqlStore(postgresEngine(url, options));
}

/** The root key of a configuration, which opens what its predecessors sealed. */
export function openRootKey(config: Pick<Config, 'root_key' | 'previous_root_keys'>): RootKey {
  const previous = config.previous_root_keys.map((source) => softwareRootKey(readRootKey(source)));
  return softwareRootKey(readRootKey(config.root_key), previous);
}
