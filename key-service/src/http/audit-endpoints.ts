/** The log of the caller's tenant, and the service's own; `docs/key-service.md` §8. */

import type { AuditLog } from '../audit/audit-log.ts';
import { Problem } from '../errors.ts';
import { encodeBase64url } from '../lib/bytes.ts';
import { assertMay } from '../operations/actor.ts';
import { readEntries, readPublication } from '../operations/read-log.ts';
import { type Call, type Endpoint, endpoint } from './endpoint.ts';
import { checkpointResponse, entriesResponse, proofResponse, publishedResponse } from './schemas.ts';

/** Which log endpoints are about. */
interface Subject {
  readonly path: string;
  readonly of: string;
  /** In names of operations. */
  readonly word: string;
  readonly service: boolean;
  log(call: Call): AuditLog;
}

const subjects: readonly Subject[] = [
  {
    path: '/v1/audit',
    of: "of the tenant's log",
    word: '',
    service: false,
    log: ({ service, caller }) => service.logs.of(caller.tenant),
  },
  {
    path: '/v1/audit/service',
    of: "of the service's own log",
    word: 'service-',
    service: true,
    log: ({ service }) => service.logs.service,
  },
];

const published = endpoint({
  method: 'GET',
  path: '/v1/audit/published',
  operation: 'read-published-head',
  summary: "What the service's own log says of the tenant's",
  response: publishedResponse,
  status: 200,
  reads: true,
  async run({ service, actor }) {
    const { leaf, entry, slot, slots, bytes, proof } = await readPublication(service.store, actor);
    const body = { leaf, entry: encodeBase64url(entry), slot, slots, head: encodeBase64url(bytes) };
    return { status: 200, body: { ...body, proof: proof.map(encodeBase64url) } };
  },
});

/** All endpoints under `/v1/audit`. */
export const auditEndpoints: readonly Endpoint[] = [
  ...subjects.flatMap((subject) => [checkpoint(subject), entries(subject), inclusion(subject), consistency(subject)]),
  published,
];

function checkpoint({ path, of, word, log }: Subject): Endpoint {
  return endpoint({
    method: 'GET',
    path: `${path}/checkpoint`,
    operation: `read-${word}checkpoint`,
    summary: `The signed head ${of}`,
    response: checkpointResponse,
    status: 200,
    reads: true,
    async run(call) {
      assertMay(call.actor, 'read-audit');
      return { status: 200, body: { checkpoint: (await log(call).checkpoint()).note } };
    },
  });
}

function entries({ path, of, word, service }: Subject): Endpoint {
  return endpoint({
    method: 'GET',
    path: `${path}/entries/{from}/{to}`,
    operation: `read-${word}entries`,
    summary: `Entries ${of}`,
    response: entriesResponse,
    status: 200,
    reads: true,
    async run(call) {
      assertMay(call.actor, 'read-audit');
      const [from, to] = [number(call, 'from'), number(call, 'to')];
      const { store, config } = call.service;
      const whose = service ? { operatorTenant: config.operator_tenant } : undefined;
      const shown = await readEntries(store, call.actor, { from, to, service: whose });
      const body = shown.map(({ index, hash, entry }) => {
        return { index, leaf_hash: encodeBase64url(hash), ...(entry ? { entry: encodeBase64url(entry) } : {}) };
      });
      return { status: 200, body: { entries: body } };
    },
  });
}

function inclusion({ path, of, word, log }: Subject): Endpoint {
  return endpoint({
    method: 'GET',
    path: `${path}/inclusion/{index}/{size}`,
    operation: `read-${word}inclusion-proof`,
    summary: `That a leaf is in the tree of a size ${of}`,
    response: proofResponse,
    status: 200,
    reads: true,
    async run(call) {
      assertMay(call.actor, 'read-audit');
      const [index, size] = [number(call, 'index'), await treeSize(call, log(call), 'size')];
      if (index >= size) throw new Problem('malformed-request', 'The tree of this size has no such leaf');
      return proof(await log(call).inclusion(index, size));
    },
  });
}

function consistency({ path, of, word, log }: Subject): Endpoint {
  return endpoint({
    method: 'GET',
    path: `${path}/consistency/{from}/{to}`,
    operation: `read-${word}consistency-proof`,
    summary: `That the tree of one size continues that of another ${of}`,
    response: proofResponse,
    status: 200,
    reads: true,
    async run(call) {
      assertMay(call.actor, 'read-audit');
      const [from, to] = [number(call, 'from'), await treeSize(call, log(call), 'to')];
      if (from > to) throw new Problem('malformed-request', 'The first size is above the second');
      return proof(await log(call).consistency(from, to));
    },
  });
}

function number({ parameters }: Call, name: string): number {
  const text = parameters[name] ?? '';
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new Problem('malformed-request', `${name} is not a number`);
  return Number(text);
}

async function treeSize(call: Call, log: AuditLog, name: string): Promise<number> {
  const size = number(call, name);
  if (size > (await log.size())) throw new Problem('malformed-request', 'The log has not that many entries');
  return size;
}

function proof(hashes: readonly Uint8Array[]) {
  return { status: 200, body: { proof: hashes.map(encodeBase64url) } };
}
