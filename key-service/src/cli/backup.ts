/** `backup` and `restore`. */

import { readFileSync } from 'node:fs';
import { readCheckpointFile } from '../audit/checkpoint-file.ts';
import { readConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { openRootKey, openStore } from '../open-store.ts';
import { readOptions } from './options.ts';
import { checkpointFile, databaseClock, operatorEntries, withStore } from './with-store.ts';

export async function backupCommand(args: string[]): Promise<void> {
  const options = {
    config: { type: 'string' },
    recipient: { type: 'string', multiple: true },
    out: { type: 'string' },
  } as const;
  const { values } = readOptions(args, options, ['config', 'recipient', 'out']);
  // The SDK is loaded where it is used: the service itself runs without it.
  const { writeBackup } = await import('../operations/backup.ts');
  const { importEcdhPublicKey } = await import('bulla/keyrings/ecdh');
  const keys = (values.recipient ?? []).map((text) => importEcdhPublicKey(text));
  const recipients = await Promise.all(keys).catch(() => {
    throw new OperatorError('--recipient is a public key: bullapk1.…');
  });
  await withStore(values.config ?? '', async ({ store, rootKey, logs, changes, config }) => {
    await changes.publish();
    const { note } = await logs.service.checkpoint();
    const out = values.out ?? '';
    const rows = await writeBackup(store, rootKey, { recipients, out, checkpoint: note, serviceId: config.service_id });
    process.stdout.write(`${rows} rows\n`);
  });
}

export async function restoreCommand(args: string[]): Promise<void> {
  const options = {
    config: { type: 'string' },
    in: { type: 'string' },
    'key-file': { type: 'string' },
    checkpoint: { type: 'string' },
    'accept-rollback': { type: 'boolean', default: false },
  } as const;
  const { values } = readOptions(args, options, ['config', 'in', 'key-file']);
  const { restore } = await import('../operations/restore.ts');
  const { importEcdhPrivateKey } = await import('bulla/keyrings/ecdh');
  const config = readConfig(values.config ?? '');
  const key = await importEcdhPrivateKey(withoutComments(readText(values['key-file'] ?? ''))).catch(() => {
    throw new OperatorError('--key-file holds a private key, as `bulla keygen` writes it: bullask1.…');
  });
  const shown = values.checkpoint ?? config.checkpoint_file;
  const note = shown === undefined ? undefined : readCheckpointFile(shown);
  if (values.checkpoint !== undefined && note === undefined) throw new OperatorError('There is no such checkpoint');
  const [store, file] = [openStore(config), checkpointFile(config)];
  try {
    const entry = operatorEntries(await databaseClock(store));
    const size = await restore(store, openRootKey(config), {
      ...{ from: values.in ?? '', key, serviceId: config.service_id, note, rollback: values['accept-rollback'], file },
      entry: (operation, change) => entry('', operation, change),
    });
    process.stdout.write(`restored: ${size} entries of the logs, keys verified\n`);
  } finally {
    file?.close();
    await store.close();
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError(`The file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function withoutComments(text: string): string {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  return lines.join('\n').trim();
}
