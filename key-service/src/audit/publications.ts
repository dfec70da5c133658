/** The heads of all tenants' logs in the service's own log, by which the checkpoint of the service speaks for all; `docs/key-service.md` §8.7. */

import { randomBytes } from 'node:crypto';
import { IntegrityError } from '../errors.ts';
import { encodeBase64url } from '../lib/bytes.ts';
import { encodeEntry, membersOf, serviceLog } from '../model/entry.ts';
import { leafHash, rootOf, verifyInclusion } from '../model/merkle.ts';
import type { NextPublication } from '../store/published.ts';
import type { Store } from '../store/store.ts';
import type { AuditLog } from './audit-log.ts';

const entriesAtOnce = 100;

/** What is published now: `time` is in milliseconds. */
export function nextPublication(time: number): NextPublication {
  const base = { time, tenant: serviceLog, principal: 'service', operation: 'publish', status: 200 };
  return {
    time,
    seed: new Uint8Array(randomBytes(32)),
    entry: (tenants, root) => encodeEntry({ ...base, change: { tenants, root: encodeBase64url(root) } }),
  };
}

/**
 * That the published heads are those of the newest publication in the service's own log. Throws `IntegrityError`: a database that puts an older log of a tenant in its
 * place needs an older service's log, too, which the checkpoint outside the database contradicts.
 */
export async function assertPublished(store: Store, log: AuditLog): Promise<void> {
  const newest = await newestPublication(store, await log.size());
  // Read last: another replica may publish in between.
  const leaf = (await store.publication())?.leaf;
  if ((leaf ?? -1) < (newest ?? -1)) {
    throw new IntegrityError('The published heads are not those of the newest publication: they were put back');
  }
  if (leaf !== undefined) await assertIncluded(store, log, leaf);
}

async function assertIncluded(store: Store, log: AuditLog, index: number): Promise<void> {
  const [found] = await store.entries(serviceLog, index, index + 1);
  const { tree } = await store.head(serviceLog);
  const { entry = new Uint8Array() } = found ?? {};
  const proof = await log.inclusion(index, tree.size);
  if (verifyInclusion(leafHash(entry), index, tree.size, proof, rootOf(tree))) return;
  throw new IntegrityError('The newest publication is not in the log: it was changed or forked');
}

// What else is in the service's log is rare. Before tenants had their own it had everything, up to the leaf that says so.
async function newestPublication(store: Store, size: number): Promise<number | undefined> {
  for (let to = size; to > 0; to -= entriesAtOnce) {
    const page = await store.entries(serviceLog, Math.max(0, to - entriesAtOnce), to);
    for (const entry of page.reverse()) {
      const { operation } = membersOf(entry.entry);
      if (operation === 'publish') return entry.index;
      if (operation === 'divide-log') return undefined;
    }
  }
  return undefined;
}
