import { expect, test } from 'vitest';
import { deleteDpopKey, dpopKeyFromIndexedDB, proofKeyThumbprint } from '../../src/service.ts';
import { rejection } from '../support/data.ts';
import { clientOf, keyContext, newKey } from '../support/service-client.ts';

const hasIndexedDB = typeof globalThis.indexedDB === 'object';

test('a proof key is kept, cannot be exported, and works', async () => {
  if (!hasIndexedDB)
    return expect(String(await rejection(dpopKeyFromIndexedDB()))).toMatch(/^TypeError: dpopKeyFromIndexedDB/);
  const name = `account ${Math.random()}`;
  const both = await Promise.all([dpopKeyFromIndexedDB({ name }), dpopKeyFromIndexedDB({ name })]);
  const [first, second] = await Promise.all(both.map(proofKeyThumbprint));
  expect(second).toBe(first);
  const dpop = await dpopKeyFromIndexedDB({ name });
  expect([await proofKeyThumbprint(dpop), dpop.privateKey.extractable]).toEqual([first, false]);
  await clientOf('alice@north', { dpop }).generateDataKey({ key: await newKey(), keyContext });
  expect(await proofKeyThumbprint(await dpopKeyFromIndexedDB({ name: `${name} 2` }))).not.toBe(first);
  await deleteDpopKey({ name });
  const renewed = await dpopKeyFromIndexedDB({ name, algorithm: 'ES384' });
  expect((renewed.privateKey.algorithm as EcKeyAlgorithm).namedCurve).toBe('P-384');
});
