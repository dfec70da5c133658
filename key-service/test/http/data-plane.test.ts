/** The data plane over HTTP, `docs/key-service.md` §4 to §6, on both stores. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importEcdhPublicKey } from '../../../src/keyrings/ecdh.ts';
import { wrapTo } from '../../../src/keyrings/wrap-to.ts';
import type { TestClient } from '../support/client.ts';
import { adminRoles, type Harness, startHarness, storeKinds, userRoles } from '../support/harness.ts';

const context = { tenant: 'north', purpose: 'test' };

describe.each(storeKinds)('%s', (kind) => {
  let harness: Harness;
  let admin: TestClient;
  let alice: TestClient;
  let keyId: string;

  beforeAll(async () => {
    harness = await startHarness({ kind });
    admin = await harness.client(adminRoles);
    alice = await harness.client(userRoles);
    keyId = await newKey();
  });
  afterAll(() => harness.stop());

  async function newKey(body: object = {}): Promise<string> {
    const reply = await admin.call('POST', '/v1/keys', body);
    expect(reply.status).toBe(201);
    return reply.body.key_id;
  }

  const path = (operation: string, key = keyId) => `/v1/keys/${key}/${operation}`;
  async function generate(key = keyId, keyContext: Record<string, string> = context) {
    const reply = await alice.call('POST', path('generate-data-key', key), { items: [{ key_context: keyContext }] });
    expect(reply.body.results[0].problem).toBeUndefined();
    const { wrapped_key, version } = reply.body.results[0];
    return { wrapped_key, version, key_context: keyContext, dataKey: reply.openResult(0, keyContext, wrapped_key) };
  }
  const unwrapItem = ({
    wrapped_key,
    version,
    key_context,
  }: {
    wrapped_key: string;
    version: number;
    key_context: object;
  }) => ({ wrapped_key, version, key_context });
  async function unwrapOne(item: object, client = alice, key = keyId) {
    const reply = await client.call('POST', path('unwrap', key), { items: [item] });
    expect(reply.status).toBe(200);
    expect(reply.macOk).toBe(true);
    return { reply, result: reply.body.results[0] };
  }

  it('§6.2 generates, and unwraps the same data key', async () => {
    const made = await generate();
    expect(made.dataKey).toHaveLength(32);
    expect(Buffer.from(made.wrapped_key, 'base64url')).toHaveLength(81);
    const { reply, result } = await unwrapOne(unwrapItem(made));
    expect(result).toMatchObject({ key_id: keyId, version: 1, newest_version: 1, floor: 1 });
    expect(reply.openResult(0, context, made.wrapped_key)).toEqual(made.dataKey);
  });

  it('§6.1 a batch of 1,000 in order, with problems in their places', async () => {
    const items = Array.from({ length: 1000 }, (_, index) => ({ key_context: { ...context, index: String(index) } }));
    const made = await alice.call('POST', path('generate-data-key'), { items });
    expect(made.body.results).toHaveLength(1000);
    const wrapped = made.body.results.map(({ wrapped_key }: { wrapped_key: string }, index: number) => ({
      wrapped_key,
      version: 1,
      key_context: { ...context, index: index === 500 ? 'x' : String(index) },
    }));
    const reply = await alice.call('POST', path('unwrap'), { items: wrapped });
    for (const index of [0, 1, 499, 501, 999]) {
      const expected = made.openResult(index, { ...context, index: String(index) }, wrapped[index].wrapped_key);
      expect(reply.openResult(index, wrapped[index].key_context, wrapped[index].wrapped_key)).toEqual(expected);
    }
    expect(reply.body.results[500].problem).toMatchObject({ status: 422, code: 'unwrap-failed' });
  });

  it('§6.1 refuses empty and too large batches', async () => {
    for (const items of [[], Array.from({ length: 1001 }, () => ({}))]) {
      const reply = await alice.call('POST', path('generate-data-key'), { items });
      expect(reply.status).toBe(400);
      expect(reply.body.code).toBe('malformed-request');
    }
  });

  it('generates without plaintext', async () => {
    const reply = await alice.call('POST', path('generate-data-key-without-plaintext'), { items: [{}] });
    expect(reply.body.results[0].sealed_key).toBeUndefined();
    const { wrapped_key } = reply.body.results[0];
    const { result } = await unwrapOne({ wrapped_key, version: 1 });
    expect(result.sealed_key).toBeDefined();
  });

  it('§4.5 wraps a data key of the caller', async () => {
    const dataKey = randomBytes(32);
    const requestId = randomBytes(16).toString('base64url');
    const { salt, sealed } = alice.sealForRequest(path('wrap'), requestId, [{ key: dataKey, context }]);
    const body = { salt, items: [{ key_context: context, sealed_key: sealed[0] }] };
    const reply = await alice.call('POST', path('wrap'), body, { claims: { bulla_request: requestId } });
    const { wrapped_key } = reply.body.results[0];
    const { reply: opened } = await unwrapOne({ wrapped_key, version: 1, key_context: context });
    expect(opened.openResult(0, context, wrapped_key)).toEqual(dataKey);
    const other = await alice.call('POST', path('wrap'), body);
    expect(other.body.results[0].problem.code).toBe('transport-failed');
  });

  it('§6.2 rewraps after a rotation, to another key and to another key context', async () => {
    const key = await newKey();
    const target = await newKey();
    const made = await generate(key);
    expect((await admin.call('POST', path('rotate', key), { from_version: 1 })).body.newest_version).toBe(2);
    const { result: old } = await unwrapOne(unwrapItem(made), alice, key);
    expect(old).toMatchObject({ version: 1, newest_version: 2 });
    const newContext = { ...context, purpose: 'moved' };
    const items = [unwrapItem(made), { ...unwrapItem(made), to: { key: target, key_context: newContext } }];
    const reply = await alice.call('POST', path('rewrap', key), { items });
    const [same, moved] = reply.body.results;
    expect(same).toMatchObject({ key_id: key, version: 2 });
    expect(moved).toMatchObject({ key_id: target, version: 1 });
    const { reply: opened } = await unwrapOne(
      { wrapped_key: same.wrapped_key, version: 2, key_context: context },
      alice,
      key,
    );
    expect(opened.openResult(0, context, same.wrapped_key)).toEqual(made.dataKey);
    const { reply: openedMoved } = await unwrapOne(
      { wrapped_key: moved.wrapped_key, version: 1, key_context: newContext },
      alice,
      target,
    );
    expect(openedMoved.openResult(0, newContext, moved.wrapped_key)).toEqual(made.dataKey);
  });

  it('§5.4 unwraps and rewraps what was wrapped offline to the published key', async () => {
    const published = await alice.call('GET', path('public'));
    const [, payload = ''] = published.body.document.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    expect(claims).toMatchObject({ key_id: keyId, tenant: 'north', service_id: 'bulla-test', newest_version: 1 });
    const dataKey = randomBytes(32);
    const { point } = await importEcdhPublicKey(`bullapk1.${claims.keys[0].key}`);
    const identity = { keyId, version: 1, serviceId: 'bulla-test', keyContext: context };
    const { wrapping } = await wrapTo('service-ecdh', point, identity, new Uint8Array(dataKey));
    if (wrapping.method !== 'service-ecdh') throw new Error('another method');
    const wrapped_key = Buffer.concat([wrapping.ephemeralKey, wrapping.sealedKey]).toString('base64url');
    const item = { wrapped_key, version: 1, key_context: context, method: 'service-ecdh' };
    const { reply } = await unwrapOne(item);
    expect(reply.openResult(0, context, wrapped_key)).toEqual(dataKey);
    const rewrapped = await alice.call('POST', path('rewrap'), { items: [item] });
    const { wrapped_key: own } = rewrapped.body.results[0];
    const { reply: again } = await unwrapOne({ wrapped_key: own, version: 1, key_context: context });
    expect(again.openResult(0, context, own)).toEqual(dataKey);
    const off = Buffer.from(wrapped_key, 'base64url');
    off[50] = (off[50] ?? 0) ^ 1;
    const { result } = await unwrapOne({ ...item, wrapped_key: off.toString('base64url') });
    expect(result.problem.code).toBe('unwrap-failed');
  });

  it('§6.1 works over mixed keys and aliases', async () => {
    const other = await newKey({ alias: `mixed-${kind}` });
    const items = [{ key: keyId, key_context: context }, { key: `alias:mixed-${kind}` }, { key: 'alias:none' }];
    const reply = await alice.call('POST', '/v1/data-keys/generate-data-key', { items });
    expect(
      reply.body.results.map(
        (result: { key_id?: string; problem?: { code: string } }) => result.key_id ?? result.problem?.code,
      ),
    ).toEqual([keyId, other, 'not-allowed']);
  });

  it.each([
    ['another context', (item: Item) => ({ ...item, key_context: { ...context, purpose: 'other' } })],
    ['no context', ({ key_context: _, ...item }: Item) => item],
    ['another version', (item: Item) => ({ ...item, version: 1 })],
    ['a version that is not there', (item: Item) => ({ ...item, version: 3 })],
    ['a changed format byte', (item: Item) => ({ ...item, wrapped_key: flip(item.wrapped_key, 0) })],
    ['a changed salt', (item: Item) => ({ ...item, wrapped_key: flip(item.wrapped_key, 5) })],
    ['a changed ciphertext', (item: Item) => ({ ...item, wrapped_key: flip(item.wrapped_key, 40) })],
    ['a changed tag', (item: Item) => ({ ...item, wrapped_key: flip(item.wrapped_key, 80) })],
    ['another method', (item: Item) => ({ ...item, method: 'service-ecdh' })],
  ])('§6.4 one code for every unwrap that fails: %s', async (_, change) => {
    const key = await newKey();
    await admin.call('POST', path('rotate', key), { from_version: 1 });
    const { result } = await unwrapOne(change(unwrapItem(await generate(key))), alice, key);
    expect(result).toEqual({
      problem: {
        type: 'urn:bulla:problem:unwrap-failed',
        title: expect.any(String),
        status: 422,
        code: 'unwrap-failed',
      },
    });
  });

  it('§11.3 an administrator who changes keys all the time holds up nobody else', async () => {
    const south = await harness.client(adminRoles, { tenant: 'south' });
    const { key_id } = (await south.call('POST', '/v1/keys', {})).body;
    let running = true;
    const change = async () => {
      const client = await harness.client(adminRoles, { tenant: 'south' });
      let changes = 0;
      for (; running; changes += 1) await client.call('POST', `/v1/keys/${key_id}/disable`, {});
      return changes;
    };
    const churn = Promise.all([change(), change(), change()]);
    const statuses: number[] = [];
    for (let i = 0; i < 30; i += 1) {
      statuses.push((await alice.call('POST', path('generate-data-key'), { items: [{}] })).status);
    }
    running = false;
    const changes = (await churn).reduce((sum, count) => sum + count);
    expect(changes).toBeGreaterThan(10);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it('§6.5 has no idempotency keys: generating twice makes two', async () => {
    const headers = { 'Idempotency-Key': 'the-same-one' };
    const wrapped = async () =>
      (await alice.call('POST', path('generate-data-key'), { items: [{}] }, { headers })).body.results[0].wrapped_key;
    expect(await wrapped()).not.toBe(await wrapped());
  });

  it('§8.1 each authenticated request is one leaf, whatever it is answered; others are none', async () => {
    const leaves = async (work: () => Promise<{ status: number }>) => {
      const { size } = (await harness.store.head('north')).tree;
      const { status } = await work();
      const entries = await harness.store.entries('north', size, size + 10);
      return [status, ...entries.map(({ entry }) => JSON.parse(Buffer.from(entry).toString()).status)];
    };
    const generate = (body: object, client = alice, bend = {}) =>
      leaves(() => client.call('POST', path('generate-data-key'), body, bend));
    expect(await generate({ items: [{}, {}, {}] })).toEqual([200, 200]);
    expect(await generate({ items: [{}] }, admin)).toEqual([200, 200]);
    expect(await generate({ items: 1 })).toEqual([400, 400]);
    expect(await leaves(() => alice.call('POST', '/v1/keys', {}))).toEqual([403, 403]);
    expect(await leaves(() => admin.call('POST', `/v1/keys/${keyId}/rotate`, { from_version: 9 }))).toEqual([409, 409]);
    expect(await leaves(() => admin.call('POST', '/v1/keys', {}))).toEqual([201, 201]);
    expect(await generate({ items: [{}] }, alice, { token: 'none' })).toEqual([401]);
    const { proof } = await alice.call('GET', '/v1/caller');
    expect(await leaves(() => alice.call('GET', '/v1/caller', undefined, { proof }))).toEqual([401]);
    expect(await leaves(() => alice.call('GET', '/v1/nothing'))).toEqual([404]);
  });

  it('§6.4 another key of the same tenant does not unwrap', async () => {
    const made = await generate();
    const { result } = await unwrapOne(unwrapItem(made), alice, await newKey());
    expect(result.problem.code).toBe('unwrap-failed');
  });

  it('§6.4 “not allowed” and “no such key” are the same bytes', async () => {
    const bob = await harness.client(userRoles, { tenant: 'south' });
    const nobody = await harness.client([]);
    const made = await generate();
    const item = unwrapItem(made);
    const answers = [
      await unwrapOne(item, bob),
      await unwrapOne(item, bob, 'key-aaaaaaaaaaaaaaaaaaaaaaaaaa'),
      await unwrapOne(item, nobody),
      await unwrapOne(item, admin),
      await unwrapOne(item, alice, 'alias:none'),
      await unwrapOne(item, alice, 'anything'),
    ];
    expect(new Set(answers.map(({ reply }) => reply.raw.toString())).size).toBe(1);
    expect(answers[0]?.result.problem.code).toBe('not-allowed');
  });

  it('a key context that names another tenant is refused', async () => {
    const reply = await alice.call('POST', path('generate-data-key'), {
      items: [{ key_context: { tenant: 'south' } }],
    });
    expect(reply.body.results[0].problem.code).toBe('not-allowed');
  });

  it('no operation implies another', async () => {
    const encryptor = await harness.client(['encryptor']);
    const decryptor = await harness.client(['decryptor']);
    const made = await generate();
    const code = async (client: TestClient, operation: string, item: object) => {
      const reply = await client.call('POST', path(operation), { items: [item] });
      return reply.body.results[0].problem?.code ?? 'ok';
    };
    expect(await code(encryptor, 'generate-data-key', {})).toBe('ok');
    expect(await code(encryptor, 'unwrap', unwrapItem(made))).toBe('not-allowed');
    expect(await code(encryptor, 'rewrap', unwrapItem(made))).toBe('not-allowed');
    expect(await code(decryptor, 'generate-data-key', {})).toBe('not-allowed');
    expect(await code(decryptor, 'unwrap', unwrapItem(made))).toBe('ok');
    const both = await harness.client([...userRoles, 'key-administrator']);
    expect(await code(both, 'unwrap', unwrapItem(made))).toBe('not-allowed');
  });

  it('§5.2 states: disabled, below the floor, compromised, destroy-scheduled', async () => {
    const key = await newKey();
    const made = await generate(key);
    const code = async (client = alice, operation = 'unwrap') => {
      const reply = await client.call('POST', path(operation, key), { items: [unwrapItem(made)] });
      const { problem } = reply.body.results[0];
      return problem ? `${problem.status} ${problem.code}` : 'ok';
    };
    const change = async (verb: string, body: object, client = admin) => {
      const reply = await client.call('POST', path(verb, key), body);
      expect(reply.status, JSON.stringify(reply.body)).toBe(200);
      return reply.body;
    };
    expect(await code()).toBe('ok');
    await change('disable', {});
    expect(await code()).toBe('423 key-disabled');
    await change('enable', {});
    await change('rotate', { from_version: 1 });
    await change('disable', { version: 1 });
    expect(await code()).toBe('423 version-unavailable');
    await change('enable', { version: 1 });
    expect(await code()).toBe('ok');
    await change('raise-floor', { floor: 2 });
    expect(await code()).toBe('423 below-floor');
    expect(await code(alice, 'rewrap')).toBe('ok');
    await change('mark-compromised', { version: 1 });
    expect(await code()).toBe('423 version-unavailable');
    expect(await code(alice, 'rewrap')).toBe('423 version-unavailable');
    const recoverer = await harness.client(['recoverer']);
    expect(await code(recoverer, 'rewrap')).toBe('ok');
    await change('schedule-deletion', { days: 7, version: 1 });
    const approver = await harness.client(['deletion-approver']);
    await change('approve-deletion', { version: 1, days: 7 }, approver);
    expect(await code(recoverer, 'rewrap')).toBe('423 version-unavailable');
    const described = await change('cancel-deletion', {});
    expect(described.versions[0].state).toBe('compromised');
  });

  it.each([
    [{ items: [{ key_contxt: {} }] }, 'items.0.key_contxt: unknown field'],
    [{ items: [{}], extra: 1 }, 'extra: unknown field'],
    [{ items: [{ key_context: { a: 1 } }] }, 'items.0.key_context.a'],
    [{ items: [{ key_context: { '': 'x' } }] }, 'an empty name'],
    [{ items: [{ key_context: { a: '\ud800' } }] }, 'unpaired surrogate'],
    [{ items: [{ key_context: { a: 'x'.repeat(1025) } }] }, '1024 bytes'],
    [{ items: [{ key_context: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`n${i}`, ''])) }] }, '64 pairs'],
    [{ items: {} }, 'items'],
    [[], 'body'],
    [{}, 'items'],
  ])('§1.3 says what is malformed (%#)', async (body, message) => {
    const reply = await alice.call('POST', path('generate-data-key'), body);
    expect(reply.status).toBe(400);
    expect(reply.macOk).toBe(true);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
    expect(reply.body.detail).toContain(message);
  });

  it.each(['', '{', 'null', '"x"', '{"items":[{}]} x', Buffer.from([0x7b, 0xff, 0x7d])])(
    '§1.3 refuses what is not JSON',
    async (rawBody) => {
      const reply = await alice.call('POST', path('generate-data-key'), undefined, { rawBody });
      expect(reply.status).toBe(400);
    },
  );

  it('refuses a query, another type, and base64url that is not canonical', async () => {
    const query = await alice.call('POST', `${path('generate-data-key')}?a=1`, { items: [{}] });
    expect(query.body.detail).toContain('query');
    const type = await alice.call(
      'POST',
      path('generate-data-key'),
      { items: [{}] },
      { headers: { 'Content-Type': 'text/plain' } },
    );
    expect(type.status).toBe(400);
    const wrapped_key = `${'A'.repeat(193)}B`;
    const reply = await alice.call('POST', path('unwrap'), {
      items: [{ wrapped_key, version: 1, method: 'service-ecdh' }],
    });
    expect(reply.status).toBe(400);
    expect(reply.body.errors[0].path).toBe('items.0.wrapped_key');
  });

  it('counts uses', async () => {
    const key = await newKey();
    const made = await generate(key);
    await unwrapOne(unwrapItem(made), alice, key);
    const { body } = await admin.call('GET', `/v1/keys/${key}`);
    expect(body.versions[0].uses).toBe(2);
  });
});

interface Item {
  readonly wrapped_key: string;
  readonly version: number;
  readonly key_context?: object;
}

function flip(text: string, index: number): string {
  const bytes = Buffer.from(text, 'base64url');
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return bytes.toString('base64url');
}
