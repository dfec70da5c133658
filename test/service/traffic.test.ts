// What goes over the wire: keys, plaintexts and private halves never do, and a handle gives nothing out.

import { expect, test } from 'vitest';
import { decrypt, encrypt } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import type { Fetch } from '../../src/service.ts';
import { rejection } from '../support/data.ts';
import { clientOf, keyContext, newKey, recorder, through } from '../support/service-client.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes)).replaceAll('=', '');

/** The forms in which bytes may stand in a text, at any alignment of base64. */
function formsOf(secret: Uint8Array): string[] {
  const aligned = [0, 1, 2].map((offset) => base64(secret.subarray(offset, offset + 27)));
  return [
    hex(secret),
    String(secret),
    ...aligned,
    ...aligned.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}

test('no data key, plaintext or context value in any request, answer or event', async () => {
  const keyId = await newKey();
  const traffic: string[] = [];
  const inner = through();
  const fetch: Fetch = async (url, init) => {
    const response = await inner(url, init);
    const body = init.body instanceof Uint8Array ? new TextDecoder().decode(init.body) : '';
    const headers = JSON.stringify([init.headers, [...response.headers]]);
    traffic.push(url, headers, body, await response.clone().text());
    return response;
  };
  const { events, onEvent } = recorder();
  const client = clientOf('alice@north', { fetch, onEvent });
  const keyring = serviceKeyring({ client, keyId, keyContext });
  const context = { patient: 'CONTEXT-VALUE-4711' };
  const message = await encrypt('PLAINTEXT-4711', { keyring, context });
  await decrypt(message, { keyring, context });
  const { version, wrappedKey } = await client.generateDataKey({ key: keyId, keyContext });
  const item = { keyId, version, keyContext, method: 'service' as const, wrappedKey };
  const dataKey = await client.unwrapDataKeyBytes(item);
  await client.wrapDataKey(dataKey, { key: keyId, keyContext });

  const everything = [...traffic, JSON.stringify(events)].join('\n');
  expect(everything.length).toBeGreaterThan(5_000);
  for (const form of [...formsOf(dataKey), 'PLAINTEXT-4711', 'CONTEXT-VALUE-4711']) {
    expect(everything.includes(form)).toBe(false);
  }
  expect(everything).not.toMatch(/"d":/);
  // The check itself finds what it looks for.
  expect(
    formsOf(bytesOf('a secret of thirty-two bytes :-)')).some((form) =>
      base64(bytesOf('xa secret of thirty-two bytes :-)')).includes(form),
    ),
  ).toBe(true);
});

test('a data key is a handle that gives nothing out', async () => {
  const client = clientOf('alice@north');
  const { dataKey } = await client.generateDataKey({ key: await newKey(), keyContext });
  // In Node the platform seam may hold a handle of its own; there nothing is hidden from code that looks for it.
  if (typeof document === 'undefined') return expect(JSON.stringify(dataKey)).toBe('{}');
  const key = dataKey as unknown as CryptoKey;
  expect([key.extractable, key.algorithm.name, [...key.usages].sort()]).toEqual([
    false,
    'HKDF',
    ['deriveBits', 'deriveKey'],
  ]);
  for (const format of ['raw', 'jwk'] as const)
    expect(await rejection(crypto.subtle.exportKey(format, key))).toBeDefined();
});
