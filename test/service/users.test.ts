// One client whose user changes: nothing of the one before reaches the next.

import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, encrypt, inspect } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { developmentToken, keyManagement, type TokenSource } from '../../src/service.ts';
import { codeOf } from '../support/data.ts';
import { clientOf, keyContext, newKey } from '../support/service-client.ts';

/** A client that acts for the user that `state.user` names when it is asked for a token. */
function changing(user: string) {
  const state: { user: string; gate: Promise<void> | undefined } = { user, gate: undefined };
  const tokenSource: TokenSource = async (request) => {
    const source = developmentToken(state.user);
    await state.gate;
    return source(request);
  };
  const client = clientOf('x', { tokenSource });
  const signIn = (next: string) => {
    client.forgetToken();
    state.user = next;
  };
  return { state, client, signIn };
}

function gate() {
  let open: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { closed, open };
}

describe('forgetToken', () => {
  test('a token that was on its way is not the next user’s', async () => {
    const { state, client, signIn } = changing('alice@north');
    const { closed, open } = gate();
    state.gate = closed;
    await client.connect();
    const first = client.caller();
    // Her source is asked, and slow.
    await new Promise((resolve) => setTimeout(resolve, 50));
    state.gate = undefined;
    signIn('bob@south');
    expect(await client.caller()).toMatchObject({ tenant: 'south' });
    open();
    expect(await first).toMatchObject({ tenant: 'north' });
    expect(await client.caller()).toMatchObject({ tenant: 'south' });
  });

  test('an alias is the next user’s own, also offline', async () => {
    const alias = `users-${Math.random().toString(36).slice(2)}`;
    const ids = new Map<string, string>();
    for (const tenant of ['north', 'south']) {
      ids.set(tenant, (await keyManagement(clientOf(`admin@${tenant}`)).create({ alias })).key_id);
    }
    const { client, signIn } = changing('alice@north');
    const keyring = serviceKeyring({ client, keyId: `alias:${alias}`, mode: 'offline' });
    const keyIdOf = async () => inspect(await encrypt('x', { keyring })).wrappedKeys[0]?.keyId;
    expect(await keyIdOf()).toBe(ids.get('north'));
    signIn('bob@south');
    expect(await keyIdOf()).toBe(ids.get('south'));
  });

  test('a document that was on its way is not kept for the next user', async () => {
    const alias = `users-${Math.random().toString(36).slice(2)}`;
    for (const tenant of ['north', 'south']) await keyManagement(clientOf(`admin@${tenant}`)).create({ alias });
    const { client, signIn } = changing('alice@north');
    await client.caller();
    const first = client.keyDocument(`alias:${alias}`);
    // Sent with her token, by now.
    await new Promise((resolve) => setTimeout(resolve));
    signIn('bob@south');
    await first.catch(() => undefined);
    expect((await client.keyDocument(`alias:${alias}`)).tenant).toBe('south');
  });
});

describe('a cache', () => {
  test('keeps no data key that was asked for with another user’s token', async () => {
    const keyId = await newKey();
    const { client, signIn } = changing('recoverer@north');
    const alice = clientOf('alice@north');
    const message = await encrypt('x', { keyring: serviceKeyring({ client: alice, keyId, keyContext }) });
    const inner = serviceKeyring({ client, keyId, keyContext });
    const keyring = cachingKeyring(inner, { pollInterval: 0 });
    const unwrap = inner.unwrapDataKey;
    const generate = inner.generateDataKey;
    // Who may not unwrap asks, and Alice signs in before the request is sent.
    Object.assign(inner, {
      unwrapDataKey: (...args: Parameters<typeof unwrap>) => {
        signIn('alice@north');
        return unwrap(...args);
      },
      generateDataKey: (...args: Parameters<typeof generate>) => {
        signIn('alice@north');
        return generate(...args);
      },
    });
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_TOKEN_UNAVAILABLE');
    signIn('recoverer@north');
    expect(await codeOf(encrypt('y', { keyring }))).toBe('ERR_TOKEN_UNAVAILABLE');
    expect(keyring.cache.size).toBe(0);
    Object.assign(inner, { unwrapDataKey: unwrap, generateDataKey: generate });
    signIn('recoverer@north');
    expect(await codeOf(decrypt(message, { keyring }))).toMatch(/ERR_NOT_ALLOWED/);
    expect(await codeOf(encrypt('y', { keyring }))).toBe('ERR_NOT_ALLOWED');
  });
});
