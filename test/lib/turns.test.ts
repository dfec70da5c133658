import { describe, expect, test } from 'vitest';
import { turnTaker } from '../../src/lib/turns.ts';

/** A clock and an event loop by hand. */
function byHand(slice: number) {
  let time = 1_000;
  const waiting: (() => void)[] = [];
  const inTurn = turnTaker({ slice, now: () => time, nextTurn: (resume) => waiting.push(resume) });
  return {
    inTurn,
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    turn: async () => {
      for (const resume of waiting.splice(0)) resume();
      await Promise.resolve();
    },
    waiting,
  };
}

describe('turns of the event loop', () => {
  test('results are handed on at once within a slice, and after a turn beyond', async () => {
    const { inTurn, pass, turn, waiting } = byHand(8);
    for (let i = 0; i < 8; i++, pass(1)) expect(inTurn(i)).toBe(i);
    const late = inTurn('late');
    expect(late).toBeInstanceOf(Promise);
    expect(waiting.length).toBe(1);
    let handedOn = false;
    void (late as Promise<string>).then(() => {
      handedOn = true;
    });
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(handedOn).toBe(false);
    await turn();
    expect(await late).toBe('late');
    expect(inTurn(1)).toBe(1);
  });

  test('all who come before the turn wait for the same one', async () => {
    const { inTurn, pass, turn, waiting } = byHand(8);
    void inTurn(0);
    pass(8);
    const others = [inTurn(1), inTurn(2)];
    expect(waiting.length).toBe(1);
    await turn();
    expect(await Promise.all(others)).toEqual([1, 2]);
  });

  test('pieces that take longer than a slice: a turn after each but the first', async () => {
    const { inTurn, pass, turn } = byHand(8);
    pass(500);
    expect(inTurn(0)).toBe(0);
    for (let i = 1; i < 20; i++) {
      pass(500);
      const late = inTurn(i);
      expect(late).toBeInstanceOf(Promise);
      await turn();
      expect(await late).toBe(i);
    }
  });

  test('a call after a turn that others had anyway waits for nothing', async () => {
    const { inTurn, pass, turn, waiting } = byHand(8);
    for (let i = 0; i < 50; i++, pass(9)) {
      expect(inTurn(i)).toBe(i);
      await turn();
    }
    expect(waiting).toEqual([]);
  });

  test('nothing is asked for once nobody works', async () => {
    const { inTurn, pass, turn, waiting } = byHand(8);
    void inTurn(0);
    pass(9);
    void inTurn(0);
    await turn();
    await turn();
    expect(waiting).toEqual([]);
  });

  test('the time of the turn itself is nobody’s work', async () => {
    const { inTurn, pass, turn } = byHand(8);
    void inTurn(0);
    pass(8);
    void inTurn(0);
    pass(500);
    await turn();
    expect(inTurn(1)).toBe(1);
  });
});
