/** Aliases, published keys, the log, and who one is; `docs/key-service.md` §7.2, §7.5, §8 and §9.1. */

import type * as z from 'zod';
import { Problem } from '../errors.ts';
import { encodeBase64url } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { assertMay } from '../operations/actor.ts';
import { removeAlias, setAlias } from '../operations/keys/aliases.ts';
import { publishedVersion } from '../operations/keys/read.ts';
import { readEntries } from '../operations/read-log.ts';
import { requestView } from '../store/key-cache.ts';
import { validate } from './body.ts';
import { type Call, type Endpoint, endpoint } from './endpoint.ts';
import { recordedChange } from './recorded-change.ts';
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

const putAlias = endpoint<z.infer<typeof aliasBody>>({
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
    const fields = { operation: 'set-alias', change: asked };
    return recordedChange(call, fields, (work) => setAlias(work, name, call.body.key));
  },
});

const deleteAlias = endpoint({
  method: 'DELETE',
  path: '/v1/aliases/{name}',
  operation: 'remove-alias',
  summary: 'Removes an alias',
  headers: ['If-Match'],
  response: keyResponse,
  status: 200,
  run(call) {
    const name = aliasOf(call);
    const fields = { operation: 'remove-alias', change: { alias: name } };
    return recordedChange(call, fields, (work) => removeAlias(work, name));
  },
});

const publicKey = endpoint({
  method: 'GET',
  path: '/v1/keys/{key}/public',
  operation: 'read-public-key',
  summary: 'The signed public key of the active version, for wrapping offline',
  response: documentResponse,
  status: 200,
  async run({ service, actor, parameters }) {
    const view = requestView(await service.keys.view());
    const { key, active } = await publishedVersion(view, actor, parameters['key'] ?? '');
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
    assertMay(call.actor, 'read-audit');
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
    assertMay(call.actor, 'read-audit');
    const [from, to] = [number(call, 'from'), number(call, 'to')];
    const { store, config } = call.service;
    const shown = await readEntries(store, call.actor, { from, to, operatorTenant: config.operator_tenant });
    const body = shown.map(({ index, hash, entry }) => {
      return { index, leaf_hash: encodeBase64url(hash), ...(entry ? { entry: encodeBase64url(entry) } : {}) };
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
    assertMay(call.actor, 'read-audit');
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
    assertMay(call.actor, 'read-audit');
    const [from, to] = [number(call, 'from'), await treeSize(call, 'to')];
    if (from > to) throw new Problem('malformed-request', 'The first size is above the second');
    return proof(await call.service.log.consistency(from, to));
  },
});

/** Endpoints of authenticated callers beside keys and data keys; `/metrics` is among the public ones, which decide for themselves. */
export const otherEndpoints: readonly Endpoint[] = [
  putAlias,
  deleteAlias,
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
