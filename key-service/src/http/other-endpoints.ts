/** Aliases, published keys, the log, and who one is; `docs/key-service.md` §7.2, §7.5, §8 and §9.1. */

import type * as z from 'zod';
import { tenantOfEntry } from '../audit/entry.ts';
import { Problem } from '../errors.ts';
import { requestView } from '../keys/key-cache.ts';
import { type KeyRecord, versionOf } from '../keys/model.ts';
import { encodeBase64url } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { maxEntries } from '../lib/limits.ts';
import { validate } from './body.ts';
import { type Call, type Endpoint, endpoint } from './endpoint.ts';
import { allowedKey, keyForChange, recordedChange } from './recorded-change.ts';
import {
  aliasBody,
  aliasPath,
  callerResponse,
  checkpointResponse,
  documentResponse,
  entriesResponse,
  keyResponse,
  proofResponse,
} from './schemas.ts';

const documentSeconds = 24 * 3600;

const setAlias = endpoint<z.infer<typeof aliasBody>>({
  method: 'PUT',
  path: '/v1/aliases/{name}',
  operation: 'set-alias',
  summary: 'Sets or moves an alias',
  headers: ['If-Match'],
  body: aliasBody,
  response: keyResponse,
  status: 200,
  run(call) {
    const name = aliasOf(call);
    const asked = { alias: name, key: call.body.key };
    return recordedChange(call, { operation: 'set-alias', change: asked }, async (change) => {
      const key = await keyForChange(call, change, 'set-alias', call.body.key);
      const holder = await change.findKey(call.caller.tenant, `alias:${name}`);
      if (holder?.id === key.id) return key;
      const former = holder?.id ?? (await change.formerHolder(call.caller.tenant, name));
      if (former !== undefined && former !== key.id) {
        // Moved, even if somebody took it away first: programs that name it come to another key.
        const from = await allowedKey(call, change, 'move-alias', former);
        await allowedKey(call, change, 'move-alias', key.id);
        if (holder) await takeAlias(change, from, name);
      }
      return change.putKey({ ...key, aliases: [...key.aliases, name].sort() });
    });
  },
});

const removeAlias = endpoint({
  method: 'DELETE',
  path: '/v1/aliases/{name}',
  operation: 'remove-alias',
  summary: 'Removes an alias',
  headers: ['If-Match'],
  response: keyResponse,
  status: 200,
  run(call) {
    const name = aliasOf(call);
    return recordedChange(call, { operation: 'remove-alias', change: { alias: name } }, async (change) => {
      return takeAlias(change, await keyForChange(call, change, 'remove-alias', `alias:${name}`), name);
    });
  },
});

const publicKey = endpoint({
  method: 'GET',
  path: '/v1/keys/{key}/public',
  operation: 'read-public-key',
  summary: 'The signed public key of the active version, for wrapping offline',
  response: documentResponse,
  status: 200,
  async run({ service, caller, parameters }) {
    const view = requestView(await service.keys.view());
    const key = await view.find(caller.tenant, parameters['key'] ?? '');
    if (!key || !service.authorizer.allowsKey(caller, 'read-public-key', key)) throw new Problem('not-allowed');
    if (key.disabled) throw new Problem('key-disabled');
    const active = versionOf(key, key.newest);
    if (active?.state !== 'active') throw new Problem('version-unavailable', undefined, { version: key.newest });
    const iat = seconds(service.clock);
    const document = await service.identity.sign('bulla-key+jwt', {
      ...{ iss: service.config.external_url, iat, exp: iat + documentSeconds, serial: key.revision },
      ...{ service_id: service.config.service_id, tenant: key.tenant, key_id: key.id },
      ...{ newest_version: key.newest, floor: key.floor },
      keys: [{ version: active.version, key: encodeBase64url(active.point) }],
    });
    return { status: 200, body: { document }, key: key.id, epoch: view.epoch, keys: view.keys() };
  },
});

