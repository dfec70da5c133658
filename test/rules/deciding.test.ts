// Functions of applications that decide something: what they throw or reject with fails the call that asked, an answer that is none is a TypeError, and nobody else is concerned.

import { describe, expect, test } from 'vitest';
import { rewrapAll } from '../../src/bulk.ts';
import { decrypt, encrypt, rewrap } from '../../src/index.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { createDecryptingHandler, type DecryptingHandlerOptions } from '../../src/service-worker.ts';
import { fastKeyring, rejection } from '../support/data.ts';
import { failure } from '../support/hostile-functions.ts';

const keyring = fastKeyring();
const message = await encrypt('attack at dawn', { keyring });
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const throws = () => {
  throw failure;
};
const rejects = async () => throws();

describe('match of createDecryptingHandler', () => {
  type Match = DecryptingHandlerOptions['match'];
  const request = (init?: RequestInit) => new Request('https://app.example/1', init);
  function handlerOf(match: unknown) {
    const errors: unknown[] = [];
    const handler = createDecryptingHandler({ match: match as Match, onError: (error) => errors.push(error) });
    return { handler, errors };
  }

  test.each([
    ['throws', throws],
    ['rejects', rejects],
  ])('that %s: an answer that says so, and the next one is asked for', async (_, match) => {
    const { handler, errors } = handlerOf(match);
    for (const _again of [1, 2]) {
      const response = await handler.respond(request());
      expect(response?.status).toBe(500);
      expect(await response?.text()).not.toContain(failure.message);
    }
    expect(errors).toEqual([failure, failure]);
  });

  test.each([undefined, null])(
    'that returns %s leaves the request to the network; later there is nothing',
    async (none) => {
      expect(handlerOf(() => none).handler.respond(request())).toBeUndefined();
      expect((await handlerOf(async () => none).handler.respond(request()))?.status).toBe(404);
    },
  );

  test.each([0, 5, '', 'text', true, false, [], {}, { source: message }, new Map(), () => ({})])(
    'that returns %o is told so',
    async (nonsense) => {
      for (const match of [() => nonsense, async () => nonsense]) {
        const { handler, errors } = handlerOf(match);
        const response = await handler.respond(request());
        expect(response?.status).toBe(500);
        expect(errors).toEqual([expect.any(TypeError)]);
      }
    },
  );

  test('that never ends is waited for no longer than the request lasts', async () => {
    const controller = new AbortController();
    const response = handlerOf(() => new Promise(() => {})).handler.respond(request({ signal: controller.signal }));
    controller.abort(failure);
    expect((await rejection(response as Promise<unknown>)).name).toMatch(/Error/);
  });

  test('that calls back in', async () => {
    const { handler } = handlerOf(async (url: URL) => {
      if (url.hash === '#inner') return { source: message, keyring };
      const response = await handler.respond(new Request('https://app.example/1#inner'));
      return { source: await encrypt(await (response as Response).text(), { keyring }), keyring };
    });
    expect(await (await handler.respond(request()))?.text()).toBe('attack at dawn');
  });
});

describe('functions of rewrapAll', () => {
  const items = () => ['1', '2', '3'].map((id) => ({ id, message }));
  const to = fastKeyring(8);
  const run = (options: object) =>
    rewrapAll(items(), { from: keyring, to: keyring, concurrency: 1, write: async () => {}, ...options });
  const once = (what: () => unknown) => {
    let calls = 0;
    return () => (++calls === 1 ? what() : false);
  };

  test.each([
    ['skip that throws', { skip: once(throws) }, failure],
    ['skip that rejects', { skip: once(rejects) }, expect.any(TypeError)],
    ['skip that returns nothing', { skip: once(() => undefined) }, expect.any(TypeError)],
    ['write that throws', { write: once(throws) }, failure],
    ['write that rejects', { write: once(rejects) }, failure],
  ])('a %s fails its message alone', async (_, options, error) => {
    expect(await run(options)).toMatchObject({ complete: true, done: 2, failed: 1, failures: [{ error }] });
    // What a promise rejects with that nobody waits for would fail the run.
    await new Promise((resolve) => setTimeout(resolve));
  });

  test.each([
    ['onProgress that throws', { onProgress: throws }],
    ['onProgress that rejects', { onProgress: rejects }],
    ['onFailure that throws', { onFailure: throws, write: rejects }],
    ['onFailure that rejects', { onFailure: rejects, write: rejects }],
  ])('an %s ends the run, which says how far it came', async (_, options) => {
    const report = await run(options);
    expect(report).toMatchObject({ complete: false, stoppedBy: failure });
    expect(report.done + report.failed).toBeLessThan(3);
  });

  test.each(['onProgress', 'skip', 'write'])('a %s that calls back in', async (name) => {
    const inner: unknown[] = [];
    const again = async () => inner.push(await run({ to }));
    const calls: Promise<unknown>[] = [];
    const callingBack = () => {
      calls.push(again());
      return name === 'skip' ? false : calls[0];
    };
    const report = await run({ [name]: callingBack });
    await Promise.all(calls);
    expect(report).toMatchObject({ complete: true, done: 3 });
    expect(inner).toHaveLength(3);
  });
});

describe('functions of one call', () => {
  const forBoth = { from: keyring, to: keyring };

  test('drop of rewrap', async () => {
    const message = await encrypt('attack at dawn', { keyring: anyOf(keyring, fastKeyring(8)) });
    expect(await rejection(rewrap(message, { ...forBoth, keep: true, drop: throws }))).toBe(failure);
    for (const drop of [rejects, () => undefined, () => 'yes']) {
      const error = await rejection(rewrap(message, { ...forBoth, keep: true, drop: drop as never }));
      expect(error).toBeInstanceOf(TypeError);
    }
    let inner: Promise<Uint8Array> | undefined;
    const drop = () => {
      inner = rewrap(message, forBoth);
      return false;
    };
    await rewrap(message, { ...forBoth, keep: true, drop });
    expect(text((await decrypt((await inner) as Uint8Array, { keyring })).plaintext)).toBe('attack at dawn');
  });

  test('now and random of encrypt', async () => {
    expect(await rejection(encrypt('x', { keyring, now: throws }))).toBe(failure);
    expect(await rejection(encrypt('x', { keyring, now: rejects as never }))).toBeInstanceOf(TypeError);
    expect(await rejection(encrypt('x', { keyring, random: throws }))).toBe(failure);
    for (const random of [rejects, () => undefined, () => new Uint8Array(1), String, Number, () => new Array(32)]) {
      expect(await rejection(encrypt('x', { keyring, random: random as never }))).toBeInstanceOf(TypeError);
    }
    const inner: Promise<unknown>[] = [];
    const now = () => {
      inner.push(encrypt('y', { keyring }));
      return 1.8e12;
    };
    await decrypt(await encrypt('x', { keyring, now }), { keyring });
    expect(await Promise.all(inner)).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve));
  });
});
