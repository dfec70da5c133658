/** The material of a new version, which a tenant gets as long as it is not closed; `docs/key-service.md` §12.11. */

import { Problem } from '../../errors.ts';
import type { Bytes } from '../../lib/bytes.ts';
import type { VersionRecord } from '../../model/keys.ts';
import { isClosed } from '../../model/tenants.ts';
import type { KeyWork } from './target.ts';

/** Which version of which key. */
export interface NewVersion {
  readonly key: { readonly id: string; readonly tenant: string };
  readonly version: number;
  /** 32 bytes that somebody brought. Default: random ones. */
  readonly symmetric?: Bytes | undefined;
}

/** Makes a version, under the lock of the tenant, so that its keys are destroyed either before or after. Throws a `Problem` for a tenant that is closed. */
export async function newVersion(
  { change, materials, now }: Pick<KeyWork, 'change' | 'materials' | 'now'>,
  { key, version, symmetric }: NewVersion,
): Promise<VersionRecord> {
  if (isClosed(await change.findTenant(), now)) throw new Problem('not-allowed', 'The tenant is closed');
  return materials.create(key, version, now, symmetric);
}
