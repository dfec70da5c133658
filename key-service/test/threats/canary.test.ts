// Threats: secrets that leak; canaries that must appear in no log, error, metric, file or database dump.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../reference-client/client.ts';
import { b64 } from '../reference-client/encodings.ts';
import { freshNonce, ProofKey, proofOf, send } from './support/raw.ts';
import { type Key, only, outcome, World } from './support/world.ts';

let world: World;
let output = '';
/** Every body that the service answered with. */
const bodies: string[] = [];
const canaries = new Map<string, Buffer>();

const canary = (name: string): string => {
  const text = `canary-${name}-${b64(randomBytes(9))}`;
  canaries.set(name, Buffer.from(text));
  return text;
};
const secret = (name: string): Buffer => {
  const bytes = randomBytes(32);
  canaries.set(name, bytes);
  return bytes;
};

beforeAll(async () => {
  // The service says as much as it can.
  world = await World.start([], { log_level: 'debug' });
  const original = globalThis.fetch;
  globalThis.fetch = async (...args) => {
    const response = await original(...args);
    bodies.push(await response.clone().text(), JSON.stringify([...response.headers]));
    return response;
  };
  const { url } = world.running;
  const alice = world.client('alice@north');
  const admin = world.client('admin@north');
  const { key_id } = await world.createKey({ alias: 'canary' });

  // Secrets that are used as they should be.
  const key_context = { customer: canary('context value') };
  const generated = await only(alice, 'generate-data-key', { key_context }, key_id);
  canaries.set('generated data key', generated.data_key ?? Buffer.alloc(0));
  const data_key = secret('data key');
  const { wrapped_key } = await only(alice, 'wrap', { data_key, key_context }, key_id);
  expect(outcome(await only(alice, 'unwrap', { version: 1, wrapped_key, key_context }, key_id))).toBe('ok');
  await world.client('importer@north').importKey<Key>({}, secret('imported material'));

  // And where they do not belong or do not fit.
  const wrong = (body: object, path = `/v1/keys/${key_id}/unwrap`): Promise<unknown> =>
    alice.call('POST', path, body).catch((error: unknown) => error);
  await wrong({ items: [{ version: 1, wrapped_key, key_context: { customer: canary('wrong context') } }] });
  await wrong({ items: [{ version: 1, wrapped_key, key_context: { customer: [canary('context of a wrong type')] } }] });
  await wrong({ items: [{ version: 1, wrapped_key, key_context: canary('context that is a string') }] });
  await wrong({ items: [{ version: 1, wrapped_key: canary('wrapped key') }] });
  await wrong({ items: [{ version: canary('version'), wrapped_key }] });
  await wrong({ items: [{ version: 1, wrapped_key, method: canary('method') }] });
  await wrong({ salt: b64(randomBytes(32)), items: [{ sealed_key: canary('sealed key') }] }, `/v1/keys/${key_id}/wrap`);
  await wrong(
    { salt: canary('salt'), items: [{ sealed_key: b64(secret('sealed key in clear')) }] },
    `/v1/keys/${key_id}/wrap`,
  );
  await wrong({ items: canary('items') });
  await admin
    .call('POST', '/v1/keys/import', { salt: b64(randomBytes(32)), sealed_key: b64(secret('import in clear')) })
    .catch(String);

  const key = new ProofKey();
  canaries.set('proof key', Buffer.from(key.pair.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'));
  const token = world.north.token('alice@north', key.jkt, { extra: canary('claim of a token') });
  canaries.set('token', Buffer.from(token));
  await send(url, { key, token });
  await send(url, { key: new ProofKey(), token });
  await send(url, { key, token: canary('malformed token') });
  await send(url, { key, token, headers: { authorization: `Bearer ${token}` } });
  await send(url, { key, token, proof: canary('malformed proof') });
  await send(url, { key, token, claims: { htu: `https://${canary('htu')}.example` } });
  await send(url, { key, token, claims: { jti: canary('jti') } });
  await send(url, { key, token: world.north.token('alice@north', key.jkt, { aud: canary('audience') }) });
  await send(url, { key, token: world.north.token('alice@north', key.jkt, { iss: canary('issuer') }) });
  await send(url, { key, token: world.north.token('alice@north', key.jkt, {}, { kid: canary('kid') }) });
  const proof = proofOf({ key, token, path: '/v1/token', method: 'POST' }, await freshNonce(url));
  const form = new URLSearchParams({ grant_type: 'x', subject_token: canary('subject token') }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  await send(url, { key, method: 'POST', path: '/v1/token', body: form, headers });
  await send(url, { key, method: 'POST', path: '/v1/token', body: form, headers, proof });
  await send(url, { key, token, path: `/v1/${canary('path')}` }).catch(String);
  await send(url, {
    key,
    token,
    method: 'POST',
    path: '/v1/data-keys/unwrap',
    body: `{"items": ["${canary('not JSON')}`,
  });
  await metrics(admin);
  output = world.running.output();
  await world.stop();
  globalThis.fetch = original;
});

afterAll(() => world?.remove());

async function metrics(admin: Client): Promise<void> {
  const key = new ProofKey();
  const token = world.north.token('admin@north', key.jkt);
  const nonce = await freshNonce(world.running.url);
  const proof = proofOf({ key, token, path: '/metrics' }, nonce);
  const response = await fetch(`${world.running.url}/metrics`, {
    headers: { authorization: `DPoP ${token}`, dpop: proof },
  });
  expect(response.status).toBe(200);
  const text = await response.text();
  expect(text).toContain('# TYPE');
  expect(text).not.toMatch(/key-[a-z2-7]{26}|alice|admin|north|south/);
  expect(admin.options.tenant).toBe('north');
}

/** In which encodings bytes hold a canary. */
function found(haystack: Buffer, needle: Buffer): string[] {
  const encodings = ['utf8', 'hex', 'base64', 'base64url'] as const;
  const hits = encodings.filter((encoding) => {
    if (encoding === 'utf8') return haystack.includes(needle);
    // The last characters of base64 depend on what follows.
    const text = needle.toString(encoding).replace(/..?=*$/, '');
    return haystack.includes(text) || haystack.includes(text.toUpperCase());
  });
  return hits;
}

const leaks = (haystack: Buffer, but: readonly string[] = []): string[] =>
  [...canaries]
    .filter(([name, needle]) => !but.includes(name) && found(haystack, needle).length > 0)
    .map(([name]) => name);

it('the search finds what is there', () => {
  const needle = canaries.get('data key') ?? Buffer.alloc(0);
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    expect(leaks(Buffer.from(`x${needle.toString(encoding)}y`))).toEqual(['data key']);
  }
  expect(leaks(Buffer.concat([Buffer.from('x'), needle]))).toEqual(['data key']);
});

it('no log', () => {
  expect(output.length).toBeGreaterThan(0);
  expect(leaks(Buffer.from(output))).toEqual([]);
});

it('no answer, no error', () => {
  expect(bodies.length).toBeGreaterThan(30);
  // The address is told back to its sender, in no answer but that.
  expect(leaks(Buffer.from(bodies.join('\n')), ['path'])).toEqual([]);
});

it('no stack trace in any answer', () => {
  for (const body of bodies) expect(body).not.toMatch(/\.ts:\d+|node:internal|node_modules|sqlite|postgres/i);
});

it('no file of the service: database, its dump, checkpoint', async () => {
  for (const name of readdirSync(world.folder)) {
    expect(leaks(readFileSync(world.path(name))), name).toEqual([]);
  }
  const dump = (await world.dump()).flatMap((row) => Object.values(row));
  const bytes = dump.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(JSON.stringify(value)),
  );
  expect(bytes.length).toBeGreaterThan(100);
  expect(leaks(Buffer.concat(bytes))).toEqual([]);
});

it('the root key is in its file alone', () => {
  const root = readFileSync(world.path('root.key'), 'utf8').trim();
  const needle = Buffer.from(root.split('.')[1] ?? '', 'base64url');
  expect(needle).toHaveLength(32);
  for (const name of readdirSync(world.folder).filter((each) => each !== 'root.key')) {
    expect(found(readFileSync(world.path(name)), needle), name).toEqual([]);
  }
  expect(found(Buffer.from(output + bodies.join('')), needle)).toEqual([]);
});
