// The mechanism of keyrings over providers, over a fake in this process; test/keyrings/node runs the same suite over fakes of real providers.

import { describe, expect, test } from 'vitest';
import { webcrypto } from '#platform';
import { type BullaEvent, cachingKeyring } from '../../src/cache.ts';
import { DecryptionError, decrypt, encrypt, KeyServiceError, type KeyServiceErrorCode } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { providerCallReaders, providerCalls } from '../../src/keyrings/provider-calls.ts';
import {
  type Bound,
  type Provider,
  providerKeyId,
  providerKeyring,
  takeProviderKeyContext,
} from '../../src/keyrings/provider-keyring.ts';
import { concat } from '../../src/lib/bytes.ts';
import { takeOptions } from '../../src/lib/options.ts';
import type { Bytes } from '../../src/types.ts';
import { codeOf, pattern, rejection } from '../support/data.ts';
import {
  type CommonOptions,
  conformance,
  type FakeProvider,
  HeldRequests,
  type ProviderFault,
} from '../support/providers.ts';

const task = () => new Promise((resolve) => setTimeout(resolve));

const codes = {
  denied: 'ERR_NOT_ALLOWED',
  disabled: 'ERR_KEY_DISABLED',
  'pending deletion': 'ERR_KEY_PENDING_DELETION',
  'version unavailable': 'ERR_KEY_VERSION_UNAVAILABLE',
  'expired credentials': 'ERR_TOKEN_EXPIRED',
  'refused credentials': 'ERR_TOKEN_REFUSED',
  'no credentials': 'ERR_TOKEN_UNAVAILABLE',
  throttled: 'ERR_THROTTLED',
  unavailable: 'ERR_SERVICE_UNAVAILABLE',
  unreachable: 'ERR_SERVICE_UNREACHABLE',
  silent: 'ERR_SERVICE_TIMEOUT',
  nonsense: 'ERR_SERVICE_ANSWER',
} as const;

interface InProcess extends FakeProvider {
  /** What the next keyrings are made of. */
  parts(options?: CommonOptions & Partial<Provider>): Provider;
}

function inProcess(ignoresAdditionalData = false): InProcess {
  let fault: { readonly kind: ProviderFault; times: number } | undefined;
  let change = (plaintext: Bytes) => plaintext;
  let calls = { encrypt: 0, decrypt: 0 };
  const seen: Bytes[] = [];
  let held: HeldRequests | undefined;

  const crypt = async (use: 'encrypt' | 'decrypt', key: string, iv: Bytes, bytes: Bytes, { digest }: Bound) => {
    const { subtle } = await webcrypto();
    const imported = await subtle.importKey('raw', pattern(32, key === 'one' ? 21 : 22), 'AES-GCM', false, [use]);
    const additionalData = ignoresAdditionalData ? new Uint8Array(0) : digest;
    return new Uint8Array(await subtle[use]({ name: 'AES-GCM', iv, additionalData }, imported, bytes));
  };
  const pass = async (use: 'encrypt' | 'decrypt', signal: AbortSignal) => {
    calls[use]++;
    const hold = held;
    if (hold !== undefined && !hold.isReleased) {
      signal.addEventListener('abort', () => hold.givenUp++);
      await hold.wait();
    }
    if (fault === undefined || fault.times-- <= 0) return;
    if (fault.kind === 'silent') await new Promise(() => {});
    throw new KeyServiceError(codes[fault.kind as keyof typeof codes], `The fake says: ${fault.kind}`);
  };
  const fake: InProcess = {
    provider: 'fake',
    codes,
    parts({ key = 'one', keyContext = {}, name = key, retry, timeout, onEvent, ...more } = {}) {
      const settings = takeOptions({ retry, timeout, onEvent }, providerCallReaders);
      const call = providerCalls('The fake', settings);
      return {
        keys: [
          {
            keyId: providerKeyId('fake', name),
            accepts: (ciphertext) => ciphertext.byteLength > 28,
            encrypt: (plaintext, bound, signal) =>
              call('encrypt', 1, signal, async (limited) => {
                await pass('encrypt', limited);
                seen.push(plaintext.slice());
                const nonce = (await webcrypto()).getRandomValues(new Uint8Array(12));
                return concat(nonce, await crypt('encrypt', key, nonce, plaintext, bound));
              }),
            decrypt: (ciphertext, bound, signal) =>
              call('decrypt', 1, signal, async (limited) => {
                await pass('decrypt', limited);
                const opened = crypt('decrypt', key, ciphertext.slice(0, 12), ciphertext.slice(12), bound);
                return change(await opened.catch(() => Promise.reject(new DecryptionError())));
              }),
          },
        ],
        keyContext: takeProviderKeyContext(keyContext, 'keyContext'),
        ...more,
      };
    },
    keyring: async (options) => providerKeyring(fake.parts(options)),
    begin: (kind, times = Number.POSITIVE_INFINITY) => {
      fault = { kind, times };
    },
    lie: (lie) => {
      change = lie;
    },
    reset() {
      fault = undefined;
      change = (plaintext) => plaintext;
      calls = { encrypt: 0, decrypt: 0 };
    },
    get calls() {
      return calls;
    },
    seen,
    hold() {
      held = new HeldRequests();
      return held;
    },
    close: async () => {},
  };
  return fake;
}

