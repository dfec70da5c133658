import { describe, expect, test } from 'vitest';
import { forEachInOrder } from '../../src/stream/in-flight.ts';
import { rejection } from '../support/data.ts';

describe('in flight', () => {
  test('keeps order and never has more than its capacity under way', async () => {
    let running = 0;
    let most = 0;
    const order: number[] = [];
    await forEachInOrder(
      0,
      20,
      3,
      async (index) => {
        most = Math.max(most, ++running);
        for (let turns = 20 - index; turns > 0; turns--) await Promise.resolve();
        running--;
        return index * 2;
      },
      (result, index) => {
        expect(result).toBe(index * 2);
        order.push(index);
      },
    );
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(most).toBe(3);
  });

  test('stops at the first failure, and later failures are nobody’s to handle', async () => {
    const started: number[] = [];
    const consumed: number[] = [];
    const work = async (index: number) => {
      started.push(index);
      if (index >= 2) throw new Error(`failed ${index}`);
      return index;
    };
    const error = await rejection(forEachInOrder(0, 100, 4, work, (index) => consumed.push(index)));
    expect(error.message).toBe('failed 2');
    expect(consumed).toEqual([0, 1]);
    expect(started.length).toBeLessThan(8);
  });
});
