import { beforeAll, describe, expect, test } from 'vitest';
import { isBullaError } from '../../src/index.ts';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../src/service.ts';
import { rejection } from '../support/data.ts';
import { clientOf, keyContext, newKey, pin, recorder, url } from '../support/service-client.ts';

let keyId: string;
beforeAll(async () => {
  keyId = await newKey();
});

describe('options', () => {
  const make = (options: object) => () => createKeyServiceClient({ url, pin, token: 'x', ...options } as never);

  test('wrong ones are named', () => {
    expect(make({})).not.toThrow();
    expect(make({ pin: undefined })).toThrow(/^pin must be/);
    expect(make({ pin: 'short' })).toThrow(/^pin must be/);
    expect(make({ pin: undefined, unsafeUnpinned: true })).not.toThrow();
    expect(make({ url: 'https://keys.example', pin: undefined, unsafeUnpinned: true })).toThrow(
      /^unsafeUnpinned must be/,
    );
    for (const wrong of ['http://keys.example', 'http://127.0.0.1.example', 'ftp://localhost', 'keys.example', '', 7]) {
      expect(make({ url: wrong })).toThrow(/^url must be/);
    }
    for (const right of ['http://localhost:1', 'http://[::1]:1', 'http://127.9.9.9', 'https://keys.example/base']) {
      expect(make({ url: right })).not.toThrow();
    }
    expect(make({ url: 'https://user@keys.example' })).toThrow(/^url must be without user/);
    expect(make({ token: undefined })).toThrow(/^token or tokenSource/);
    expect(make({ tokenSource: developmentToken('x') })).toThrow(/^token or tokenSource/);
    expect(make({ timeout: 0 })).toThrow(/^timeout must be/);
    expect(make({ retry: { limit: 99 } })).toThrow(/^retry.limit must be/);
    expect(make({ retry: { times: 9 } })).toThrow(/unknown option "times"/);
    expect(make({ pinned: pin })).toThrow(/unknown option "pinned"/);
  });

  test('a proof key that could be exported is refused', async () => {
    const generated = crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const error = await rejection(
      clientOf('alice@north', { dpop: (await generated) as CryptoKeyPair }).proofKeyThumbprint(),
    );
    expect(String(error)).toMatch(/not extractable/);
  });

  test('without a pin a loopback service is believed once', async () => {
    const client = clientOf('alice@north', { pin: undefined, unsafeUnpinned: true });
    expect((await client.connect()).serviceId).toBe('bulla-dev');
  });

  test('an abort ends the wait, and nothing else', async () => {
    const client = clientOf('alice@north');
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = client.generateDataKey({ key: keyId, keyContext }, { signal: controller.signal });
    const other = client.generateDataKey({ key: keyId, keyContext });
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    expect((await other).keyId).toBe(keyId);
    expect(isBullaError(await rejection(client.connect({ signal: AbortSignal.abort() })))).toBe(false);
  });
});

describe('arguments that are the mistakes of their caller', () => {
  const post = { method: 'POST', path: '/v1/keys', body: {} } as const;
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  test.each<[string, object]>([
    ['body', { method: 'GET', path: '/v1/keys', body: {} }],
    ['body', { ...post, body: cyclic }],
    ['ifMatch', { ...post, ifMatch: 'a\r\nb' }],
    ['ifMatch', { ...post, ifMatch: 'ä' }],
    ['ifMatch', { ...post, ifMatch: '' }],
    ['idempotencyKey', { ...post, idempotencyKey: 'import 7' }],
    ['idempotencyKey', { ...post, idempotencyKey: 'ä' }],
    ['idempotencyKey', { ...post, idempotencyKey: 'a'.repeat(65) }],
    ['idempotencyKey', { ...post, idempotencyKey: '' }],
    ...['/v1/./keys', '/v1/../keys', '/v1/keys/..', '/v1/keys/.?limit=1', '/v1//keys', '/v1/', '/v1/keys/', 'v1'].map(
      (path): [string, object] => ['path', { method: 'GET', path }],
    ),
  ])('%s: nothing is sent for %o', async (name, request) => {
    const { events, onEvent } = recorder();
    const error = await rejection(clientOf('admin@north', { onEvent }).request(request as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(new RegExp(`^${name}`));
    expect(events).toEqual([]);
  });

  test('of the control plane', async () => {
    const { events, onEvent } = recorder();
    const keys = keyManagement(clientOf('admin@north', { onEvent }));
    const calls: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
      [/^name must be/, () => keys.setAlias('', keyId)],
      [/^key must be/, () => keys.setAlias('orders', '')],
      [/^name must be/, () => keys.deleteAlias('')],
      [/^path must be/, () => keys.describe('')],
      [/^path must be/, () => keys.describe('..')],
      [/^deletion must be/, () => keys.approveDeletion(keyId, undefined as never)],
      [/^deletion.days must be/, () => keys.approveDeletion(keyId, { version: null } as never)],
      [/^idempotencyKey must be/, () => keys.create({ idempotencyKey: 'a b' })],
    ];
    for (const [message, call] of calls) {
      const error = await rejection(call());
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(message);
    }
    expect(events).toEqual([]);
  });

  test('a proof key that could not be made is the failure of the calls that need it, not of the process', async () => {
    const unhandled: unknown[] = [];
    const listener = (event: { reason?: unknown }) => unhandled.push(event.reason ?? event);
    const target = globalThis as unknown as EventTarget & { process?: NodeJS.Process };
    if (target.process?.on) target.process.on('unhandledRejection', listener);
    else target.addEventListener('unhandledrejection', listener as never);
    const locked = new Error('the key store is locked');
    const client = clientOf('alice@north', { dpop: Promise.reject(locked) });
    // Rejections that nobody handles are reported with the end of a task.
    await new Promise((resolve) => setTimeout(resolve));
    await new Promise((resolve) => setTimeout(resolve));
    expect(await rejection(client.proofKeyThumbprint())).toBe(locked);
    expect(unhandled).toEqual([]);
    if (target.process?.off) target.process.off('unhandledRejection', listener);
    else target.removeEventListener('unhandledrejection', listener as never);
  });
});
