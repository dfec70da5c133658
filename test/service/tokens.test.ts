// What is no access token is told where it is read, and nothing of it stands in an error. RFC 6750 §2.1, RFC 9449 §7.1

import { describe, expect, test, vi } from 'vitest';
import {
  clientCredentialsToken,
  createKeyServiceClient,
  exchangedToken,
  type KeyServiceClientOptions,
  refreshingToken,
} from '../../src/service.ts';
import { errorTexts, rejection } from '../support/data.ts';
import { lyingKeyId, lyingService, lyingToken, lyingUrl } from '../support/lying-service.ts';

const secret = 'SECRETSIGNATURE';
const token = lyingToken.replace(/[^.]*$/, secret);

/** A client whose `fetch` takes headers as the platform's does. */
async function clientOf(options: Partial<KeyServiceClientOptions>) {
  const { fetch: inner, pin } = await lyingService();
  const fetch = vi.fn(async (url: string, init: RequestInit) => {
    new Headers(init.headers);
    return inner(url, init);
  });
  const client = createKeyServiceClient({ url: lyingUrl, pin, fetch, retry: { delay: 1 }, ...options });
  return { fetch, generate: () => client.generateDataKey({ key: lyingKeyId, keyContext: {} }) };
}

const ways: [string, (text: string) => Partial<KeyServiceClientOptions>][] = [
  ['token', (text) => ({ token: text })],
  ['a function as token', (text) => ({ token: () => text })],
  ['tokenSource', (text) => ({ tokenSource: async () => text })],
  ['refreshingToken', (text) => ({ tokenSource: refreshingToken(async () => text) })],
  ['exchangedToken', (text) => ({ tokenSource: exchangedToken({ subjectToken: text }) })],
];

describe.each(ways)('%s', (_what, options) => {
  test.each([
    ['another line', `${token}\nsecond`],
    ['a line end within', token.replace('.', '.\r\n')],
    ['a blank', `${token} second`],
    ['a NUL', `${token}\0`],
    ['a control character', `${token}\x01`],
    ['a quotation mark of a word processor', `${token}\u2019`],
    ['a letter of Latin-1', `${token}\u00e9`],
    ['a name in front', `DPoP ${token}`],
  ])('with %s is no token, is said at once, and is not repeated', async (_kind, text) => {
    const { fetch, generate } = await clientOf(options(text));
    const error = await rejection(generate());
    expect(error).toMatchObject({ name: 'KeyServiceError', code: 'ERR_TOKEN_UNAVAILABLE' });
    expect(error.message).toMatch(/a character that no token has/);
    expect(errorTexts(error)).not.toContain(secret);
    expect(fetch.mock.calls.filter(([url]) => !url.includes('.well-known'))).toEqual([]);
  });
});

test.each(ways.slice(0, 4))('%s: what a file puts around a token is no part of it', async (_what, options) => {
  const { fetch, generate } = await clientOf(options(`\ufeff${lyingToken} \r\n`));
  expect(await generate()).toMatchObject({ version: 1 });
  const sent = fetch.mock.calls.map(([, { headers }]) => new Headers(headers).get('Authorization'));
  expect(sent).toContain(`DPoP ${lyingToken}`);
});

test('a header that a source of tokens makes of what it was given is not quoted', async () => {
  const { generate } = await clientOf({
    tokenSource: async ({ callService }) => JSON.stringify(await callService('/v1/token', `text/${secret}\n;x`, '')),
  });
  const error = await rejection(generate());
  expect(error.code).toBe('ERR_TOKEN_UNAVAILABLE');
  expect(errorTexts(error)).toContain('Content-Type');
  expect(errorTexts(error)).not.toContain(secret);
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['no response', {}],
  ['a response without a body that can be read', { status: 200, headers: new Headers(), body: 'x' }],
])('a fetch that gives %s is told so', async (_what, given) => {
  const fetch = (async () => given) as () => Promise<Response>;
  const { generate } = await clientOf({ token: lyingToken, fetch, retry: { limit: 0 } });
  const error = await rejection(generate());
  expect(error).toMatchObject({ code: 'ERR_SERVICE_UNREACHABLE' });
  expect(error.message).toContain('what fetch resolves to must be a Response');
  const synchronous = (() => given) as never;
  const other = await clientOf({ token: lyingToken, fetch: synchronous, retry: { limit: 0 } });
  expect((await rejection(other.generate())).message).toBe(error.message);
});

test('a token endpoint with a password is refused, and the password not quoted', () => {
  const key = { jwk: { kty: 'EC', kid: 'x', alg: 'ES256' } };
  for (const user of [`user:${secret}`, secret]) {
    const options = { tokenEndpoint: `https://${user}@issuer.example/token`, clientId: 'c', key };
    const error = caught(() => clientCredentialsToken(options));
    expect(error).toBeInstanceOf(TypeError);
    expect(errorTexts(error)).toContain('tokenEndpoint');
    expect(errorTexts(error)).not.toContain(secret);
  }
});

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
