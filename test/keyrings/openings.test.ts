// One call for all callers who want the same data key at the same time. However they come and go, what was opened is overwritten.

import { describe, expect, test } from 'vitest';
import { Openings } from '../../src/keyrings/openings.ts';
import type { Bytes } from '../../src/types.ts';
import { pattern, rejection } from '../support/data.ts';

/** Work that is let go by the test, and what it opened. */
function provider() {
  const opened: Bytes[] = [];
  const letGo: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<Bytes>((resolve) => {
      letGo.push(() => {
        const bytes = pattern(32, 5);
        opened.push(bytes);
        resolve(bytes);
      });
    });
  };
  return { opened, letGo, signals, work };
}

const task = () => new Promise((resolve) => setTimeout(resolve));

describe('who comes after the last one gave up', () => {
  const cases = Array.from({ length: 10 }, (_, steps) => [
    { steps, late: 'first' },
    { steps, late: 'last' },
  ]).flat();
  test.each(cases)(
    'by $steps microtasks, where the answer to the first comes $late, leaves nothing behind',
    async ({ steps, late }) => {
      const { opened, letGo, work } = provider();
      const openings = new Openings();
      const controller = new AbortController();
      const first = rejection(openings.join('id', work, controller.signal));
      await task();
      controller.abort(new Error('enough'));
      for (let step = 0; step < steps; step++) await undefined;
      const second = openings.join('id', work, undefined);
      expect((await first).message).toBe('enough');
      await task();
      for (const go of late === 'first' ? letGo : [...letGo].reverse()) {
        go();
        await task();
      }
      expect(await second).toEqual(pattern(32, 5));
      await task();
      expect(opened).toEqual(letGo.map(() => new Uint8Array(32)));
    },
  );
});

test('each has bytes of their own, and the work ends when nobody waits', async () => {
  const { opened, letGo, signals, work } = provider();
  const openings = new Openings();
  const controllers = [new AbortController(), new AbortController()];
  const [one, two] = controllers.map(({ signal }) => openings.join('id', work, signal)) as [
    Promise<Bytes>,
    Promise<Bytes>,
  ];
  const three = openings.join('id', work, undefined);
  const other = openings.join('other', work, undefined);
  controllers[0]?.abort(new Error('enough'));
  expect((await rejection(one)).message).toBe('enough');
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  letGo[0]?.();
  const bytes = await two;
  expect(bytes).toEqual(pattern(32, 5));
  expect(await three).toEqual(bytes);
  expect(await three).not.toBe(bytes);
  await task();
  expect(opened).toEqual([new Uint8Array(32)]);
  letGo[1]?.();
  await other;
  const [alone] = [new AbortController()];
  const last = rejection(openings.join('id', work, alone.signal));
  await task();
  alone.abort(new Error('enough'));
  await last;
  expect(signals.at(-1)?.aborted).toBe(true);
  letGo[2]?.();
  await task();
  expect(opened).toEqual(Array(3).fill(new Uint8Array(32)));
});

test('a failure is that of all who wait, and of nobody afterwards', async () => {
  const openings = new Openings();
  const failing = () => Promise.reject(new Error('refused'));
  const both = [openings.join('id', failing, undefined), openings.join('id', failing, undefined)].map(rejection);
  for (const error of await Promise.all(both)) expect(error.message).toBe('refused');
  expect(await openings.join('id', async () => pattern(32), undefined)).toEqual(pattern(32));
});
