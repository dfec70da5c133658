/** What is said of a store that is not to be trusted, `docs/key-service.md` §11.2. */

import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../src/errors.ts';
import { DistrustLog } from '../src/logger.ts';

describe('§11.2 what is not to be trusted', () => {
  it('is said once a minute for each reason, with how often it was not', () => {
    let now = 0;
    const lines: unknown[] = [];
    const log = new DistrustLog({ fatal: (fields: unknown) => void lines.push(fields) }, { monotonic: () => now });
    const [one, other] = [new IntegrityError('one'), new IntegrityError('other')];
    for (let n = 0; n < 50; n += 1) log.say(one, 'what');
    log.say(other, 'what');
    expect(lines).toEqual([{ err: one }, { err: other }]);
    now += 59_999;
    log.say(new IntegrityError('one'), 'what');
    expect(lines).toHaveLength(2);
    now += 1;
    log.say(one, 'what');
    log.say(other, 'what');
    expect(lines.slice(2)).toEqual([{ err: one, unsaid: 50 }, { err: other }]);
  });

  it('is 20 reasons of a kind in a minute; all are counted, and none of another kind is kept quiet', () => {
    let now = 0;
    let counted = 0;
    const lines: { readonly err: Error; readonly unsaid?: number }[] = [];
    const count = (): void => {
      counted += 1;
    };
    const fatal = (fields: (typeof lines)[number]): void => void lines.push(fields);
    const log = new DistrustLog({ fatal: fatal as (fields: unknown) => void }, { monotonic: () => now, count });
    const say = (message: string) => log.say(new IntegrityError(message), 'what');
    const kinds: ((n: number) => string)[] = [
      (n) => `The rows of the key key-0a_${n}-Z are older than ones seen before`,
      (n) => `The log of the tenant t.${n}-a does not continue the head that was published`,
      (n) =>
        `The state of the tenant t ${String.fromCodePoint(0x4e00 + n)}\n went back: epoch ${n} and ${n + 1} entries`,
      (n) => `Entry ${n} was changed`,
    ];
    for (const kind of kinds) for (let n = 0; n < 5000; n += 1) say(kind(n));
    expect([lines.length, counted]).toEqual([20 * kinds.length, 5000 * kinds.length]);
    say('The published heads were changed');
    expect(lines.at(-1)?.err.message).toBe('The published heads were changed');
    now += 60_000;
    for (const kind of kinds) {
      say(kind(4999));
      expect(lines.at(-1)).toEqual({ err: new IntegrityError(kind(4999)), unsaid: 4980 });
      say(kind(1));
      expect(lines.at(-1)).toEqual({ err: new IntegrityError(kind(1)) });
    }
  });
});
