// A new version of the key, and every message of the tenant re-wrapped under it.

import { inspect, isBullaError } from 'bulla';
import { rewrapAll } from 'bulla/bulk';
import { type KeyDescription, type KeyServiceClient, keyManagement } from 'bulla/service';
import { type Account, keyAlias } from './account.ts';
import { putEnvelope, putName, type StoredFile } from './store.ts';

interface Item {
  readonly id: string;
  readonly message: Uint8Array | string;
  readonly write: (result: Uint8Array | string) => Promise<void>;
}

/** Of how many messages how many are done. */
export interface RewrapProgress {
  readonly done: number;
  readonly total: number;
}

/** The tenant's key, as an administrator sees it. */
export function describeKey(administrator: KeyServiceClient): Promise<KeyDescription> {
  return keyManagement(administrator).describe(keyAlias);
}

/** Makes the next version. The old ones go on decrypting. Where somebody else was faster, their version is as good. */
export async function rotateKey(administrator: KeyServiceClient): Promise<KeyDescription> {
  const { newest_version } = await describeKey(administrator);
  try {
    return await keyManagement(administrator).rotate(keyAlias, newest_version);
  } catch (error) {
    if (!isBullaError(error) || error.code !== 'ERR_SERVICE_CONFLICT') throw error;
    return describeKey(administrator);
  }
}

/** Re-wraps names and files of the account's tenant that are of older versions. Rejects where some failed, with the first reason. */
export async function rewrapFiles(
  { keyring }: Account,
  files: readonly StoredFile[],
  key: KeyDescription,
  onProgress: (progress: RewrapProgress) => void,
): Promise<number> {
  const own = files.filter(({ inspection }) => inspection.wrappedKeys.some(({ keyId }) => keyId === key.key_id));
  const items = own.flatMap(({ id, envelope, name }): Item[] => [
    { id: `${id} name`, message: name, write: (result) => putName(id, result as string) },
    { id: `${id} file`, message: envelope, write: (result) => putEnvelope(id, result as Uint8Array) },
  ]);
  onProgress({ done: 0, total: items.length });
  const report = await rewrapAll(items, {
    from: keyring,
    to: keyring,
    concurrency: 100,
    skip: ({ wrappedKeys }) => wrappedKeys.every(({ version }) => version === key.newest_version),
    write: (result, { write }) => write(result),
    onProgress: ({ done, skipped, failed }) => onProgress({ done: done + skipped + failed, total: items.length }),
  });
  if (report.failures[0] !== undefined) throw report.failures[0].error;
  if (!report.complete) throw report.stoppedBy;
  return report.done;
}

/** The version that a name is wrapped under. */
export function versionOf(name: string): number | undefined {
  return inspect(name).wrappedKeys[0]?.version;
}
