import { expect, test } from 'vitest';
import { decryptStream, encryptStream } from '../../src/index.ts';
import { whenAborted } from '../../src/lib/abort.ts';
import { untilAborted } from '../../src/lib/single-flight.ts';
import { Batches } from '../../src/service/batches.ts';
import { fastKeyring, rejection } from '../support/data.ts';

/** A signal that counts the listeners it has. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  const seen = { listeners: 0, most: 0 };
  const count = () => {
    seen.listeners = listeners.size;
    seen.most = Math.max(seen.most, listeners.size);
  };
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    // A listener that is added again is not called twice.
    listeners.add(args[1]);
    count();
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners.delete(args[1]);
    count();
    removeEventListener.apply(signal, args);
  };
  return { controller, signal, seen };
}

test('many who wait with one signal cost it one listener, which goes with the last of them', async () => {
  const { signal, seen } = countedSignal();
  const waiting = Array.from({ length: 64 }, (_, i) => untilAborted(Promise.resolve(i), signal));
  expect(await Promise.all(waiting)).toEqual(Array.from({ length: 64 }, (_, i) => i));
  await Promise.resolve();
  expect(seen).toEqual({ listeners: 0, most: 1 });
});

test.each([
  ['encryptStream', () => encryptStream],
  ['decryptStream', () => decryptStream],
])('so do streams: %s', async (_, which) => {
  const { controller, signal, seen } = countedSignal();
  const stream = which() as typeof encryptStream;
  const streams = Array.from({ length: 12 }, () => stream({ keyring: fastKeyring(), signal }));
  const reading = streams.map(({ readable }) => rejection(readable.getReader().read()));
  const reason = new Error('enough');
  controller.abort(reason);
  expect(new Set(await Promise.all(reading))).toEqual(new Set([reason]));
  expect(seen.most).toBe(1);
});

test('so do the items of batches', async () => {
  const { signal, seen } = countedSignal();
  const limits = () => ({ items: 10, bytes: 1_000 });
  const batches = new Batches<number, number>({ limits, run: async (items) => items.map((value) => ({ value })) });
  const items = Array.from({ length: 64 }, (_, item) => batches.add({ item, size: 1 }, signal));
  await Promise.all(items);
  expect(seen.most).toBe(1);
});

test('all are told of an abort, once, but those who took it back', async () => {
  const { controller, signal } = countedSignal();
  const told: string[] = [];
  const tell = () => told.push('twice');
  whenAborted(signal, tell);
  whenAborted(signal, tell);
  const stop = whenAborted(signal, () => told.push('never'));
  stop();
  stop();
  const pending = Array.from({ length: 20 }, () => untilAborted(new Promise(() => {}), signal));
  controller.abort(new Error('enough'));
  for (const wait of pending) await expect(wait).rejects.toThrow('enough');
  expect(told).toEqual(['twice', 'twice']);
});

test('with a signal that was aborted before, nobody waits', async () => {
  await expect(untilAborted(new Promise(() => {}), AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
});
