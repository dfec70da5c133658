// Sources of tokens and proof keys may take as long as a sign-in does, and not for ever.

import { describe, expect, test, vi } from 'vitest';
import { createKeyServiceClient, generateProofKey, type KeyServiceClientOptions } from '../../src/service.ts';
import { rejection } from '../support/data.ts';
import { lyingKeyId, lyingService, lyingToken, lyingUrl } from '../support/lying-service.ts';

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const never = new Promise<never>(() => undefined);

async function clientOf(options: Partial<KeyServiceClientOptions>) {
  const { fetch, pin } = await lyingService();
  const client = createKeyServiceClient({ url: lyingUrl, pin, fetch, retry: { delay: 1 }, ...options });
  const generate = (signal?: AbortSignal) =>
    client.generateDataKey({ key: lyingKeyId, keyContext: {} }, signal === undefined ? {} : { signal });
  return { client, generate };
}

describe('a source that takes longer than an attempt may', () => {
  test.each<[string, (ask: () => Promise<string>) => Partial<KeyServiceClientOptions>]>([
    ['tokenSource', (ask) => ({ tokenSource: ask })],
    ['token', (ask) => ({ token: ask })],
  ])('%s is asked once, and waited for', async (_what, options) => {
    let asked = 0;
    const { generate } = await clientOf({
      timeout: 200,
      ...options(async () => {
        asked++;
        await sleep(500);
        return lyingToken;
      }),
    });
    expect(await generate()).toMatchObject({ version: 1 });
    expect(asked).toBe(1);
  });
});

describe('a source that never answers', () => {
  test.each<[string, Partial<KeyServiceClientOptions>]>([
    ['tokenSource', { tokenSource: () => never }],
    ['token', { token: () => never }],
    ['dpop', { token: lyingToken, dpop: never }],
  ])('%s: the wait ends', async (_what, options) => {
    const { client, generate } = await clientOf({ tokenTimeout: 100, ...options });
    expect(await rejection(generate())).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE' });
    expect(await rejection(client.caller())).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE' });
  });

  test('an abort ends it at once, and the source is told when nobody waits any more', async () => {
    let told: AbortSignal | undefined;
    const { generate } = await clientOf({
      tokenSource: ({ signal }) => {
        told = signal;
        return never;
      },
    });
    const [one, two] = [new AbortController(), new AbortController()];
    const waits = [one, two].map(({ signal }) => rejection(generate(signal)));
    await vi.waitUntil(() => told !== undefined);
    one.abort('enough');
    expect(await waits[0]).toBe('enough');
    expect(told?.aborted).toBe(false);
    two.abort('enough too');
    expect(await waits[1]).toBe('enough too');
    await vi.waitUntil(() => told?.aborted);
  });

  test('a source is asked again after one that failed', async () => {
    let asked = 0;
    const tokenSource = async () => (++asked === 1 ? never : lyingToken);
    const { generate } = await clientOf({ tokenSource, tokenTimeout: 100 });
    await rejection(generate());
    expect(await generate()).toMatchObject({ version: 1 });
  });
});

describe('a token that has expired', () => {
  const expired = (exp: number) =>
    `${lyingToken.split('.')[0]}.${btoa(JSON.stringify({ iss: 'i', sub: 's', tenant: 'north', exp })).replaceAll('=', '')}.x`;

  test.each<[string, Partial<KeyServiceClientOptions>]>([
    ['given', { token: expired(1) }],
    ['of a source', { tokenSource: async () => expired(1) }],
  ])('%s is not sent, and no cache serves it', async (_what, options) => {
    const { client, generate } = await clientOf(options);
    expect(await rejection(generate())).toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
    expect(await rejection(client.caller())).toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
  });

  test('only by the clock of this device: a Date alone, which nobody signed, does not end a token', async () => {
    const { fetch: inner, pin } = await lyingService();
    const fetch = async (url: string, init: RequestInit) => {
      const response = await inner(url, init);
      response.headers.set('Date', new Date(Date.now() + 3_000_000).toUTCString());
      return response;
    };
    const token = expired(Math.floor(Date.now() / 1_000) + 600);
    const client = createKeyServiceClient({ url: lyingUrl, pin, fetch, token });
    for (let i = 0; i < 2; i++) await client.generateDataKey({ key: lyingKeyId, keyContext: {} });
  });
});

describe('whose token it is', () => {
  test('a credential is that of one token and one key, whatever the claims say', async () => {
    const [dpop, other] = [await generateProofKey(), await generateProofKey()];
    const credentialOf = async (options: Partial<KeyServiceClientOptions>) =>
      (await (await clientOf(options)).client.caller()).credential;
    const first = await credentialOf({ token: lyingToken, dpop });
    expect(await credentialOf({ token: lyingToken, dpop })).toBe(first);
    expect(await credentialOf({ token: `${lyingToken}forged`, dpop })).not.toBe(first);
    expect(await credentialOf({ token: lyingToken, dpop: other })).not.toBe(first);
    expect(first).not.toContain(lyingToken);
  });
});
