/** What most commands begin with: the configuration, its store, its root key. */

import { userInfo } from 'node:os';
import { CheckpointFile } from '../audit/checkpoint-file.ts';
import { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import { AuditLogs } from '../audit/logs.ts';
import { type Config, readConfig } from '../config.ts';
import type { LogEntry } from '../model/entry.ts';
import { encodeEntry } from '../model/entry.ts';
import { openRootKey, openStore } from '../open-store.ts';
import type { RootKey } from '../seals/root-key.ts';
import { openSecrets, type Secrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';

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
}

/**
 * Opens the store of a configuration, runs `work`, and closes it. Throws `IntegrityError` for a database that does not continue `checkpoint_file`: what somebody
 * put back or forked is not to be worked with, and least of all to be signed. A tenant whose log does not continue what was published is halted, and no other.
 */
export async function withStore<T>(configFile: string, work: (opened: OpenedStore) => Promise<T>): Promise<T> {
  const config = readConfig(configFile);
  const rootKey = openRootKey(config);
  const store = openStore(config);
  const file = checkpointFile(config);
  try {
    await store.assertMigrated();
    const secrets = await openSecrets(store, rootKey);
    const logs = new AuditLogs(store, secrets, config.service_id);
    const changes = new CheckpointedChanges(store, logs.service, { file });
    await changes.assertContinued();
    await store.shareMemory();
    await store.haltRefused({ keys: false });
    return await work({ config, store, rootKey, secrets, logs, changes, file });
  } finally {
    file?.close();
    await store.close();
  }
}

/** The file of the newest checkpoint, where one is configured. */
export function checkpointFile({ checkpoint_file: file }: Config): CheckpointFile | undefined {
  return file === undefined ? undefined : new CheckpointFile(file);
}

/** Unix seconds by the clock of the database, or of this machine where it has none. */
export async function databaseSeconds(store: Store): Promise<number> {
  return Math.floor(((await store.time()) ?? Date.now()) / 1000);
}

/** The leaf of what an operator does on the database itself. */
export function operatorEntry(
  tenant: string,
  operation: string,
  change: Record<string, unknown>,
  key?: string,
): LogEntry {
  const principal = `operator|${userInfo().username}`;
  return encodeEntry({ time: Date.now(), tenant, principal, operation, status: 200, key, change });
}
