/** Creates a key, from material that is made here or was brought; `docs/key-service.md` §7.2. */

import { Problem } from '../../errors.ts';
import type { Bytes } from '../../lib/bytes.ts';
import { createKeyId } from '../../model/changes.ts';
import type { KeyRecord } from '../../model/keys.ts';
import { newVersion } from './new-version.ts';
import type { KeyWork } from './target.ts';

/** A key to create. */
export interface NewKey {
  /** Default: none. */
  readonly alias?: string | undefined;
  /** Default: empty. */
  readonly description?: string | undefined;
  /** Default: no limits. */
  readonly maxAgeDays?: number | null | undefined;
  readonly maxUses?: number | null | undefined;
  /** 32 bytes that somebody brought; the caller overwrites them. Default: random ones. */
  readonly symmetric?: Bytes | undefined;
}

/** The new key. Throws a `Problem` for a tenant that is closed, for an alias that another key has, and for one that it had where the actor may not move it. */
export async function createKey(work: KeyWork, asked: NewKey): Promise<KeyRecord> {
  const { change, actor, now } = work;
  const { alias, description = '', maxAgeDays = null, maxUses = null, symmetric } = asked;
  if (alias !== undefined) await assertFree(work, alias);
  const owner = { id: createKeyId(), tenant: actor.tenant };
  const first = await newVersion(work, { key: owner, version: 1, symmetric });
  return change.putKey({
    ...owner,
    ...{ description, maxAgeDays, maxUses },
    disabled: false,
    newest: 1,
    floor: 1,
    created: now,
    revision: 0,
    deletion: null,
    origin: symmetric ? 'imported' : 'generated',
    importedBy: symmetric ? actor.identity : null,
    aliases: alias === undefined ? [] : [alias],
    versions: [first],
  });
}

// A name that another key had before may be in programs: who gives it to a new key directs them there.
async function assertFree({ change, actor }: KeyWork, alias: string): Promise<void> {
  if (await change.findKey(`alias:${alias}`)) throw new Problem('alias-taken');
  const former = await change.formerHolder(alias);
  const holder = former && (await change.findKey(former));
  if (holder && !actor.mayKey('move-alias', holder)) throw new Problem('not-allowed');
}
