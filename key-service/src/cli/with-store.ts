/** What most commands begin with: the configuration, its store, its root key. */

import { CheckpointFile } from '../audit/checkpoint-file.ts';
import { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import { AuditLogs } from '../audit/logs.ts';
import { type Config, readConfig } from '../config.ts';
import type { Clock } from '../lib/clock.ts';
import { encodeEntry, type LogEntry } from '../model/entry.ts';
import { openRootKey, openStore } from '../open-store.ts';
import type { RootKey } from '../seals/root-key.ts';
import { openSecrets, type Secrets } from '../secrets/secrets.ts';
import { DatabaseTime } from '../store/database-time.ts';
import type { Store } from '../store/store.ts';
import { operatorName } from './operator.ts';

/** An unlocked store with what belongs to it. */
export interface OpenedStore {
  readonly config: Config;
  readonly store: Store;
  readonly rootKey: RootKey;
  readonly secrets: Secrets;
  readonly logs: AuditLogs;
  /** Changes, each with the checkpoint outside the database. */
  readonly changes: CheckpointedChanges;
  /** The checkpoint outside the database, where one is configured. */
  readonly file: CheckpointFile | undefined;
  /** The time of the database. */
  readonly clock: Clock;
  /** The leaf of what an operator does on the database itself. */
  readonly entry: OperatorEntry;
}

/** Makes the leaf of an act of an operator, in the log of a tenant or, under the empty name, of the service. */
export type OperatorEntry = (
  tenant: string,
  operation: string,
  change: Record<string, unknown>,
  key?: string,
) => LogEntry;

/** Options of {@link withStore}. */
export interface OpeningStore {
  /** `true` opens a database that does not continue `checkpoint_file`, too: for saying what it has lost. Default: `false`. */
  readonly rolledBack?: boolean;
}

/**
 * Opens the store of a configuration, runs `work`, and closes it. Throws `IntegrityError` for a database that does not continue `checkpoint_file`: what somebody
 * put back or forked is not to be worked with, and least of all to be signed. A tenant whose log does not continue what was published is halted, and no other.
 */
export async function withStore<T>(
  configFile: string,
  work: (opened: OpenedStore) => Promise<T>,
  { rolledBack = false }: OpeningStore = {},
): Promise<T> {
  const config = readConfig(configFile);
  const rootKey = openRootKey(config);
  const store = openStore(config);
  const file = checkpointFile(config);
  try {
    await store.assertMigrated();
    const secrets = await openSecrets(store, rootKey);
    const logs = new AuditLogs(store, secrets, config.service_id);
    const clock = await databaseClock(store);
    const changes = new CheckpointedChanges(store, logs.service, { file, clock });
    if (!rolledBack) await changes.assertContinued();
    await store.shareMemory();
    await store.haltRefused({ keys: false });
    return await work({ config, store, rootKey, secrets, logs, changes, file, clock, entry: operatorEntries(clock) });
  } finally {
    file?.close();
    await store.close();
  }
}

/** The file of the newest checkpoint, where one is configured. */
export function checkpointFile({ checkpoint_file: file }: Config): CheckpointFile | undefined {
  return file === undefined ? undefined : new CheckpointFile(file);
}

/** The clock of the database, or of this machine where it has none. */
export async function databaseClock(store: Store): Promise<Clock> {
  const time = new DatabaseTime(() => store.time());
  await time.measure();
  return () => Math.round(time.now());
}

/** Makes leaves of acts of this operator. */
export function operatorEntries(clock: Clock): OperatorEntry {
  const principal = `operator|${operatorName()}`;
  return (tenant, operation, change, key) =>
    encodeEntry({ time: clock(), tenant, principal, operation, status: 200, key, change });
}
