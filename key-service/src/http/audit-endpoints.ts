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

/** A proof about the trees of two sizes, or of a leaf and a tree. */
interface ProofKind {
  readonly name: 'inclusion' | 'consistency';
  /** As the path names them: the second is a size of the log. */
  readonly parameters: readonly [string, string];
  readonly summary: string;
  /** Throws a `Problem` for numbers that there is no proof of. */
  assertProvable(first: number, size: number): void;
}

const inclusion: ProofKind = {
  name: 'inclusion',
  parameters: ['index', 'size'],
  summary: 'That a leaf is in the tree of a size',
  assertProvable(index, size) {
    if (index >= size) throw new Problem('malformed-request', 'The tree of this size has no such leaf');
  },
};

const consistency: ProofKind = {
  name: 'consistency',
  parameters: ['from', 'to'],
  summary: 'That the tree of one size continues that of another',
  assertProvable(from, to) {
    if (from > to) throw new Problem('malformed-request', 'The first size is above the second');
  },
};

function proof({ path, of, word, log }: Subject, { name, parameters, summary, assertProvable }: ProofKind): Endpoint {
  const [first, second] = parameters;
  return endpoint({
    method: 'GET',
    path: `${path}/${name}/{${first}}/{${second}}`,
    operation: `read-${word}${name}-proof`,
    summary: `${summary} ${of}`,
    response: proofResponse,
    status: 200,
    reads: true,
    async run(call) {
      assertMay(call.actor, 'read-audit');
      const [one, size] = [number(call, first), number(call, second)];
      if (size > (await log(call).size())) throw new Problem('malformed-request', 'The log has not that many entries');
      assertProvable(one, size);
      const hashes = await log(call)[name](one, size);
      return { status: 200, body: { proof: hashes.map(encodeBase64url) } };
    },
  });
}

/** All endpoints under `/v1/audit`. */
export const auditEndpoints: readonly Endpoint[] = [
  ...subjects.flatMap((subject) => [
    checkpoint(subject),
    entries(subject),
    proof(subject, inclusion),
    proof(subject, consistency),
  ]),
  published,
];

function number({ parameters }: Call, name: string): number {
  const text = parameters[name] ?? '';
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new Problem('malformed-request', `${name} is not a number`);
  return Number(text);
}
