/** The OpenAPI document against the service: every operation of it is called, and what was sent and answered is what the document says; §9.3. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bend, createProofKey, type Reply, TestClient } from '../support/client.ts';
import { adminRoles, type Harness, startHarness, userRoles } from '../support/harness.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly enum?: unknown[];
  readonly const?: unknown;
  readonly properties?: Record<string, Schema>;
  readonly required?: string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: Schema[];
  readonly pattern?: string;
  readonly [keyword: string]: unknown;
}
type Content = Record<string, { schema: Schema }>;
interface Operation {
  readonly operationId?: string;
  readonly security?: object[];
  readonly parameters?: { name: string; in: string; required: boolean }[];
  readonly requestBody?: { content: Content };
  readonly responses: Record<string, { content?: Content; headers?: Record<string, { required: boolean }> }>;
}

let harness: Harness;
let api: {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};
let admin: TestClient;
let alice: TestClient;
const called = new Set<string>();

beforeAll(async () => {
  harness = await startHarness();
  api = (await (await fetch(`${harness.url}/openapi.json`)).json()) as typeof api;
  called.add('GET /openapi.json');
  admin = await harness.client([...adminRoles, 'metrics-reader']);
  alice = await harness.client(userRoles);
});
afterAll(() => harness.stop());

const typeOf = (value: unknown): string[] => {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  return Number.isInteger(value) ? ['integer', 'number'] : [typeof value];
};

/** Where a value is not what a schema says, members that it does not name included. */
function faults(value: unknown, schema: Schema, path = ''): string[] {
  const { $ref, anyOf, type, properties = {}, required = [], additionalProperties, items } = schema;
  if (Object.keys(schema).length === 0) return [];
  if ($ref !== undefined)
    return faults(value, api.components.schemas[$ref.split('/').at(-1) ?? ''] ?? { enum: [] }, path);
  if (anyOf)
    return anyOf.some((one) => faults(value, one, path).length === 0) ? [] : [`${path}: none of ${anyOf.length}`];
  if (schema.enum && !schema.enum.includes(value)) return [`${path}: not one of ${schema.enum}`];
  if (schema.const !== undefined && schema.const !== value) return [`${path}: not ${schema.const}`];
  if (type !== undefined && ![type].flat().some((each) => typeOf(value).includes(each))) return [`${path}: no ${type}`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(String(value))) return [`${path}: pattern`];
  if (Array.isArray(value)) return value.flatMap((each, index) => faults(each, items ?? {}, `${path}.${index}`));
  if (typeof value !== 'object' || value === null) return [];
  const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name}: missing`);
  return missing.concat(
    Object.entries(value).flatMap(([name, each]) => {
      const known = properties[name];
      if (known) return faults(each, known, `${path}.${name}`);
      if (typeof additionalProperties === 'object') return faults(each, additionalProperties, `${path}.${name}`);
      return additionalProperties === true ? [] : [`${path}.${name}: unknown`];
    }),
  );
}

/** Whether an answer is what the document says of it. */
function check(method: string, path: string, reply: Pick<Reply, 'status' | 'headers' | 'body'>, sent?: unknown): void {
  const operation = api.paths[path]?.[method.toLowerCase()];
  expect(operation, `${method} ${path}`).toBeDefined();
  const response = operation?.responses[reply.status] ?? operation?.responses['default'];
  const [[type, { schema }] = ['', { schema: {} }]] = Object.entries(response?.content ?? {});
  if (type !== '') expect(reply.headers.get('content-type'), path).toContain(type);
  expect(type === 'text/plain' ? typeof reply.body : faults(reply.body, schema), `${method} ${path}`).toEqual(
    type === 'text/plain' ? 'string' : [],
  );
  for (const [name, { required }] of Object.entries(response?.headers ?? {}))
    if (required) expect(reply.headers.has(name), `${name} of ${path}`).toBe(true);
  const [body] = Object.values(operation?.requestBody?.content ?? {});
  expect(sent === undefined, `a body for ${path}`).toBe(body === undefined);
  if (body && reply.status < 400) expect(faults(sent, body.schema), `what was sent to ${path}`).toEqual([]);
}

/** Calls an operation with the parameters of its path, and checks the answer. */
async function call(
  client: TestClient,
  name: string,
  values: readonly (string | number)[] = [],
  body?: object,
  bend?: Bend,
) {
  const [method = '', path = ''] = name.split(' ');
  const rest = [...values];
  const reply = await client.call(
    method,
    path.replace(/\{\w+\}/g, () => String(rest.shift())),
    body,
    bend,
  );
  check(method, path, reply, body);
  expect(reply.status, `${name}: ${JSON.stringify(reply.body)}`).toBeLessThan(300);
  called.add(name);
  return reply;
}

async function sealed(client: TestClient, path: string, more: object = {}) {
  const requestId = randomBytes(16).toString('base64url');
  if (!client.discovery) await client.discover();
  const {
    salt,
    sealed: [sealed_key = ''],
  } = client.sealForRequest(path, requestId, [{ key: randomBytes(32), context: {} }]);
  return { salt, sealed_key, bend: { claims: { bulla_request: requestId }, ...more } };
}

describe('the OpenAPI document', () => {
  it('says of keys what is so', async () => {
    const made = (await call(admin, 'POST /v1/keys', [], { alias: 'one', rotation: { max_age_days: 90 } })).body;
    const key = made.key_id;
    const importer = await harness.client(['key-importer']);
    const { bend, ...material } = await sealed(importer, '/v1/keys/import');
    await call(importer, 'POST /v1/keys/import', [], { description: 'two', ...material }, bend);
    await call(admin, 'GET /v1/keys');
    await call(admin, 'GET /v1/keys/{key}', [key]);
    await call(alice, 'GET /v1/keys/{key}/public', [key]);
    await call(admin, 'POST /v1/keys/{key}/rotate', [key], { from_version: 1 });
    await call(admin, 'POST /v1/keys/{key}/disable', [key], { version: 1 });
    await call(admin, 'POST /v1/keys/{key}/enable', [key], { version: 1 });
    await call(admin, 'POST /v1/keys/{key}/mark-compromised', [key], { version: 1 });
    await call(admin, 'POST /v1/keys/{key}/raise-floor', [key], { floor: 2 });
    await call(admin, 'POST /v1/keys/{key}/rotation-policy', [key], { max_uses: 1000, max_age_days: null });
    await call(admin, 'POST /v1/keys/{key}/schedule-deletion', [key], { days: 7, version: 1 });
    await call(await harness.client(['deletion-approver']), 'POST /v1/keys/{key}/approve-deletion', [key], {
      version: 1,
      days: 7,
    });
    await call(admin, 'GET /v1/keys/{key}', [key]);
    await call(admin, 'POST /v1/keys/{key}/cancel-deletion', [key], {});
    await call(admin, 'PUT /v1/aliases/{name}', ['another'], { key });
    await call(admin, 'DELETE /v1/aliases/{name}', ['another']);
  });

  it('says of data keys what is so', async () => {
    const key = (await call(admin, 'POST /v1/keys', [], {})).body.key_id;
    for (const mixed of [false, true]) {
      const name = (operation: string) =>
        mixed ? `POST /v1/data-keys/${operation}` : `POST /v1/keys/{key}/${operation}`;
      const use = (operation: string, items: object[], more: object = {}, bend?: Bend) =>
        call(
          alice,
          name(operation),
          mixed ? [] : [key],
          { items: items.map((item) => (mixed ? { key, ...item } : item)), ...more },
          bend,
        );
      const made = await use('generate-data-key', [{ key_context: { purpose: 'x' } }]);
      await use('generate-data-key-without-plaintext', [{}]);
      const path = mixed ? '/v1/data-keys/wrap' : `/v1/keys/${key}/wrap`;
      const { bend, salt, sealed_key } = await sealed(alice, path);
      await use('wrap', [{ sealed_key }], { salt }, bend);
      const item = { version: 1, key_context: { purpose: 'x' }, wrapped_key: made.body.results[0].wrapped_key };
      // One that works and one that does not: a result and a problem.
      await use('unwrap', [item, { ...item, version: 2 }]);
      await use('rewrap', [item, { ...item, to: { key_context: { purpose: 'y' } } }]);
    }
  });

  it('says of revocations what is so', async () => {
    const key = (await call(admin, 'POST /v1/keys', [], {})).body.key_id;
    const made = await alice.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    const { wrapped_key } = made.body.results[0];
    const [revoker, approver] = await Promise.all(
      ['data-key-revoker', 'revocation-approver'].map((role) => harness.client([role])),
    );
    if (!revoker || !approver) throw new Error('no clients');
    const asked = await call(revoker, 'POST /v1/revocations', [], { items: [{ key, version: 1, wrapped_key }] });
    const id = asked.body.revocation_id;
    await call(approver, 'POST /v1/revocations/{id}/approve', [id], { data_keys: 1 });
    await call(revoker, 'POST /v1/revocations/{id}/undo', [id], {});
    await call(approver, 'GET /v1/revocations/{id}', [id]);
    await call(approver, 'GET /v1/revocations');
    await call(approver, 'POST /v1/revocations/{id}/approve-undo', [id], { data_keys: 1 });
  });

  it('says of the log, the caller and the service what is so', async () => {
    await call(admin, 'GET /v1/caller');
    for (const log of ['', '/service']) {
      await call(admin, `GET /v1/audit${log}/checkpoint`);
      await call(admin, `GET /v1/audit${log}/entries/{from}/{to}`, [0, 5]);
      await call(admin, `GET /v1/audit${log}/inclusion/{index}/{size}`, [0, 3]);
      await call(admin, `GET /v1/audit${log}/consistency/{from}/{to}`, [1, 3]);
    }
    await call(admin, 'GET /v1/audit/published');
    await call(admin, 'GET /metrics');
    for (const path of ['/healthz', '/readyz', '/.well-known/bulla-key-service']) await call(admin, `GET ${path}`);
    const client = new TestClient(harness.url, await createProofKey(), 'north');
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await harness.issuer.token({ roles: userRoles, claims: { aud: 'bulla-exchange' } }),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    };
    const rawBody = new URLSearchParams(form).toString();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    await call(client, 'POST /v1/token', [], form, { token: '', noTransport: true, rawBody, headers });
  });

  it('says it of every operation that there is', () => {
    const described = Object.entries(api.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect([...called].sort()).toEqual(described.sort());
    expect(api.openapi).toBe('3.1.0');
  });

  it('says it of problems, too', async () => {
    for (const [method, path, body] of [
      ['POST', '/v1/keys', { alias: 'NOT' }],
      ['GET', '/v1/caller', undefined],
    ] as const)
      check(method, path, await admin.call(method, path, body, { token: 'none' }), body);
    check('POST', '/v1/keys', await admin.call('POST', '/v1/keys', { bogus: 1 }), { bogus: 1 });
    check('POST', '/v1/keys', await alice.call('POST', '/v1/keys', {}), {});
  });

  it('names the headers that an operation takes', () => {
    const headersOf = (name: string) => {
      const [method = '', path = ''] = name.split(' ');
      const found = api.paths[path]?.[method.toLowerCase()]?.parameters?.filter((each) => each.in === 'header') ?? [];
      return found.map((each) => (each.required ? `${each.name}!` : each.name)).sort();
    };
    expect(headersOf('POST /v1/keys')).toEqual(['DPoP!', 'Idempotency-Key']);
    expect(headersOf('POST /v1/keys/{key}/rotate')).toEqual(['DPoP!', 'If-Match']);
    expect(headersOf('DELETE /v1/aliases/{name}')).toEqual(['DPoP!', 'If-Match']);
    expect(headersOf('GET /v1/caller')).toEqual(['DPoP!']);
    expect(headersOf('POST /v1/token')).toEqual(['DPoP!']);
    expect(headersOf('GET /metrics')).toEqual(['DPoP']);
    expect(headersOf('GET /healthz')).toEqual([]);
  });
});