conformance('in process', async () => inProcess());

test('§8.10 a provider that passes over additional data binds all the same', async () => {
  const fake = inProcess(true);
  const keyring = (options: CommonOptions) => fake.keyring(options);
  const own = await keyring({ keyContext: { tenant: 'north' } });
  const [key] = await own.wrapDataKey(pattern(32));
  for (const options of [{ keyContext: { tenant: 'south' } }, { keyContext: { tenant: 'north' }, name: 'other' }]) {
    const other = await keyring(options);
    const [theirs] = await other.wrapDataKey(pattern(32));
    const carried = { ...theirs, wrapping: key?.wrapping } as NonNullable<typeof key>;
    expect(await rejection(other.unwrapDataKey([carried]))).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
  }
  expect((await own.unwrapDataKeyBytes(key === undefined ? [] : [key]))?.dataKey).toEqual(pattern(32));
});

test('§7.5 §8.9a a key whose address cannot be reached keeps no key elsewhere from opening', async () => {
  const fake = inProcess();
  const { keys, ...parts } = fake.parts();
  const message = await encrypt('x', { keyring: await fake.keyring() });
  const unreachable = {
    ...keys[0],
    decrypt: () => Promise.reject(new KeyServiceError('ERR_SERVICE_UNREACHABLE', 'x')),
  };
  const at = (address: string | undefined) =>
    providerKeyring({ ...parts, keys: [{ ...unreachable, address }, keys[0]] });
  fake.reset();
  expect((await decrypt(message, { keyring: at('eu') })).plaintext).toEqual(new TextEncoder().encode('x'));
  expect(fake.calls.decrypt).toBe(1);
  expect(await codeOf(decrypt(message, { keyring: at(undefined) }))).toBe('ERR_SERVICE_UNREACHABLE');
  expect(fake.calls.decrypt).toBe(1);
});

test('what the provider gave is overwritten when nobody needs it any more', async () => {
  const given: Bytes[] = [];
  const fake = inProcess();
  const { keys, ...parts } = fake.parts();
  const [key] = keys;
  // Takes no notice of a caller that gives up.
  const decrypt: (typeof key)['decrypt'] = async (ciphertext, bound) => {
    const plaintext = await key.decrypt(ciphertext, bound, new AbortController().signal);
    given.push(plaintext);
    return plaintext;
  };
  const own = providerKeyring({ ...parts, keys: [{ ...key, decrypt }] });
  const [wrapped] = await own.wrapDataKey(pattern(32, 5));
  const all = wrapped === undefined ? [] : [wrapped];
  expect((await own.unwrapDataKeyBytes(all))?.dataKey).toEqual(pattern(32, 5));
  await Promise.all([own.unwrapDataKey(all), own.unwrapDataKey(all)]);
  fake.lie((plaintext) => plaintext.map((byte) => byte ^ 1));
  await rejection(own.unwrapDataKey(all));
  fake.reset();
  const hold = fake.hold();
  const controller = new AbortController();
  const givenUp = rejection(own.unwrapDataKey(all, { signal: controller.signal }));
  await hold.waiting(1);
  controller.abort();
  await givenUp;
  hold.release();
  while (given.length < 4) await new Promise((resolve) => setTimeout(resolve));
  await new Promise((resolve) => setTimeout(resolve));
  for (const plaintext of given) expect(plaintext.slice(48)).toEqual(new Uint8Array(32));
});