const caller = endpoint({
  method: 'GET',
  path: '/v1/caller',
  operation: 'caller',
  summary: 'Who the service takes the caller for',
  response: callerResponse,
  status: 200,
  run: async ({ caller: { tenant, principal, roles } }) => ({ status: 200, body: { tenant, principal, roles } }),
});

const checkpoint = endpoint({
  method: 'GET',
  path: '/v1/audit/checkpoint',
  operation: 'read-checkpoint',
  summary: 'The signed head of the log',
  response: checkpointResponse,
  status: 200,
  reads: true,
  async run(call) {
    assertAuditor(call);
    return { status: 200, body: { checkpoint: (await call.service.log.checkpoint()).note } };
  },
});

const entries = endpoint({
  method: 'GET',
  path: '/v1/audit/entries/{from}/{to}',
  operation: 'read-entries',
  summary: 'Entries of the log',
  response: entriesResponse,
  status: 200,
  reads: true,
  async run(call) {
    assertAuditor(call);
    const { service, caller: who } = call;
    const [from, to] = [number(call, 'from'), number(call, 'to')];
    if (to < from || to - from > maxEntries)
      throw new Problem('malformed-request', `A range has at most ${maxEntries} entries`);
    const all = who.tenant === service.config.operator_tenant;
    const found = await service.store.entries(from, to);
    const body = found.map(({ index, hash, entry }) => {
      // The column is for the database; what counts is what the leaf hash covers.
      const shown = all || tenantOfEntry(entry) === who.tenant ? { entry: encodeBase64url(entry) } : {};
      return { index, leaf_hash: encodeBase64url(hash), ...shown };
    });
    return { status: 200, body: { entries: body } };
  },
});

const inclusion = endpoint({
  method: 'GET',
  path: '/v1/audit/inclusion/{index}/{size}',
  operation: 'read-inclusion-proof',
  summary: 'That a leaf is in the tree of a size',
  response: proofResponse,
  status: 200,
  reads: true,
  async run(call) {
    assertAuditor(call);
    const [index, size] = [number(call, 'index'), await treeSize(call, 'size')];
    if (index >= size) throw new Problem('malformed-request', 'The tree of this size has no such leaf');
    return proof(await call.service.log.inclusion(index, size));
  },
});

const consistency = endpoint({
  method: 'GET',
  path: '/v1/audit/consistency/{from}/{to}',
  operation: 'read-consistency-proof',
  summary: 'That the tree of one size continues that of another',
  response: proofResponse,
  status: 200,
  reads: true,
  async run(call) {
    assertAuditor(call);
    const [from, to] = [number(call, 'from'), await treeSize(call, 'to')];
    if (from > to) throw new Problem('malformed-request', 'The first size is above the second');
    return proof(await call.service.log.consistency(from, to));
  },
});

/** Endpoints of authenticated callers beside keys and data keys; `/metrics` is among the public ones, which decide for themselves. */
export const otherEndpoints: readonly Endpoint[] = [
  setAlias,
  removeAlias,
  publicKey,
  caller,
  checkpoint,
  entries,
  inclusion,
  consistency,
];

function aliasOf({ parameters: { name } }: Call): string {
  return validate({ name }, aliasPath).name;
}

type Change = Parameters<Parameters<typeof recordedChange>[2]>[0];

function takeAlias(change: Change, key: KeyRecord, name: string): Promise<KeyRecord> {
  return change.putKey({ ...key, aliases: key.aliases.filter((alias) => alias !== name) });
}

function assertAuditor({ service, caller: who }: Call): void {
  if (!service.authorizer.allowsService(who, 'read-audit')) throw new Problem('not-allowed');
}

function number({ parameters }: Call, name: string): number {
  const text = parameters[name] ?? '';
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new Problem('malformed-request', `${name} is not a number`);
  return Number(text);
}

async function treeSize(call: Call, name: string): Promise<number> {
  const size = number(call, name);
  if (size > (await call.service.log.size()))
    throw new Problem('malformed-request', 'The log has not that many entries');
  return size;
}

function proof(hashes: readonly Uint8Array[]) {
  return { status: 200, body: { proof: hashes.map(encodeBase64url) } };
}
