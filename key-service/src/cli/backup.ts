/** `backup` and `restore`. */

import { readFileSync } from 'node:fs';
import type { EcdhPrivateKey } from 'bulla/keyrings/ecdh';
import { AuditLog } from '../audit/audit-log.ts';
import { readCheckpointFile } from '../audit/checkpoint-file.ts';
import type { BackupInfo } from '../backup.ts';
import { type Config, readConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { openRootKey, openStore } from '../open-store.ts';
import { openerOf, openSecrets } from '../root-key/secrets.ts';
import { readOptions } from './options.ts';
import { checkpointFile, fingerprint, operatorEntry, withStore } from './with-store.ts';

export async function backupCommand(args: string[]): Promise<void> {
  const options = {
    config: { type: 'string' },
    recipient: { type: 'string', multiple: true },
    out: { type: 'string' },
  } as const;
  const { values } = readOptions(args, options, ['config', 'recipient', 'out']);
  // The SDK is loaded where it is used: the service itself runs without it.
  const { writeBackup } = await import('../backup.ts');
  const { importEcdhPublicKey } = await import('bulla/keyrings/ecdh');
  const keys = (values.recipient ?? []).map((text) => importEcdhPublicKey(text));
  const recipients = await Promise.all(keys).catch(() => {
    throw new OperatorError('--recipient is a public key: bullapk1.…');
  });
  await withStore(values.config ?? '', async ({ store, rootKey, log, config }) => {
    const { note } = await log.checkpoint();
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
  const { importEcdhPrivateKey } = await import('bulla/keyrings/ecdh');
  const config = readConfig(values.config ?? '');
  const key = await importEcdhPrivateKey(withoutComments(readText(values['key-file'] ?? ''))).catch(() => {
    throw new OperatorError('--key-file holds a private key, as `bulla keygen` writes it: bullask1.…');
  });
  const shown = values.checkpoint ?? config.checkpoint_file;
  const note = shown === undefined ? undefined : readCheckpointFile(shown);
  if (values.checkpoint !== undefined && note === undefined) throw new OperatorError('There is no such checkpoint');
  const size = await restore(config, { file: values.in ?? '', key, note, rollback: values['accept-rollback'] });
  process.stdout.write(`restored: ${size} entries of the log, keys verified\n`);
}

interface Restore {
  readonly file: string;
  readonly key: EcdhPrivateKey;
  /** The newest checkpoint that is known outside. */
  readonly note: string | undefined;
  readonly rollback: boolean;
}

async function restore(config: Config, { file, key, note, rollback }: Restore): Promise<number> {
  const { readBackup } = await import('../backup.ts');
  const store = openStore(config);
  const rootKey = openRootKey(config);
  const check = ({ checkpoint, serviceId }: BackupInfo): void => {
    if (serviceId !== config.service_id) throw new OperatorError(`The backup is of the service ${serviceId}`);
    if (note !== undefined && !rollback && sizeOf(checkpoint) < sizeOf(note)) {
      throw new OperatorError(
        'The backup is older than the checkpoint: what was destroyed or marked since would come back',
      );
    }
  };
  try {
    await store.migrate(openerOf(rootKey));
    await readBackup(store, rootKey, { file, key, check });
    const log = new AuditLog(store, await openSecrets(store, rootKey), config.service_id);
    await store.verifyKeys();
    const size = await log.verifyAll(note === undefined || rollback ? undefined : log.open(note));
    const change = { backup: fingerprint(readFileSync(file)), accepted_rollback: rollback };
    await store.change(async (transaction) => transaction.append(operatorEntry('', 'restore', change)));
    const checkpoint = checkpointFile(config);
    if (rollback && checkpoint) await log.export(checkpoint, { rollback });
    checkpoint?.close();
    return size;
  } finally {
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

function sizeOf(note: string): number {
  return Number(note.split('\n')[1] ?? Number.NaN);
}