describe('whose credentials change', () => {
  const text = async (message: Bytes, keyring: Keyring) => (await decrypt(message, { keyring })).plaintext;

  test("joins no call that was made with another's, and is served from no cache of another's", async () => {
    const fake = inProcess();
    let user = 'alice';
    const own = providerKeyring(fake.parts({ credential: () => ({ name: user, use: undefined }) }));
    const message = await encrypt('x', { keyring: own });
    const cached = cachingKeyring(own);
    await text(message, cached);
    await text(message, cached);
    expect(fake.calls.decrypt).toBe(1);
    const hold = fake.hold();
    const first = text(message, own);
    await hold.waiting(1);
    user = 'bob';
    const second = text(message, own);
    await hold.waiting(2);
    hold.release();
    await Promise.all([first, second]);
    expect(fake.calls.decrypt).toBe(3);
    await text(message, cached);
    expect(fake.calls.decrypt).toBe(4);
  });

  /** A message, and a keyring whose source gives one user after the other, of whom some are turned away. */
  const changing = async (users: readonly string[], turnedAway: Readonly<Record<string, KeyServiceErrorCode>>) => {
    const fake = inProcess();
    const message = await encrypt('x', { keyring: await fake.keyring() });
    const { keys, ...parts } = fake.parts();
    const called: string[] = [];
    const answer = <Result>(user: string, call: () => Promise<Result>) => {
      called.push(user);
      const code = turnedAway[user];
      return code === undefined ? call() : Promise.reject(new KeyServiceError(code, user));
    };
    let asked = 0;
    const own = providerKeyring<string>({
      ...parts,
      keys: [
        {
          ...keys[0],
          encrypt: (plaintext, bound, signal, user) => answer(user, () => keys[0].encrypt(plaintext, bound, signal)),
          decrypt: (ciphertext, bound, signal, user) => answer(user, () => keys[0].decrypt(ciphertext, bound, signal)),
        },
      ],
      credential: () => {
        const user = users[Math.min(asked++, users.length - 1)] as string;
        return { name: user, use: user };
      },
    });
    return { own, message, called };
  };

  test('a call that is shared is made with the credentials that name it, even if another user signs in meanwhile', async () => {
    const { own, message, called } = await changing(['alice', 'alice', 'bob'], { alice: 'ERR_NOT_ALLOWED' });
    const [first, second] = [text(message, own), text(message, own)].map(codeOf);
    expect([await first, await second]).toEqual(['ERR_NOT_ALLOWED', 'ERR_NOT_ALLOWED']);
    expect(called).toEqual(['alice']);
    await text(message, own);
    expect(called).toEqual(['alice', 'bob']);
  });

  test('a data key is wrapped with the credentials that were asked for', async () => {
    const { own, called } = await changing(['alice', 'bob'], {});
    await own.generateDataKey();
    expect(called).toEqual(['alice']);
  });

  test.each([
    [
      ['old', 'old', 'new'],
      ['old', 'new'],
    ],
    [
      ['old', 'old', 'new', 'newer'],
      ['old', 'new', 'newer'],
    ],
  ])(
    'once they are refused, who waited asks for others, and shares with those who have the same: %s',
    async (users, calls) => {
      const { own, message, called } = await changing(users, { old: 'ERR_TOKEN_REFUSED' });
      await Promise.all([text(message, own), text(message, own)]);
      expect(called).toEqual(calls);
    },
  );

  test('those that are refused and not renewed are used once', async () => {
    const { own, message, called } = await changing(['old'], { old: 'ERR_TOKEN_REFUSED' });
    expect(await codeOf(text(message, own))).toBe('ERR_TOKEN_REFUSED');
    expect(called).toEqual(['old']);
  });

  test('where there are none, nothing is asked', async () => {
    const fake = inProcess();
    const missing = () => Promise.reject(new KeyServiceError('ERR_TOKEN_UNAVAILABLE', 'Nobody has signed in'));
    const message = await encrypt('x', { keyring: await fake.keyring() });
    fake.reset();
    const own = providerKeyring(fake.parts({ credential: missing }));
    expect(await rejection(text(message, own))).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE' });
    expect(fake.calls.decrypt).toBe(0);
  });
});

