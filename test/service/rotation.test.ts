import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, detach, encrypt, inspect, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { keyManagement } from '../../src/service.ts';
import { codeOf, rejection } from '../support/data.ts';
import { withKeysOf } from '../support/envelopes.ts';
import { clientOf, keyContext, newKey, recorder, textOf } from '../support/service-client.ts';

describe('rotation', () => {
  test('rewrap goes through the service: the data key stays there', async () => {
    const id = await newKey();
    const { onEvent, calls } = recorder();
    const keyring = serviceKeyring({ client: clientOf('alice@north', { onEvent }), keyId: id, keyContext });
    const online = await encrypt('x', { keyring, context: { a: '1' } });
    const offline = await encrypt('y', {
      keyring: serviceKeyring({ client: clientOf('alice@north'), keyId: id, keyContext, mode: 'offline' }),
    });
    await keyManagement(clientOf('admin@north')).rotate(id, 1);
    const renewed = await rewrap(online, { from: keyring, to: keyring });
    expect([calls('/rewrap'), calls('/unwrap'), calls('/wrap')]).toEqual([1, 0, 0]);
    expect(inspect(renewed).wrappedKeys).toMatchObject([{ version: 2 }]);
    expect(renewed.subarray(-17)).toEqual(online.subarray(-17));
    expect((await decrypt(renewed, { keyring, context: { a: '1' } })).plaintext).toEqual(Uint8Array.of(120));
    const checked = await rewrap(offline, { from: keyring, to: keyring, context: {} });
    expect(inspect(checked).wrappedKeys).toMatchObject([{ method: 'service', version: 2 }]);
    expect(await textOf(checked, keyring)).toBe('y');
    expect(await codeOf(rewrap(online, { from: keyring, to: keyring, context: { a: '2' } }))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test('to another key, with the key context bound on both sides', async () => {
    const [first, second] = [await newKey(), await newKey()];
    const client = clientOf('alice@north');
    const from = serviceKeyring({ client, keyId: first, keyContext });
    const to = serviceKeyring({ client, keyId: second, keyContext: { ...keyContext, purpose: 'archive' } });
    const moved = await rewrap(await encrypt('x', { keyring: from }), { from, to });
    expect(await textOf(moved, to)).toBe('x');
    expect(await codeOf(decrypt(moved, { keyring: from }))).toBe('ERR_NO_MATCHING_KEY');
  });

  test('another key needs the context: without it nothing is asked of the service, and no data key leaves it', async () => {
    const { onEvent, calls } = recorder();
    const client = clientOf('alice@north', { onEvent });
    const own = await newKey();
    const from = serviceKeyring({ client, keyId: own, keyContext });
    const context = { patient: '4711' };
    const secret = detach(await encrypt('the diagnosis', { keyring: from, context }));
    const bait = detach(await encrypt('bait', { keyring: from, context: { mallory: '1' } }));
    const envelope = withKeysOf(bait.envelope, secret.envelope);
    const [hers, archive] = [{ tenant: 'north', purpose: 'mallory' }, await newKey()];
    for (const to of [
      serviceKeyring({ client, keyId: archive, keyContext }),
      serviceKeyring({ client, keyId: own, keyContext: hers }),
      cachingKeyring(serviceKeyring({ client, keyId: archive, keyContext }), { pollInterval: 0 }),
      observedKeyring(serviceKeyring({ client, keyId: archive, keyContext }), () => {}),
    ]) {
      expect(await codeOf(rewrap(envelope, { from, to }))).toBe('ERR_CONTEXT_MISMATCH');
      expect([calls('/rewrap'), calls('/unwrap'), calls('/wrap')]).toEqual([0, 0, 0]);
    }
    const to = serviceKeyring({ client, keyId: archive, keyContext });
    expect(await codeOf(rewrap(envelope, { from, to, context: { mallory: '1' } }))).toBe('ERR_DECRYPTION_FAILED');
    expect([calls('/rewrap'), calls('/wrap')]).toEqual([0, 0]);
    const moved = await rewrap(secret, { from, to, context });
    expect(calls('/rewrap')).toBe(1);
    expect((await decrypt(moved, { keyring: to, context })).plaintext).toHaveLength(13);
    // The newest version of the same key needs no check, also where the message is under it already.
    await rewrap(envelope, { from, to: from });
    expect(calls('/rewrap')).toBe(2);
  });

  test('an alias that was moved is another key', async () => {
    const [first, second] = [await newKey(), await newKey()];
    const admin = keyManagement(clientOf('admin@north'));
    const alias = `moved-${first.slice(-8)}`;
    await admin.setAlias(alias, first);
    const { onEvent, calls } = recorder();
    const context = { a: '1' };
    const before = serviceKeyring({ client: clientOf('alice@north'), keyId: `alias:${alias}`, keyContext });
    const message = await encrypt('x', { keyring: before, context });
    await keyManagement(clientOf('mover@north')).setAlias(alias, second);
    const after = serviceKeyring({
      client: clientOf('alice@north', { onEvent }),
      keyId: `alias:${alias}`,
      keyContext,
      decryptKeyIds: [first],
    });
    expect(await codeOf(rewrap(message, { from: after, to: after }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(calls('/rewrap')).toBe(0);
    const moved = await rewrap(message, { from: after, to: after, context });
    expect(inspect(moved).wrappedKeys).toMatchObject([{ keyId: second }]);
  });

  test('a disabled key, a version below the floor, and one that was rotated out meanwhile are told apart', async () => {
    const id = await newKey();
    const admin = keyManagement(clientOf('admin@north'));
    const keyring = serviceKeyring({ client: clientOf('alice@north'), keyId: id, keyContext });
    const message = await encrypt('x', { keyring });
    await admin.disable(id);
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_KEY_DISABLED');
    await admin.enable(id);
    await admin.rotate(id, 1);
    await expect(admin.rotate(id, 1)).rejects.toMatchObject({
      code: 'ERR_SERVICE_CONFLICT',
      problem: 'version-conflict',
    });
    await admin.raiseFloor(id, 2);
    const error = await rejection(decrypt(message, { keyring }));
    expect(error).toMatchObject({ code: 'ERR_KEY_VERSION_UNAVAILABLE', problem: 'below-floor' });
    await expect(admin.rotate(id, 2, { revision: 1 })).rejects.toMatchObject({
      code: 'ERR_SERVICE_CONFLICT',
      status: 412,
    });
    expect((await admin.describe(id)).newest_version).toBe(2);
    const ids: string[] = [];
    for await (const key of admin.list()) ids.push(key.key_id);
    expect(ids).toContain(id);
  });

  test('§7.5 a local key that opens the message and comes first is the one that is replaced', async () => {
    const id = await newKey();
    const { onEvent, calls } = recorder();
    const client = clientOf('alice@north', { onEvent });
    const local = aesKeyring({ keyId: 'local', key: new Uint8Array(32).fill(7) });
    const service = serviceKeyring({ client, keyId: id, keyContext });
    const context = { a: '1' };
    const message = await encrypt('x', { keyring: anyOf(service, local), context });
    await keyManagement(clientOf('admin@north')).rotate(id, 1);
    const versions = (result: Uint8Array) =>
      inspect(result).wrappedKeys.map(({ keyId: of, version }) => [of === id ? 'service' : of, version]);
    expect(await codeOf(rewrap(message, { from: anyOf(local, service), to: service }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(calls('/rewrap')).toBe(0);
    const moved = await rewrap(message, { from: anyOf(local, service), to: service, context });
    expect(versions(moved)).toEqual([
      ['service', 1],
      ['service', 2],
    ]);
    const rotated = await rewrap(message, { from: anyOf(service, local), to: service });
    expect(versions(rotated)).toEqual([
      ['service', 2],
      ['local', 0],
    ]);
    expect(calls('/rewrap')).toBe(1);
  });
});
