/** Backups: all rows as JSON lines in one bulla message to recovery public keys; `docs/key-service.md` §11.4. */

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { ReadableStream, TransformStream } from 'node:stream/web';
import { decryptStream, encryptStream, isBullaError } from 'bulla';
import { type EcdhPrivateKey, type EcdhPublicKey, ecdhKeyring } from 'bulla/keyrings/ecdh';
import { OperatorError } from '../errors.ts';
import { decodeBase64url, encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { writeNewFile } from '../lib/files.ts';
import type { RootKey } from '../seals/root-key.ts';
import { softwareRootKey } from '../seals/software.ts';
import { sealedSecretOf } from '../secrets/sealed-rows.ts';
import { openerOf } from '../secrets/secrets.ts';
import { StoreError } from '../store/errors.ts';
import type { Store, TableRow } from '../store/store.ts';

const format = 'bulla-key-service-backup/1';

interface Header {
  readonly format: string;
  readonly root_key: string;
  readonly checkpoint: string;
  readonly service_id: string;
}

/** What a backup says of itself. */
export interface BackupInfo {
  readonly checkpoint: string;
  readonly serviceId: string;
}

/** Options of {@link writeBackup}. */
export interface BackupOptions extends BackupInfo {
  readonly recipients: readonly EcdhPublicKey[];
  readonly out: string;
}

/** Writes a backup to a new file, with all secrets under a key that lies in it. The number of rows. Never replaces a file. */
export async function writeBackup(store: Store, rootKey: RootKey, options: BackupOptions): Promise<number> {
  const { recipients, out, checkpoint, serviceId } = options;
  const bytes = new Uint8Array(randomBytes(32));
  const backupKey = softwareRootKey(bytes);
  const header = { format, root_key: encodeBase64url(bytes), checkpoint, service_id: serviceId };
  let rows = 0;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const writeLine = (value: object): Promise<void> => writer.write(encodeUtf8(`${JSON.stringify(value)}\n`));
  const dump = async (): Promise<void> => {
    const tenants = new Map<string, string>();
    await writeLine(header);
    await store.dump(async (row) => {
      if (row.table === 'keys') tenants.set(String(row.row['id']), String(row.row['tenant']));
      rows += 1;
      await writeLine(encodeRow(await resealed(row, tenants, rootKey, backupKey)));
    });
    await writer.close();
  };
  const encrypted = readable.pipeThrough<Uint8Array>(encryptStream({ keyring: ecdhKeyring({ recipients }) }) as never);
  // Whichever fails ends the other: a dump that breaks must not leave a file that looks whole.
  const dumped = dump().catch(async (error: unknown) => {
    await writer.abort(error).catch(() => undefined);
    throw error;
  });
  await Promise.all([dumped, writeNewFile(out, encrypted).catch(refuse(out))]);
  return rows;
}

/** Reads a backup into an empty store, with all secrets under its root key. `check` sees the header before anything is written. */
export async function readBackup(store: Store, rootKey: RootKey, options: RestoreOptions): Promise<BackupInfo> {
  try {
    return await loadBackup(store, rootKey, options);
  } catch (error) {
    const cause = error instanceof StoreError ? error.cause : error;
    if (!isBullaError(cause)) throw error;
    throw new OperatorError(`The backup does not open with this key, or it was changed: ${cause.code}`);
  }
}

/** Options of {@link readBackup}. */
export interface RestoreOptions {
  readonly file: string;
  readonly key: EcdhPrivateKey;
  readonly check: (info: BackupInfo) => void;
}

async function loadBackup(store: Store, rootKey: RootKey, options: RestoreOptions): Promise<BackupInfo> {
  const keyring = ecdhKeyring({ privateKeys: [options.key] });
  const source: ReadableStream<Uint8Array> = ReadableStream.from(createReadStream(options.file));
  const lines = readLines(source.pipeThrough<Uint8Array>(decryptStream({ keyring }) as never));
  const first = await lines.next();
  const header = readHeader(first.done ? '' : first.value);
  const info = { checkpoint: header.checkpoint, serviceId: header.service_id };
  options.check(info);
  const backupKey = softwareRootKey(decodeBase64url(header.root_key) ?? new Uint8Array());
  const tenants = new Map<string, string>();
  const rows = async function* () {
    for await (const line of lines) {
      const row = decodeRow(JSON.parse(line));
      if (row.table === 'keys') tenants.set(String(row.row['id']), String(row.row['tenant']));
      yield resealed(row, tenants, backupKey, rootKey);
    }
  };
  // One transaction: a backup that is cut or changed at its end leaves nothing behind.
  await store.load(rows(), openerOf(rootKey));
  return info;
}

async function resealed(
  row: TableRow,
  tenants: ReadonlyMap<string, string>,
  from: RootKey,
  to: RootKey,
): Promise<TableRow> {
  const secret = sealedSecretOf(row, tenants);
  if (!secret) return row;
  const { column, name, sealed } = secret;
  const bytes = await from.open(name, sealed);
  const next = await to.seal(name, bytes);
  bytes.fill(0);
  return { table: row.table, row: { ...row.row, [column]: next } };
}

function encodeRow({ table, row }: TableRow): object {
  const entries = Object.entries(row).map(([name, value]) => {
    return [name, value instanceof Uint8Array ? { b: encodeBase64url(value) } : value];
  });
  return { t: table, r: Object.fromEntries(entries) };
}

function decodeRow({ t, r }: { t: string; r: Record<string, unknown> }): TableRow {
  const entries = Object.entries(r).map(([name, value]) => {
    const bytes = typeof value === 'object' && value !== null ? decodeBase64url((value as { b: string }).b) : undefined;
    return [name, bytes ?? value];
  });
  return { table: t, row: Object.fromEntries(entries) as TableRow['row'] };
}

function readHeader(line: string): Header {
  try {
    const header = JSON.parse(line) as Header;
    if (header.format === format) return header;
  } catch {
    // Falls through to the one error.
  }
  throw new OperatorError('The file is no backup of this service');
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let rest = '';
  for await (const text of stream.pipeThrough(
    new TextDecoderStream('utf-8', { fatal: true }) as never,
  ) as ReadableStream<string>) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') throw new OperatorError('The backup is cut');
}

function refuse(out: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === 'EEXIST') throw new OperatorError(`${out} exists already, and a backup never replaces a file`);
    if (error.syscall !== undefined) throw new OperatorError(`${out} cannot be written: ${error.code}`);
    throw error;
  };
}
