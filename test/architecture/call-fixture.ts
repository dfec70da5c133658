// What the calls of options.test.ts are made with: keys, a message, files, and a client of a key service.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { encrypt } from '../../src/index.ts';
import { exportEcdhPrivateKey, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { generateRsaKey } from '../../src/keyrings/rsa.ts';
import { createKeyServiceClient, type KeyServiceClient } from '../../src/service.ts';
import { fastKeyring, pattern } from '../support/data.ts';
import { lyingKeyId, lyingService, lyingUrl } from '../support/lying-service.ts';

export const keyring = fastKeyring();
export const context = { id: '1' };
export const data = pattern(10_000);
export const signal = new AbortController().signal;
export const random = (length: number) => pattern(length, 5);
export const now = () => 1_700_000_000_000;
export const onProgress = () => {};
export const sealing = () => ({
  ...{ keyring, context: { ...context }, metadata: { a: 'b' }, contentType: 'text/plain', segmentSize: 4096 },
  ...{ signal, now, random },
});
export const opening = () => ({ keyring, context: { ...context }, signal });
export const onSignal = () => ({ signal });
export const keyringCall = () => ({ signal, plaintextLength: 5 });

export let message: Uint8Array<ArrayBuffer>;
export let client: KeyServiceClient;
let folder: string;
export let fetch: typeof globalThis.fetch;
const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
export const token = jwt({ tenant: 'north', iss: 'i', sub: 's' });
export const keyService = { pin: '', fetch: (() => {}) as never };
export const file = (name: string) => join(folder, name);
export const target = () => ({ key: lyingKeyId, keyContext: {} });

beforeAll(async () => {
  message = await encrypt(data, sealing());
  folder = mkdtempSync(join(tmpdir(), 'bulla-options-'));
  writeFileSync(file('plain'), data);
  writeFileSync(file('message'), message);
  const { pin, fetch: toService } = await lyingService();
  Object.assign(keyService, { pin, fetch: toService });
  client = createKeyServiceClient({ ...keyService, url: lyingUrl, token });
  fetch = async (_, init) => {
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('Range') ?? '') ?? [];
    const body = message.slice(Number(start), Number(end) + 1);
    const range = `bytes ${start}-${Number(start) + body.byteLength - 1}/${message.byteLength}`;
    return new Response(body, { status: 206, headers: { 'Content-Range': range, ETag: '"1"' } });
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

export const ecdhKey = await generateEcdhKey({ extractable: true });
export const ecdhText = await exportEcdhPrivateKey(ecdhKey);
export const { privateKey: rsaKey } = await generateRsaKey({ extractable: true, modulusLength: 3072 });
export const rsaJwk = await crypto.subtle.exportKey('jwk', rsaKey.privateKey);
const signing = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const signingKey = await crypto.subtle.exportKey('jwk', signing.privateKey);
export const signingJwk = { ...signingKey, alg: 'ES256', kid: 'k' };
