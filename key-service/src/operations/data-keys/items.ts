/** Which key an item may use, and opening its wrapped key; `docs/key-service.md` §5.2 and §6.4. */

import { IntegrityError, Problem } from '../../errors.ts';
import type { Bytes } from '../../lib/bytes.ts';
import { type KeyRecord, type VersionRecord, versionOf } from '../../model/keys.ts';
import type { DataAction } from '../../policies/authorizer.ts';
import type { Material } from '../../secrets/materials.ts';
import { tombstoneOf, unwrapDataKey } from '../../secrets/wrapping.ts';
import type { BoundContext } from './contexts.ts';
import type { ItemParts } from './parts.ts';
import type { UnwrapItem } from './requests.ts';

/** An item's wrapped key, opened. The caller overwrites the data key. */
export interface OpenedItem {
  readonly key: KeyRecord;
  readonly version: number;
  readonly dataKey: Bytes;
}

/** The enabled key that the caller may wrap under. */
export async function targetKey(
  parts: ItemParts,
  action: DataAction,
  reference: string,
  context: BoundContext,
): Promise<KeyRecord> {
  const key = await allowedKey(parts, action, reference, context);
  activeVersion(key);
  return key;
}

/** The version that wraps. */
export function activeVersion(key: KeyRecord): VersionRecord {
  const newest = versionOf(key, key.newest);
  if (newest?.state !== 'active') throw unavailable(key.newest, newest?.state);
  return newest;
}

/** Opens the wrapped key of an item under the version that it names. */
export async function openItem(
  parts: ItemParts,
  action: 'unwrap' | 'rewrap-from',
  item: UnwrapItem,
  context: BoundContext,
): Promise<OpenedItem> {
  const key = await allowedKey(parts, action, item.key, context);
  const version = versionOf(key, item.version);
  if (!version) throw new Problem('unwrap-failed');
  assertUsable(parts, action, key, version, context);
  const identity = {
    serviceId: parts.serviceId,
    tenant: key.tenant,
    keyId: key.id,
    version: version.version,
    context: context.encoded,
  };
  // Read before there is a data key: nothing would overwrite it if the list could not be read.
  const { keys: revoked } = await parts.view.revoked();
  const material = await openMaterial(parts, key, version);
  const dataKey = await unwrapDataKey(material, item.method, identity, item.wrapped_key);
  if (!dataKey) throw new Problem('unwrap-failed');
  if (!revoked.isEmpty && revoked.has(tombstoneOf(dataKey, key.tenant))) {
    dataKey.fill(0);
    throw new Problem('data-key-revoked');
  }
  return { key, version: version.version, dataKey };
}

/** The opened material of a version. Throws a `Problem` where it is not to be trusted. */
export function openMaterial(
  { materials, distrust }: ItemParts,
  key: KeyRecord,
  version: VersionRecord,
): Promise<Material> {
  return ofItem(distrust, () => materials.open(key, version));
}

// What somebody did to one key in the store concerns the items that use it, and not the others of their batch.
async function ofItem<T>(distrust: ItemParts['distrust'], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    distrust(error);
    throw new Problem('unavailable', undefined, { retry_after: 60 });
  }
}

async function allowedKey(
  { view, caller, authorizer, distrust }: ItemParts,
  action: DataAction,
  reference: string,
  { context }: BoundContext,
): Promise<KeyRecord> {
  const key = await ofItem(distrust, () => view.find(reference));
  if (!key || !authorizer.allowsData(caller, action, key, context)) throw new Problem('not-allowed');
  if (key.disabled) throw new Problem('key-disabled');
  return key;
}

/** Whether the caller may do this with a key that it may use. Throws a `Problem`. */
export function assertAllowed(
  { caller, authorizer }: ItemParts,
  action: DataAction,
  key: KeyRecord,
  { context }: BoundContext,
): void {
  if (!authorizer.allowsData(caller, action, key, context)) throw new Problem('not-allowed');
}

function assertUsable(
  { caller, authorizer }: ItemParts,
  action: 'unwrap' | 'rewrap-from',
  key: KeyRecord,
  { version, state }: VersionRecord,
  { context }: BoundContext,
): void {
  const recovers = action === 'rewrap-from' && authorizer.allowsData(caller, 'rewrap-compromised', key, context);
  const usable = state === 'active' || state === 'decrypt-only' || (state === 'compromised' && recovers);
  if (!usable) throw unavailable(version, state);
  if (action === 'unwrap' && version < key.floor) {
    throw new Problem('below-floor', `The floor is ${key.floor}`, { floor: key.floor });
  }
}

function unavailable(version: number, state: string | undefined): Problem {
  return new Problem('version-unavailable', `Version ${version} is ${state}`, { version, state });
}
