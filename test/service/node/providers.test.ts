// Keys at providers beside keys of the key service: together in one message, and re-wrapped from one to the other.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { decrypt, encrypt, inspect, rewrap } from '../../../src/index.ts';
import { anyOf } from '../../../src/keyrings/any-of.ts';
import type { Keyring } from '../../../src/keyrings/custom.ts';
import { serviceKeyring } from '../../../src/keyrings/service.ts';
import type { Bytes } from '../../../src/types.ts';
import { codeOf } from '../../support/data.ts';
import { startFakeAwsKms } from '../../support/fake-aws-kms.ts';
import { startFakeTransit } from '../../support/fake-transit.ts';
import type { FakeProvider } from '../../support/providers.ts';
import { clientOf, keyContext, newKey } from '../../support/service-client.ts';

const context = { order: '4711' };
const payload = 'attack at dawn';
const text = async (message: Bytes, keyring: Keyring) =>
  new TextDecoder().decode((await decrypt(message, { keyring, context })).plaintext);
/** Segment and tag. */
const bodyOf = (message: Bytes) => message.slice(-(payload.length + 16));
const methodsOf = (message: Bytes) => inspect(message).wrappedKeys.map(({ method }) => method);

let fakes: readonly FakeProvider[];
let keyrings: { readonly aws: Keyring; readonly transit: Keyring; readonly service: Keyring };

beforeAll(async () => {
  const [awsFake, transitFake] = await Promise.all([startFakeAwsKms(), startFakeTransit()]);
  fakes = [awsFake, transitFake];
  keyrings = {
    aws: await awsFake.keyring({ keyContext }),
    transit: await transitFake.keyring({ keyContext }),
    service: serviceKeyring({ client: clientOf('alice@north'), keyId: await newKey(), keyContext }),
  };
});
afterAll(() => Promise.all(fakes.map((fake) => fake.close())));

test('one message by all three: each opens alone, and any of them while the others are down', async () => {
  const { aws, transit, service } = keyrings;
  const message = await encrypt(payload, { keyring: anyOf(aws, transit, service), context });
  expect(methodsOf(message)).toEqual(['kms', 'kms', 'service']);
  for (const each of [aws, transit, service]) expect(await text(message, each)).toBe(payload);
  for (const fake of fakes) fake.begin('denied');
  expect(await text(message, anyOf(aws, transit, service))).toBe(payload);
  expect(await codeOf(text(message, anyOf(aws, transit)))).toBe('ERR_NOT_ALLOWED');
  for (const fake of fakes) fake.reset();
});

test('re-wrapped from each to each, without touching the payload', async () => {
  for (const [fromName, from] of Object.entries(keyrings)) {
    const message = await encrypt(payload, { keyring: from, context });
    for (const [toName, to] of Object.entries(keyrings).filter(([name]) => name !== fromName)) {
      const moved = await rewrap(message, { from, to, context });
      expect(bodyOf(moved), `${fromName} to ${toName}`).toEqual(bodyOf(message));
      expect(await text(moved, to), `${fromName} to ${toName}`).toBe(payload);
      expect(await codeOf(text(moved, from)), `${fromName} to ${toName}`).toBe('ERR_NO_MATCHING_KEY');
      // docs/format.md 7.7b: the data key of a message goes to another key only where its context is known.
      expect(await codeOf(rewrap(message, { from, to })), `${fromName} to ${toName}`).toBe('ERR_CONTEXT_MISMATCH');
    }
  }
});

test('a message of both worlds is moved to the key service alone', async () => {
  const { aws, service } = keyrings;
  const both = anyOf(aws, service);
  const message = await encrypt(payload, { keyring: aws, context });
  const added = await rewrap(message, { from: aws, to: service, context, keep: true });
  expect(methodsOf(added)).toEqual(['kms', 'service']);
  const alone = await rewrap(added, { from: service, to: service, context, drop: ({ method }) => method === 'kms' });
  expect(methodsOf(alone)).toEqual(['service']);
  expect([await text(alone, both), await text(alone, service)]).toEqual([payload, payload]);
  expect(bodyOf(alone)).toEqual(bodyOf(message));
});