describe('calls', () => {
  const settings = (options: object) => takeOptions(options, providerCallReaders);

  test('32 at once; who gives up leaves the queue, and the others have their turn', async () => {
    const call = providerCalls('It', settings({}));
    const running: (() => void)[] = [];
    const begin = (signal?: AbortSignal) =>
      call('x', 1, signal, () => new Promise<void>((resolve) => running.push(resolve)));
    const first = Array.from({ length: 32 }, () => begin());
    const controller = new AbortController();
    const impatient = rejection(begin(controller.signal));
    const patient = begin();
    while (running.length < 32) await task();
    controller.abort(new Error('enough'));
    expect((await impatient).message).toBe('enough');
    expect(running.length).toBe(32);
    running[7]?.();
    await first[7];
    while (running.length < 33) await task();
    for (const end of running) end();
    await Promise.all([...first, patient]);
  });

  test('10,000 wait at most, and none of them without an end: it is told, and not as an attempt', {
    timeout: 60_000,
  }, async () => {
    const events: BullaEvent[] = [];
    const call = providerCalls(
      'It',
      settings({ timeout: 100, onEvent: (event: BullaEvent) => void events.push(event) }),
    );
    const controller = new AbortController();
    const ending = (work: () => Promise<void>) => call('x', 1, undefined, work).catch((error) => error);
    const running = Array.from({ length: 32 }, () =>
      call('x', 1, controller.signal, () => new Promise(() => {})).catch(() => {}),
    );
    // Each attempt ends after 100 ms, and is repeated behind those who wait.
    const waiting = Array.from({ length: 10_000 }, () => ending(() => new Promise(() => {})));
    expect(await rejection(call('x', 1, undefined, async () => {}))).toMatchObject({ code: 'ERR_THROTTLED' });
    expect(events.find((event) => event.type === 'service-call')).toMatchObject({
      attempts: 0,
      error: 'ERR_THROTTLED',
    });
    const errors = await Promise.all(waiting);
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_SERVICE_TIMEOUT']));
    const neverCalled = events.filter((event) => event.type === 'service-call' && event.attempts === 0);
    expect(neverCalled.length).toBeGreaterThan(5_000);
    controller.abort();
    await Promise.all(running);
  });

  test('what an attempt resolves to after its time, or after an abort, is erased', async () => {
    const late: Bytes[] = [];
    const letGo: (() => void)[] = [];
    const attempt = () =>
      new Promise<Bytes>((resolve) => {
        letGo.push(() => {
          late.push(pattern(32));
          resolve(late.at(-1) as Bytes);
        });
      });
    const erase = (bytes: Bytes) => void bytes.fill(0);
    const call = providerCalls('It', settings({ timeout: 20, retry: { limit: 1, delay: 0 } }));
    expect(await rejection(call('x', 1, undefined, attempt, erase))).toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
    const controller = new AbortController();
    const aborted = rejection(call('x', 1, controller.signal, attempt, erase));
    while (letGo.length < 3) await task();
    controller.abort(new Error('enough'));
    await aborted;
    for (const go of letGo) go();
    await task();
    expect(late).toEqual(Array(3).fill(new Uint8Array(32)));
    expect(await call('x', 1, undefined, async () => pattern(32), erase)).toEqual(pattern(32));
  });

  test('an event says aborted where the signal ended the call, and unknown of an error of others', async () => {
    const events: BullaEvent[] = [];
    const told = new Map<BullaEvent['type'], () => void>();
    const onEvent = (event: BullaEvent) => {
      events.push(event);
      told.get(event.type)?.();
    };
    const call = providerCalls('It', settings({ retry: { limit: 3, delay: 60_000 }, onEvent }));
    const foreign = call('x', 1, undefined, () => Promise.reject(new TypeError('a mistake')));
    expect(await rejection(foreign)).toBeInstanceOf(TypeError);
    const controller = new AbortController();
    const repeats = new Promise<void>((resolve) => told.set('service-retry', resolve));
    const down = () => Promise.reject(new KeyServiceError('ERR_SERVICE_UNAVAILABLE', 'x', { status: 503 }));
    const paused = rejection(call('x', 1, controller.signal, down));
    await repeats;
    // A pause of a minute has begun.
    await task();
    controller.abort(new Error('enough'));
    expect((await paused).message).toBe('enough');
    expect(events).toMatchObject([
      { type: 'service-call', attempts: 1, error: 'unknown' },
      { type: 'service-retry', retry: 1, error: 'ERR_SERVICE_UNAVAILABLE' },
      { type: 'service-call', attempts: 1, error: 'aborted', status: undefined },
    ]);
    const before = events.length;
    await rejection(call('x', 1, AbortSignal.abort(new Error('enough')), down));
    expect(events.slice(before)).toMatchObject([{ type: 'service-call', attempts: 0, error: 'aborted' }]);
  });

  test('what is no error of a service is not repeated', async () => {
    const call = providerCalls('It', settings({ retry: { limit: 3, delay: 0 } }));
    let attempts = 0;
    const failing = call('x', 1, undefined, async () => {
      attempts++;
      throw new TypeError('a mistake');
    });
    expect(await rejection(failing)).toBeInstanceOf(TypeError);
    expect(attempts).toBe(1);
  });

  test.each([
    [{ retry: { limit: 11 } }, /retry.limit/],
    [{ timeout: 0 }, /timeout/],
    [{ timeout: 600_001 }, /timeout/],
    [{ onEvent: 1 }, /onEvent/],
    [{ retries: 1 }, /unknown option "retries"/],
  ])('%o is refused', (options, message) => {
    expect(() => settings(options)).toThrow(message);
  });
});

test.each(['', 'x'.repeat(252), '\u00e9'.repeat(126)])('§8.9 a key id has at most 256 bytes: %s', (name) => {
  if (name === '') expect(providerKeyId('fake', name)).toBe('fake:');
  else expect(() => providerKeyId('fake', name)).toThrow(TypeError);
});
