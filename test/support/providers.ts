// What every keyring over a provider must do, as one suite over a fake of the provider.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type BullaEvent, cachingKeyring } from '../../src/cache.ts';
import { encodeWrappedKey, type WrappedKey } from '../../src/envelope/wrapped-key.ts';
import { decrypt, encrypt, encryptMany, inspect, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import type { Bytes } from '../../src/types.ts';
import { codeOf, errorTexts, fastKeyring, pattern, rejection } from './data.ts';

/** What goes wrong at a provider. */
export type ProviderFault =
  | 'denied'
  | 'no such key'
  | 'disabled'
  | 'pending deletion'
  | 'version unavailable'
  | 'no credentials'
  | 'expired credentials'
  | 'refused credentials'
  | 'throttled'
  | 'unavailable'
  | 'unreachable'
  | 'silent'
  | 'nonsense';

/** Options that the keyrings over all providers have. */
export interface CommonOptions {
  /** One of the two keys of the fake. Default: `one`. */
  readonly key?: 'one' | 'two';
  readonly keyContext?: Record<string, string>;
  /** The name in wrapped keys, behind that of the provider. */
  readonly name?: string;
  readonly retry?: object;
  readonly timeout?: number;
  readonly onEvent?: (event: BullaEvent) => void;
}

/** A fake of a provider. */
export interface FakeProvider {
  /** The name in front of key ids. */
  readonly provider: string;
  /** Which faults it can show, and the code that a keyring makes of each. */
  readonly codes: Partial<Record<ProviderFault, string>>;
  keyring(options?: CommonOptions): Promise<Keyring>;
  /** Shows a fault from now on, so many times. */
  begin(fault: ProviderFault, times?: number): void;
  /** Changes what it decrypts to. */
  lie(change: (plaintext: Bytes) => Bytes): void;
  /** No fault any more, no lie, no call counted. */
  reset(): void;
  /** Requests that it was sent. */
  readonly calls: { readonly encrypt: number; readonly decrypt: number };
  /** Plaintexts that went through it. */
  readonly seen: readonly Bytes[];
  /** Holds answers until they are released. */
  hold(): Hold;
  close(): Promise<void>;
}

/** Answers that are held. */
export interface Hold {
  /** Resolves when so many requests wait. */
  waiting(count: number): Promise<void>;
  /** How many of the requests were given up by their client. */
  readonly givenUp: number;
  release(): void;
}

/** Requests that a fake holds. Those that come after the release are not held. */
export class HeldRequests implements Hold {
  readonly #waiting: (() => void)[] = [];
  #arrived = () => {};
  isReleased = false;
  givenUp = 0;

  /** Resolves when the requests are released. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#arrived();
    });
  }

  async waiting(count: number): Promise<void> {
    while (this.#waiting.length < count) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }

  release(): void {
    this.isReleased = true;
    for (const resolve of this.#waiting) resolve();
  }
}

const keyContext = { tenant: 'north', purpose: 'orders' };
const context = { order: '4711' };
const text = async (message: Bytes, keyring: Keyring) =>
  new TextDecoder().decode((await decrypt(message, { keyring, context })).plaintext);
const seal = (keyring: Keyring) => encrypt('attack at dawn', { keyring, context });
const other = aesKeyring({ keyId: 'local', key: pattern(32, 3) });

/** Wrapped keys of a keyring, with the opaque bytes or other parts changed. */
function changing(keyring: Keyring, change: (key: WrappedKey) => readonly WrappedKey[]): Keyring {
  return {
    ...keyring,
    unwrapDataKey: (keys, options) => keyring.unwrapDataKey(keys.flatMap(change), options),
    // The element that was given, as the contract wants it.
    unwrapDataKeyBytes: (keys, options) => keyring.unwrapDataKeyBytes(keys.flatMap(change), options),
  };
}

const opaqueOf = ({ wrapping }: WrappedKey): Bytes => {
  if (wrapping.method !== 'kms') throw new TypeError(`the method is ${wrapping.method}`);
  return wrapping.opaque;
};
const withOpaque = (key: WrappedKey, opaque: Bytes): WrappedKey => ({ ...key, wrapping: { method: 'kms', opaque } });

/** Runs the suite. `start` gives a fake of its own. */
export function conformance(name: string, start: () => Promise<FakeProvider>): void {
  describe(`${name}: a keyring over a provider`, () => {
    let fake: FakeProvider;
    beforeAll(async () => {
      fake = await start();
    });
    afterEach(() => fake.reset());
    afterAll(() => fake.close());
    const keyring = (options: CommonOptions = {}) =>
      fake.keyring({ keyContext, retry: { limit: 2, delay: 0 }, ...options });
    /** The wrapped key of a message, and what it was wrapped from. */
    const wrapped = async (by: Keyring): Promise<WrappedKey> => {
      const [key] = await by.wrapDataKey(pattern(32, 8));
      return key as WrappedKey;
    };

    test('§8.8 §8.9 §8.10 wraps 80 bytes under its key, and unwraps them', async () => {
      const own = await keyring();
      const message = await seal(own);
      const [info] = inspect(message).wrappedKeys;
      expect(info).toMatchObject({ method: 'kms', version: 0, serviceId: '', keyContext });
      expect(info?.keyId).toMatch(new RegExp(`^${fake.provider}:.`));
      expect(fake.seen.map(({ byteLength }) => byteLength)).toEqual([80]);
      expect(await text(message, own)).toBe('attack at dawn');
      expect(await text(message, await keyring())).toBe('attack at dawn');
      expect(fake.calls).toEqual({ encrypt: 1, decrypt: 2 });
    });

    test('§8.9 the name in messages is the configured one', async () => {
      const named = await keyring({ name: 'orders 2026' });
      const message = await seal(named);
      expect(inspect(message).wrappedKeys[0]?.keyId).toBe(`${fake.provider}:orders 2026`);
      expect(await text(message, named)).toBe('attack at dawn');
      expect(await codeOf(text(message, await keyring()))).toBe('ERR_NO_MATCHING_KEY');
      expect(fake.calls).toEqual({ encrypt: 1, decrypt: 1 });
    });

    test('§7.6 §8.9 what is not for it costs no call', async () => {
      const own = await keyring();
      const key = await wrapped(own);
      fake.reset();
      const strangers: WrappedKey[] = [
        { ...key, keyId: key.keyId.replace(/^[^:]*/, 'another-provider') },
        { ...key, keyId: `${key.keyId}x` },
        { ...key, keyId: key.keyId.slice(fake.provider.length + 1) },
        { ...key, version: 1 },
        { ...key, keyContext: {} },
        { ...key, keyContext: { ...keyContext, more: 'x' } },
        { ...key, wrapping: { method: 'aes', salt: pattern(32), sealedKey: pattern(48) } },
        { ...key, serviceId: 'kms.example', wrapping: { method: 'service', opaque: opaqueOf(key) } },
      ];
      for (const stranger of strangers) expect(await own.unwrapDataKey([stranger])).toBeNull();
      expect(await own.unwrapDataKeyBytes(strangers)).toBeNull();
      expect(fake.calls).toEqual({ encrypt: 0, decrypt: 0 });
    });

    test('§8.10 §8.11 §8.13a what was changed, renamed or moved does not open', async () => {
      const own = await keyring();
      const key = await wrapped(own);
      const opaque = opaqueOf(key);
      const middle = opaque.slice();
      const at = middle.byteLength - 12;
      middle[at] = middle[at] === 0x41 ? 0x42 : 0x41;
      const foreign = await wrapped(await keyring({ key: 'two' }));
      const elsewhere = await wrapped(await keyring({ keyContext: { tenant: 'south' } }));
      const renamed = await wrapped(await keyring({ name: 'another name' }));
      const spoilt = [opaque.slice(0, -9), middle, Uint8Array.of(1), new Uint8Array(200), opaqueOf(foreign)];
      for (const bytes of [...spoilt, opaqueOf(elsewhere), opaqueOf(renamed)]) {
        expect(await codeOf(own.unwrapDataKey([withOpaque(key, bytes)]))).toBe('ERR_DECRYPTION_FAILED');
        expect(await codeOf(own.unwrapDataKeyBytes([withOpaque(key, bytes)]))).toBe('ERR_DECRYPTION_FAILED');
      }
      expect((await own.unwrapDataKeyBytes([withOpaque(key, middle), key]))?.dataKey).toEqual(pattern(32, 8));
    });

    test.each<[string, (plaintext: Bytes) => Bytes]>([
      ['nothing', () => new Uint8Array(0)],
      ['the data key alone', (plaintext) => plaintext.slice(48)],
      ['a byte more', (plaintext) => Uint8Array.of(...plaintext, 0)],
      ['another digest', (plaintext) => plaintext.with(47, (plaintext[47] as number) ^ 1)],
      ['80 zeros', () => new Uint8Array(80)],
    ])('§8.10 a provider that decrypts to %s has decrypted nothing', async (_, lie) => {
      const own = await keyring();
      const key = await wrapped(own);
      fake.lie(lie);
      expect(await codeOf(own.unwrapDataKey([key]))).toBe('ERR_DECRYPTION_FAILED');
    });

    test("§5.5 §8.10 a provider that answers with another key's data key fails the commitment", async () => {
      const own = await keyring();
      const message = await seal(own);
      fake.lie((plaintext) => plaintext.map((byte, i) => (i < 48 ? byte : byte ^ 1)));
      expect(await codeOf(text(message, own))).toBe('ERR_DECRYPTION_FAILED');
      expect(await codeOf(rewrap(message, { from: own, to: other, context }))).toBe('ERR_DECRYPTION_FAILED');
    });

    test('§8.12 asks for four wrapped keys under one key, and for no more', async () => {
      const own = await keyring();
      const key = await wrapped(own);
      const wrong = withOpaque(key, opaqueOf(await wrapped(await keyring({ key: 'two' }))));
      fake.reset();
      const opened = await own.unwrapDataKeyBytes([wrong, wrong, wrong, key]);
      expect(opened?.dataKey).toEqual(pattern(32, 8));
      expect(fake.calls.decrypt).toBe(4);
      fake.reset();
      expect(await codeOf(own.unwrapDataKey([...Array(60).fill(wrong), key]))).toBe('ERR_DECRYPTION_FAILED');
      expect(fake.calls.decrypt).toBe(4);
    });

    test('§8.11c refuses names of its own in a key context', async () => {
      for (const context of [{ 'bulla:binding': 'x' }, { 'bulla:': 'x' }]) {
        const error = await rejection((async () => fake.keyring({ keyContext: context }))());
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toMatch(/keyContext must be without names that begin with "bulla:"/);
      }
      const near = await keyring({ keyContext: { bulla: '1', 'Bulla:x': '2', ' bulla:': '3' } });
      expect(await text(await seal(near), near)).toBe('attack at dawn');
    });

    describe('faults', () => {
      const repeated = ['throttled', 'unavailable', 'unreachable', 'silent', 'nonsense'];
      const timeout = 250;

      test('§8.13 each has a code of its own, is repeated where that may help, and passes', {
        timeout: 60_000,
      }, async () => {
        const told: Record<string, unknown> = {};
        for (const [fault, code] of Object.entries(fake.codes)) {
          const own = await keyring({ timeout: fault === 'silent' ? timeout : 10_000 });
          const message = await seal(own);
          fake.reset();
          fake.begin(fault as ProviderFault);
          const error = await rejection(text(message, own));
          expect(error, `${fault}, when decrypting`).toMatchObject({ code });
          expect(error.message, fault).not.toMatch(/key service/i);
          if (fault !== 'unreachable' && fault !== 'no credentials') {
            expect(fake.calls.decrypt, `${fault}: attempts`).toBe(repeated.includes(fault) ? 3 : 1);
          }
          // A version that is too old is one to decrypt with.
          if (fault !== 'version unavailable') expect(await codeOf(seal(own)), `${fault}, when encrypting`).toBe(code);
          fake.reset();
          expect(await text(message, own), `after ${fault}`).toBe('attack at dawn');
          told[fault] = code;
        }
        expect(told).toEqual(fake.codes);
      });

      test('what passes meanwhile is not noticed', { timeout: 60_000 }, async () => {
        for (const fault of Object.keys(fake.codes).filter((each) => repeated.includes(each))) {
          const events: BullaEvent[] = [];
          const onEvent = (event: BullaEvent) => void events.push(event);
          const own = await keyring({ timeout: fault === 'silent' ? timeout : 10_000, onEvent });
          const message = await seal(own);
          fake.reset();
          events.length = 0;
          fake.begin(fault as ProviderFault, 2);
          expect(await text(message, own), fault).toBe('attack at dawn');
          const error = fake.codes[fault as ProviderFault];
          expect(events).toMatchObject([
            { type: 'service-retry', retry: 1, error },
            { type: 'service-retry', retry: 2, error },
            { type: 'service-call', items: 1, attempts: 3, error: undefined },
          ]);
        }
      });

      test('once it cannot be reached, the next wrapped key is not tried', { timeout: 60_000 }, async () => {
        const own = await keyring({ retry: { limit: 0 } });
        const key = await wrapped(own);
        fake.reset();
        fake.begin('unavailable');
        expect(await codeOf(own.unwrapDataKey([key, { ...key }, { ...key }]))).toBe('ERR_SERVICE_UNAVAILABLE');
        expect(fake.calls.decrypt).toBe(1);
      });

      test('no secret is in errors and events', { timeout: 60_000 }, async () => {
        const events: BullaEvent[] = [];
        const errors: unknown[] = [];
        for (const fault of Object.keys(fake.codes) as ProviderFault[]) {
          const own = await keyring({
            retry: { limit: 1, delay: 0 },
            timeout,
            onEvent: (event) => void events.push(event),
          });
          const message = await seal(own);
          fake.begin(fault);
          errors.push(await text(message, own).catch((error) => error), await seal(own).catch((error) => error));
          fake.reset();
        }
        const said = [...errors.map(errorTexts), JSON.stringify(events)].join('\n');
        expect(errors.length).toBeGreaterThan(8);
        expect(fake.seen.length).toBeGreaterThan(4);
        for (const plaintext of fake.seen) {
          const dataKey = btoa(String.fromCharCode(...plaintext.slice(48)));
          const base64 = btoa(String.fromCharCode(...plaintext));
          for (const secret of [base64, dataKey, base64.slice(64, 100)])
            expect(said).not.toContain(secret.replace(/=*$/, ''));
        }
        expect(said).not.toMatch(/secret-of-the-fake/);
      });
    });

    describe('calls', () => {
      test('3,000 parallel decryptions of one data key make one', { timeout: 60_000 }, async () => {
        const own = await keyring();
        const message = await seal(own);
        fake.reset();
        const hold = fake.hold();
        let begun = 0;
        let allBegan = () => {};
        const all = new Promise<void>((resolve) => {
          allBegan = resolve;
        });
        const counted: Keyring = {
          ...own,
          unwrapDataKey: (keys, options) => {
            begun++;
            if (begun === 3_000) allBegan();
            return own.unwrapDataKey(keys, options);
          },
        };
        const texts = Promise.all(Array.from({ length: 3_000 }, () => text(message, counted)));
        await all;
        await hold.waiting(1);
        // All that is left of the others are microtasks.
        await new Promise((resolve) => setTimeout(resolve));
        hold.release();
        expect(new Set(await texts)).toEqual(new Set(['attack at dawn']));
        expect(fake.calls).toEqual({ encrypt: 0, decrypt: 1 });
      });

      test('3,000 through a cache make one, and what is cached makes none', { timeout: 60_000 }, async () => {
        const own = await keyring();
        const message = await seal(own);
        const cached = cachingKeyring(own);
        fake.reset();
        await Promise.all(Array.from({ length: 3_000 }, () => text(message, cached)));
        expect(fake.calls).toEqual({ encrypt: 0, decrypt: 1 });
        const items = Array.from({ length: 500 }, () => ({ data: 'x', context }));
        const many = await encryptMany(items, { keyring: cached });
        expect(fake.calls).toEqual({ encrypt: 1, decrypt: 1 });
        await encryptMany(items, { keyring: cached });
        await Promise.all(many.slice(0, 50).map((each) => decrypt(each as Bytes, { keyring: cached, context })));
        // The data key that was made here was never decrypted before.
        expect(fake.calls).toEqual({ encrypt: 1, decrypt: 2 });
      });

      test('a cache in front of two keyrings gives the data key of one to nobody else', async () => {
        const [first, second] = [await keyring(), await keyring()];
        const message = await seal(first);
        const cached = cachingKeyring(first);
        fake.reset();
        await text(message, cached);
        await text(message, cachingKeyring(second, cached.cache));
        expect(fake.calls.decrypt).toBe(2);
        await text(message, cached);
        expect(fake.calls.decrypt).toBe(2);
      });

      test('an abort ends the wait of its caller alone; the call ends when nobody waits', async () => {
        const own = await keyring();
        const key = await wrapped(own);
        fake.reset();
        const hold = fake.hold();
        const [first, second] = [new AbortController(), new AbortController()];
        const one = rejection(own.unwrapDataKeyBytes([key], { signal: first.signal }));
        const two = own.unwrapDataKeyBytes([key], { signal: second.signal });
        await hold.waiting(1);
        first.abort(new Error('enough'));
        expect((await one).message).toBe('enough');
        hold.release();
        expect((await two)?.dataKey).toEqual(pattern(32, 8));
        expect(fake.calls.decrypt).toBe(1);

        const again = fake.hold();
        const three = rejection(own.unwrapDataKey([key], { signal: second.signal }));
        await again.waiting(1);
        second.abort(new Error('enough of that, too'));
        expect((await three).message).toBe('enough of that, too');
        while (again.givenUp === 0) await new Promise((resolve) => setTimeout(resolve));
        again.release();
        expect((await own.unwrapDataKeyBytes([key]))?.dataKey).toEqual(pattern(32, 8));
        expect(await rejection(own.generateDataKey({ signal: AbortSignal.abort(new Error('before')) }))).toMatchObject({
          message: 'before',
        });
      });

      test('each who joined has bytes of their own', async () => {
        const own = await keyring();
        const key = await wrapped(own);
        const opened = await Promise.all(Array.from({ length: 5 }, () => own.unwrapDataKeyBytes([key])));
        opened[0]?.dataKey.fill(0);
        expect(opened.slice(1).map((each) => each?.dataKey)).toEqual(Array(4).fill(pattern(32, 8)));
      });
    });

    describe('with other keyrings', () => {
      test('anyOf: each opens alone, also while the provider is down', async () => {
        const own = await keyring();
        const both = anyOf(own, fastKeyring());
        const message = await seal(both);
        expect(inspect(message).wrappedKeys.map(({ method }) => method)).toEqual(['kms', 'aes']);
        for (const each of [own, fastKeyring(), both]) expect(await text(message, each)).toBe('attack at dawn');
        fake.begin('denied');
        expect(await text(message, both)).toBe('attack at dawn');
        expect(await codeOf(text(message, anyOf(own, other)))).toBe(fake.codes.denied);
      });

      test('§7.7 re-wraps to another and back, without touching the payload', async () => {
        const own = await keyring();
        const message = await seal(own);
        const there = await rewrap(message, { from: own, to: other, context });
        const back = await rewrap(there, { from: other, to: own, context });
        const kept = await rewrap(message, { from: own, to: await keyring({ key: 'two' }), context, keep: true });
        const bodyOf = (each: Bytes) => each.slice(-('attack at dawn'.length + 16));
        for (const each of [there, back, kept]) expect(bodyOf(each)).toEqual(bodyOf(message));
        expect(await text(there, other)).toBe('attack at dawn');
        expect(await codeOf(text(there, own))).toBe('ERR_NO_MATCHING_KEY');
        for (const each of [back, kept]) expect(await text(each, own)).toBe('attack at dawn');
        expect(await text(kept, await keyring({ key: 'two' }))).toBe('attack at dawn');
      });

      test('§7.7a §7.7d there is no newer version of its key: not without the context, and not for shared data keys', async () => {
        const own = await keyring();
        const message = await seal(own);
        for (const to of [own, other, await keyring({ key: 'two' })]) {
          expect(await codeOf(rewrap(message, { from: own, to }))).toBe('ERR_CONTEXT_MISMATCH');
        }
        const shared = await encrypt('x', { keyring: cachingKeyring(own), context });
        expect(await codeOf(rewrap(shared, { from: own, to: other, context }))).toBe('ERR_SHARED_DATA_KEY');
      });

      test('hands back the element that it was given, and changes none', async () => {
        const own = await keyring();
        const key = await wrapped(own);
        const before = encodeWrappedKey(key);
        const copy = { ...key };
        const opened = await changing(own, (each) => [each]).unwrapDataKey([copy]);
        expect(opened?.wrappedKey).toBe(copy);
        expect(encodeWrappedKey(key)).toEqual(before);
      });
    });
  });
}
