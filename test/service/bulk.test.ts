import { describe, expect, test } from 'vitest';
import { reencryptAll, rewrapAll } from '../../src/bulk.ts';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, detach, encrypt, inspect } from '../../src/index.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { keyManagement } from '../../src/service.ts';
import { codeOf, flipBit } from '../support/data.ts';
import { clientOf, fresh, keyContext, newKey, recorder, through } from '../support/service-client.ts';

const admin = keyManagement(clientOf('admin@north'));

async function stored(count: number, options: { shared?: boolean } = {}) {
  const keyId = await newKey();
  const recorded = recorder();
  const keyring = serviceKeyring({ client: clientOf('alice@north', { onEvent: recorded.onEvent }), keyId, keyContext });
  const writer = options.shared === true ? cachingKeyring(keyring, { pollInterval: 0 }) : keyring;
  const messages = await Promise.all(Array.from({ length: count }, (_, i) => encrypt(`m${i}`, { keyring: writer })));
  const store = new Map(messages.map((message, i) => [`${i}`.padStart(6, '0'), message as Uint8Array]));
  async function* items() {
    for (const [id, message] of store) yield { id, message };
  }
  const write = async (result: Uint8Array | string, { id }: { id: string }) => void store.set(id, result as Uint8Array);
  const versions = () => [...store.values()].map((message) => inspect(message).wrappedKeys[0]?.version);
  recorded.events.length = 0;
  return { keyId, keyring, store, items, write, versions, ...recorded };
}

describe('rewrapAll', () => {
  test('all of them, in few calls, and the payload stays', async () => {
    const { keyId, keyring, store, items, write, versions, calls } = await stored(1_200);
    const before = [...store.values()].map((message) => message.slice(-18));
    await admin.rotate(keyId, 1);
    const report = await rewrapAll(items(), { from: keyring, to: keyring, write });
    expect(report).toMatchObject({
      done: 1_200,
      failed: 0,
      complete: true,
      resumeToken: '001199',
      stoppedBy: undefined,
    });
    expect(new Set(versions())).toEqual(new Set([2]));
    expect([...store.values()].map((message) => message.slice(-18))).toEqual(before);
    expect(calls('/rewrap')).toBeLessThan(40);
    expect(calls('/unwrap')).toBe(0);
  });

  test('a broken message is reported and the others go on; skip leaves what is done', async () => {
    const { keyId, keyring, store, items, write } = await stored(5);
    await admin.rotate(keyId, 1);
    const [first, second] = [...store.values()] as [Uint8Array, Uint8Array];
    store.set('000000', first.subarray(0, 30));
    const end = new DataView(second.buffer).getUint32(6) + 10 - 34;
    store.set('000001', flipBit(second, (end - 1) * 8));
    const skip = ({ wrappedKeys }: { wrappedKeys: readonly { version: number }[] }) => wrappedKeys[0]?.version === 2;
    const report = await rewrapAll(items(), { from: keyring, to: keyring, write, skip });
    expect(report).toMatchObject({ done: 3, failed: 2, complete: true });
    const codes = report.failures.map(({ item, error }) => [item.id, (error as { code?: string }).code]);
    expect(Object.fromEntries(codes)).toEqual({ '000000': 'ERR_TRUNCATED', '000001': 'ERR_DECRYPTION_FAILED' });
    store.delete('000000');
    store.delete('000001');
    const again = await rewrapAll(items(), { from: keyring, to: keyring, write, skip });
    expect(again).toMatchObject({ done: 0, skipped: 3, complete: true });
  });

  test('interrupted and resumed: nothing lost, nothing twice', async () => {
    const { keyId, keyring, items, write, versions } = await stored(300);
    await admin.rotate(keyId, 1);
    const written: string[] = [];
    let resumeToken: string | undefined;
    for (let run = 0; run < 3; run++) {
      const controller = new AbortController();
      const report = await rewrapAll(items(), {
        from: keyring,
        to: keyring,
        concurrency: 20,
        resumeToken,
        signal: controller.signal,
        skip: ({ wrappedKeys }) => wrappedKeys[0]?.version === 2,
        write: async (result, item) => {
          written.push(item.id);
          await write(result, item);
          if (run < 2 && written.length === 100 * (run + 1)) controller.abort(new Error('killed'));
        },
      });
      expect(report.complete).toBe(run === 2);
      if (run < 2) expect(report.stoppedBy).toMatchObject({ message: 'killed' });
      resumeToken = report.resumeToken;
    }
    expect(new Set(versions())).toEqual(new Set([2]));
    expect([written.length, new Set(written).size]).toEqual([300, 300]);
  });

  test('a service that cannot be used ends the run, and the token says where', async () => {
    const { keyId, items, write } = await stored(50);
    const client = clientOf('alice@north', { fetch: through(fresh('reset')), retry: { limit: 0 } });
    const keyring = serviceKeyring({ client, keyId, keyContext });
    const report = await rewrapAll(items(), { from: keyring, to: keyring, write, concurrency: 10 });
    expect(report).toMatchObject({
      done: 0,
      failed: 0,
      complete: false,
      stoppedBy: { code: 'ERR_SERVICE_UNREACHABLE' },
    });
    expect(report.resumeToken).toBeUndefined();
  });

  test('text, and detached envelopes', async () => {
    const { keyId, keyring } = await stored(0);
    const { envelope } = detach(await encrypt('x', { keyring }));
    await admin.rotate(keyId, 1);
    const results: (Uint8Array | string)[] = [];
    const write = async (result: Uint8Array | string) => void results.push(result);
    await rewrapAll([{ id: 'a', message: envelope }], { from: keyring, to: keyring, write });
    expect(inspect(results[0] as Uint8Array).wrappedKeys[0]?.version).toBe(2);
  });

  test('wrong options are named', async () => {
    const { keyring, items, write } = await stored(1);
    const run = (options: object) => rewrapAll(items(), { from: keyring, to: keyring, write, ...options } as never);
    await expect(run({ concurrency: 0 })).rejects.toThrow(/^concurrency must be/);
    await expect(run({ perSecond: 0 })).rejects.toThrow(/^perSecond must be/);
    await expect(run({ write: undefined })).rejects.toThrow(/^write must be/);
    await expect(run({ batch: 1 })).rejects.toThrow(/unknown option "batch"/);
    expect(String((await run({ resumeToken: 'nowhere' })).stoppedBy)).toMatch(/^TypeError: resumeToken must be/);
  });
});

