// The keyring of AWS KMS, through the official SDK, over a fake on loopback.

import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { decrypt, encrypt, inspect, rewrap } from '../../../src/index.ts';
import { type AwsKmsKeyringOptions, awsKmsKeyring } from '../../../src/keyrings/aws-kms.ts';
import type { Keyring, WrappedKey } from '../../../src/keyrings/custom.ts';
import type { Bytes } from '../../../src/types.ts';
import { codeOf, fastKeyring, pattern, rejection } from '../../support/data.ts';
import { type FakeAwsKms, startFakeAwsKms } from '../../support/fake-aws-kms.ts';
import { conformance } from '../../support/providers.ts';

conformance('aws-kms', startFakeAwsKms);

const text = async (message: Bytes, keyring: Keyring) =>
  new TextDecoder().decode((await decrypt(message, { keyring })).plaintext);

describe('the keyring of AWS KMS', () => {
  let fake: FakeAwsKms;
  const keyring = (more: Partial<AwsKmsKeyringOptions> = {}) => awsKmsKeyring(fake.options(more));
  const wrapped = async (by: Keyring): Promise<WrappedKey> => (await by.wrapDataKey(pattern(32, 4)))[0] as WrappedKey;
  const inputs = () => fake.http.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  beforeAll(async () => {
    fake = await startFakeAwsKms();
  });
  afterEach(() => {
    expect(fake.http.complaints).toEqual([]);
    fake.reset();
  });
  afterAll(() => fake.close());

  test('§8.9b §8.11a always names its key, and binds key context and digest', async () => {
    const own = await keyring({ keyContext: { tenant: 'north', purpose: 'Zoë' } });
    const message = await encrypt('x', { keyring: own });
    await text(message, own);
    const [first, second] = inputs().slice(-2);
    expect([first?.['KeyId'], second?.['KeyId']]).toEqual([fake.arn(fake.ids.one), fake.arn(fake.ids.one)]);
    expect(first?.['EncryptionContext']).toEqual({
      ...{ tenant: 'north', purpose: 'Zoë' },
      'bulla:binding': expect.stringMatching(/^[\w-]{64}$/),
    });
    expect(second?.['EncryptionContext']).toEqual(first?.['EncryptionContext']);
    expect(inspect(message).wrappedKeys[0]?.keyId).toBe(`aws-kms:${fake.arn(fake.ids.one)}`);
  });

  test('a blob that names a key of somebody else is decrypted with the configured one, and so not', async () => {
    const own = await keyring({ name: 'orders' });
    const theirs = await keyring({ name: 'orders', keyId: fake.arn(fake.ids.two) });
    const key = await wrapped(theirs);
    expect(await codeOf(own.unwrapDataKey([key]))).toBe('ERR_DECRYPTION_FAILED');
    expect(inputs().at(-1)?.['KeyId']).toBe(fake.arn(fake.ids.one));
  });

  test('§8.12 what is too long for KMS costs no call', async () => {
    const own = await keyring();
    const key = await wrapped(own);
    fake.reset();
    for (const [length, calls] of [
      [6_145, 0],
      [6_144, 1],
    ] as const) {
      const long = { ...key, wrapping: { method: 'kms', opaque: new Uint8Array(length) } } as WrappedKey;
      expect(await codeOf(own.unwrapDataKey([long]))).toBe('ERR_DECRYPTION_FAILED');
      expect(fake.calls.decrypt).toBe(calls);
    }
  });

  test.each<[string, (fake: FakeAwsKms) => string]>([
    ['id', ({ ids }) => ids.one],
    ['ARN', ({ arn, ids }) => arn(ids.one)],
    ['alias', () => 'alias/orders'],
    ['ARN of an alias', ({ arn, ids }) => arn(ids.one).replace(/key\/.*/, 'alias/orders')],
  ])('a key by its %s', async (_, reference) => {
    const own = await keyring({ keyId: reference(fake) });
    const message = await encrypt('x', { keyring: own });
    expect(await text(message, own)).toBe('x');
    expect(inspect(message).wrappedKeys[0]?.keyId).toBe(`aws-kms:${reference(fake)}`);
  });

  test('an answer of another key than the configured one is none', async () => {
    const [byArn, byId] = [await keyring(), await keyring({ keyId: fake.ids.one })];
    const [first, second] = [await wrapped(byArn), await wrapped(byId)];
    for (const arn of [fake.arn(fake.ids.two), fake.arn(fake.ids.one, 'us-east-1'), '']) {
      fake.claim(arn);
      expect(await codeOf(byArn.unwrapDataKey([first])), arn).toBe('ERR_SERVICE_ANSWER');
      expect(await codeOf(byArn.generateDataKey()), arn).toBe('ERR_SERVICE_ANSWER');
    }
    fake.claim(fake.arn(fake.ids.two));
    expect(await codeOf(byId.unwrapDataKey([second]))).toBe('ERR_SERVICE_ANSWER');
  });

  test('an alias that moves wraps under the new key; the old one is configured to decrypt with', async () => {
    const before = await encrypt('before', { keyring: await keyring({ keyId: 'alias/orders' }) });
    const byId = await encrypt('by id', { keyring: await keyring({ keyId: fake.ids.one }) });
    fake.aliases.set('eu-central-1 alias/orders', fake.ids.two);
    const moved = await keyring({ keyId: 'alias/orders' });
    const after = await encrypt('after', { keyring: moved });
    expect(await codeOf(text(before, moved))).toBe('ERR_DECRYPTION_FAILED');
    const both = await keyring({ keyId: 'alias/orders', decryptKeyIds: [fake.ids.one] });
    expect(await Promise.all([before, byId, after].map((each) => text(each, both)))).toEqual([
      'before',
      'by id',
      'after',
    ]);
    fake.aliases.set('eu-central-1 alias/orders', fake.ids.one);
  });

  test('states of keys', async () => {
    const own = await keyring();
    const key = await wrapped(own);
    const codes = {
      Disabled: 'ERR_KEY_DISABLED',
      PendingDeletion: 'ERR_KEY_PENDING_DELETION',
      PendingImport: 'ERR_KEY_DISABLED',
    };
    for (const [state, code] of Object.entries(codes)) {
      fake.key(fake.ids.one).state = state as 'Disabled';
      expect(await rejection(own.unwrapDataKey([key]))).toMatchObject({
        code,
        status: 400,
        requestId: 'a-request-of-the-fake',
      });
      expect(await codeOf(own.generateDataKey())).toBe(code);
    }
    fake.key(fake.ids.one).state = 'Enabled';
    expect(await own.unwrapDataKey([key])).not.toBeNull();
  });

  test('several regions: where the first one is down the next one answers, with the same multi-Region key', async () => {
    // The SDK takes an endpoint for all regions from the environment; a request tells its region by its signature.
    vi.stubEnv('AWS_ENDPOINT_URL_KMS', fake.http.url);
    try {
      const regions = ['eu-central-1', 'us-east-1'];
      for (const keyId of [fake.ids.everywhere, fake.arn(fake.ids.everywhere)]) {
        const own = await keyring({ keyId, regions, endpoint: undefined, retry: { limit: 0 } });
        const message = await encrypt('x', { keyring: own });
        const count = fake.http.requests.length;
        fake.begin('unavailable', 1);
        expect(await text(message, own)).toBe('x');
        const asked = fake.http.requests
          .slice(count)
          .map(({ headers, body }) => [
            /\/([\w-]+)\/kms\//.exec(headers['authorization'] ?? '')?.[1],
            (JSON.parse(body) as { KeyId: string }).KeyId,
          ]);
        const nameIn = (region: string) => (keyId.startsWith('arn:') ? fake.arn(fake.ids.everywhere, region) : keyId);
        expect(asked).toEqual(regions.map((region) => [region, nameIn(region)]));
        // Who may not here may not there: that is no reason to go on.
        fake.begin('denied', 1);
        expect(await codeOf(text(message, own))).toBe('ERR_NOT_ALLOWED');
        fake.reset();
      }
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('a clock that is wrong by an hour is set by that of AWS', async () => {
    fake.skew(3_600_000);
    const own = await keyring({ retry: { limit: 0 } });
    expect(await own.unwrapDataKey([await wrapped(own)])).not.toBeNull();
    expect(fake.calls).toEqual({ encrypt: 2, decrypt: 1 });
  });

  test('credentials from a function; none; and one that fails', async () => {
    const { credentials } = fake.options();
    let asked = 0;
    const own = await keyring({
      credentials: async () => {
        asked++;
        return credentials as { accessKeyId: string; secretAccessKey: string };
      },
    });
    await wrapped(own);
    expect(asked).toBeGreaterThan(0);
    const failing = await keyring({ credentials: () => Promise.reject(new Error('no network')) });
    const error = await rejection(failing.generateDataKey());
    expect(error).toMatchObject({
      code: 'ERR_TOKEN_UNAVAILABLE',
      message: expect.stringMatching(/no credentials: their source failed/),
    });
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_PROFILE', 'one-that-is-not-there');
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
    try {
      const none = await keyring({ credentials: undefined });
      expect(await codeOf(none.generateDataKey())).toBe('ERR_TOKEN_UNAVAILABLE');
    } finally {
      vi.unstubAllEnvs();
    }
    expect(
      await codeOf(
        (await keyring({ credentials: { accessKeyId: 'AKIAOTHER', secretAccessKey: 'x' } })).generateDataKey(),
      ),
    ).toBe('ERR_SERVICE_REQUEST');
    expect(fake.http.complaints.splice(0)).toHaveLength(1);
  });

  test.each<[string, object, RegExp]>([
    ['keyId that is none', { keyId: 'orders' }, /keyId must be the id or the ARN of a key/],
    ['keyId with more behind it', { keyId: 'alias/orders\n' }, /keyId must be the id or the ARN/],
    [
      'keyId of another service',
      { keyId: 'arn:aws:s3:eu-central-1:111122223333:key/x' },
      /keyId must be the id or the ARN/,
    ],
    [
      'ARN of another region',
      { keyId: 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab' },
      /keyId must be in one of the regions/,
    ],
    ['no region', { regions: [] }, /regions must be an array of at least 1/],
    ['region that is a host', { regions: ['evil.example/'] }, /regions\[0\] must be a region/],
    ['region twice', { regions: ['eu-west-1', 'eu-west-1'] }, /regions must be different/],
    [
      'nine regions',
      { keyId: 'alias/a', endpoint: undefined, regions: [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `eu-west-${n}`) },
      /regions must be at most 8/,
    ],
    [
      'one region of a key in several',
      { endpoint: undefined, regions: ['eu-central-1', 'eu-west-1'] },
      /keyId must be a multi-Region key/,
    ],
    ['further key', { decryptKeyIds: ['x'] }, /decryptKeyIds\[0\] must be/],
    ['nine further keys', { decryptKeyIds: Array(9).fill('alias/a') }, /decryptKeyIds must be an array of at most 8/],
    [
      'endpoint for several regions',
      { keyId: 'alias/a', regions: ['eu-west-1', 'eu-west-2'] },
      /endpoint must be given with one region only/,
    ],
    ['endpoint without TLS', { endpoint: 'http://kms.example' }, /endpoint must be https:/],
    ['endpoint with a password', { endpoint: 'https://a:b@kms.example' }, /endpoint must be without user/],
    ['credentials', { credentials: { accessKeyId: 'x' } }, /credentials.secretAccessKey/],
    ['key context', { keyContext: { 'aws:x': 'y' } }, /keyContext must be without names that begin with "aws:"/],
    ['long name', { name: 'n'.repeat(249) }, /must be of 1 to 256 bytes/],
    ['unknown option', { region: 'eu-west-1' }, /unknown option "region"/],
  ])('refuses %s', async (_, more, message) => {
    const error = await rejection(awsKmsKeyring({ ...fake.options(), ...more } as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });

  test('without the SDK it says what to install', async () => {
    vi.doMock('@aws-sdk/client-kms', () => {
      throw new Error('Cannot find package');
    });
    try {
      const error = await rejection(keyring());
      expect(error).toMatchObject({
        code: 'ERR_KEYRING_CANNOT',
        message: expect.stringMatching(/needs the package @aws-sdk\/client-kms/),
      });
    } finally {
      vi.doUnmock('@aws-sdk/client-kms');
    }
  });

  test('re-wrapped to a local key and back, without touching the payload', async () => {
    const own = await keyring();
    const message = await encrypt('x', { keyring: own });
    const there = await rewrap(message, { from: own, to: fastKeyring() });
    const back = await rewrap(there, { from: fastKeyring(), to: own });
    for (const each of [there, back]) expect(each.slice(-17)).toEqual(message.slice(-17));
    expect([await text(there, fastKeyring()), await text(back, own)]).toEqual(['x', 'x']);
  });
});

test('the SDK is loaded when a keyring is made, and not before', () => {
  for (const file of ['aws-kms', 'aws-calls', 'aws-credentials', 'aws-references']) {
    const source = readFileSync(new URL(`../../../src/keyrings/${file}.ts`, import.meta.url), 'utf8');
    expect(source).not.toMatch(/^import (?!type).*@aws-sdk/m);
  }
});

test('what the entry declares can be compiled where the SDK is not installed', () => {
  const read = (file: string) => readFileSync(new URL(`../../../src/keyrings/${file}.ts`, import.meta.url), 'utf8');
  const entry = read('aws-kms');
  const declaring = [...entry.matchAll(/^export type .* from '\.\/(.*)\.ts';$/gm)].map(([, file]) => file as string);
  expect(declaring).toEqual(['aws-credentials']);
  for (const file of declaring) expect(read(file)).not.toMatch(/import.*@aws-sdk/);
  const exported = entry.match(/^export (?:interface|async function)[\s\S]*?\{$/gm)?.join('\n') ?? '';
  expect(exported).toContain('awsKmsKeyring');
  expect(exported).not.toContain('AwsSdk');
});
