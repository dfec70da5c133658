import { beforeAll, describe, expect, test } from 'vitest';
import { developmentToken, generateProofKey, proofKeyThumbprint } from '../../src/service.ts';
import { codeOf, rejection } from '../support/data.ts';
import { clientOf, keyContext, newKey, recorder } from '../support/service-client.ts';

let keyId: string;
beforeAll(async () => {
  keyId = await newKey();
});

describe('tokens and proofs', () => {
  test('a token is asked for once, also by many calls at once', async () => {
    let asked = 0;
    const source = developmentToken('alice@north');
    const client = clientOf('alice@north', {
      tokenSource: (request) => {
        asked++;
        return source(request);
      },
    });
    await Promise.all([client.caller(), client.keyDocument(keyId), client.generateDataKey({ key: keyId, keyContext })]);
    expect(asked).toBe(1);
    expect(await client.caller()).toMatchObject({
      tenant: 'north',
      principal: expect.stringMatching(/\|alice@north$|alice/),
    });
    client.forgetToken();
    await client.caller();
    expect(asked).toBe(2);
  });

  test('a refused token is replaced once', async () => {
    const source = developmentToken('alice@north');
    const refused: unknown[] = [];
    const { onEvent, calls } = recorder();
    let later = 0;
    const client = clientOf('alice@north', {
      onEvent,
      now: () => Date.now() + later,
      tokenSource: async (request) => {
        refused.push(request.refused);
        const token = await source(request);
        return request.refused === undefined ? token.replace(/.{6}$/, 'AAAAAA') : token;
      },
    });
    await client.generateDataKey({ key: keyId, keyContext });
    expect(refused.map((token) => typeof token)).toEqual(['undefined', 'string']);
    expect(calls('generate')).toBe(1);
    // The one after it is asked for because of its age.
    later = 890_000;
    await client.caller();
    expect(refused.slice(2)).toEqual([undefined]);
  });

  test('a token that stays wrong ends the call', async () => {
    const source = developmentToken('alice@north');
    const client = clientOf('x', {
      tokenSource: async (request) => (await source(request)).replace(/.{6}$/, 'AAAAAA'),
    });
    const error = await rejection(client.generateDataKey({ key: keyId, keyContext }));
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', check: 'token-signature', status: 401 });
  });

  test('a token of another proof key is of no use', async () => {
    let stolen = '';
    const source = developmentToken('alice@north');
    await clientOf('x', {
      tokenSource: async (request) => {
        stolen = await source(request);
        return stolen;
      },
    }).caller();
    const thief = clientOf('x', { token: stolen });
    const error = await rejection(thief.generateDataKey({ key: keyId, keyContext }));
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', check: 'token-binding' });
  });

  test('an expired token is told as such', async () => {
    const dpop = await generateProofKey();
    let token = '';
    const source = developmentToken('alice@north');
    await clientOf('x', {
      dpop,
      tokenSource: async (request) => {
        token = await source(request);
        return token;
      },
    }).caller();
    const [head, , signature] = token.split('.');
    const claims = JSON.parse(atob((token.split('.')[1] as string).replaceAll('-', '+').replaceAll('_', '/')));
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(900);
    expect(claims.cnf.jkt).toBe(await proofKeyThumbprint(dpop));
    const body = btoa(JSON.stringify({ ...claims, exp: 1_000 }))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '');
    // The signature is wrong too; which of both is told is the service's choice, and either is a token that is not taken.
    const code = await codeOf(
      clientOf('x', { dpop, token: `${head}.${body}.${signature}` }).request({ method: 'GET', path: '/v1/caller' }),
    );
    expect(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_REFUSED']).toContain(code);
  });

  test('ES384 proofs, and a function for tokens', async () => {
    const dpop = await generateProofKey('ES384');
    expect(dpop.privateKey.extractable).toBe(false);
    let token = '';
    const source = developmentToken('alice@north');
    await clientOf('x', { dpop, tokenSource: async (request) => (token = await source(request)) }).caller();
    const client = clientOf('x', { dpop, token: async () => token });
    expect(await client.request({ method: 'GET', path: '/v1/caller' })).toMatchObject({ tenant: 'north' });
  });

  test('a source that fails is named, with its cause', async () => {
    const cause = new Error('signed out');
    const client = clientOf('x', { tokenSource: () => Promise.reject(cause) });
    const error = await rejection(client.generateDataKey({ key: keyId, keyContext }));
    expect(error).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', cause });
    expect(await codeOf(clientOf('x', { token: 'no token' }).caller())).toBe('ERR_TOKEN_UNAVAILABLE');
  });

  test('§3.6 a clock that is off by half an hour is corrected; a stale nonce costs one more attempt', async () => {
    const { events, onEvent } = recorder();
    const client = clientOf('alice@north', { now: () => Date.now() + 1_800_000, onEvent });
    await client.generateDataKey({ key: keyId, keyContext });
    expect(events.filter(({ type }) => type === 'service-retry')).toEqual([]);
  });
});