describe('reencryptAll', () => {
  test('messages that share a data key get one each, under the newest version', async () => {
    const { keyId, keyring, store, items, write, versions } = await stored(30, { shared: true });
    await admin.rotate(keyId, 1);
    const report = await reencryptAll(items(), {
      from: cachingKeyring(keyring, { pollInterval: 0 }),
      to: keyring,
      write,
    });
    expect(report).toMatchObject({ done: 30, complete: true });
    expect(new Set(versions())).toEqual(new Set([2]));
    for (const [id, message] of store) {
      expect(inspect(message).header.keyUse).toBe('single');
      const { plaintext } = await decrypt(message, { keyring });
      expect(new TextDecoder().decode(plaintext)).toBe(`m${Number(id)}`);
    }
  });
});

describe('observedKeyring', () => {
  test('tells encryptions, decryptions and failures', async () => {
    const { keyring: inner } = await stored(0);
    const { events, onEvent } = recorder();
    const keyring = observedKeyring(inner, onEvent);
    const message = await encrypt('x', { keyring, context: { a: 'SECRET' } });
    await decrypt(message, { keyring, context: { a: 'SECRET' } });
    expect(await codeOf(decrypt(message, { keyring, context: { a: 'WRONG' } }))).toBe('ERR_DECRYPTION_FAILED');
    expect(events.map(({ type }) => type)).toEqual(['encrypt', 'decrypt', 'decrypt', 'decryption-failed']);
    expect(JSON.stringify(events)).not.toMatch(/SECRET|WRONG/);
  });
});
