/** What is said of a store that is not to be trusted, `docs/key-service.md` §11.2. */

import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../src/errors.ts';
import { DistrustLog } from '../src/logger.ts';

describe('§11.2 what is not to be trusted', () => {
  it('is said once a minute for each reason, with how often it was not', () => {
    let now = 0;
    const lines: unknown[] = [];
    const log = new DistrustLog({ fatal: (fields: unknown) => void lines.push(fields) }, () => now);
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

  it('is a hundred lines a minute at most, whatever the reasons are', () => {
    let now = 0;
    let lines = 0;
    const fatal = (): void => {
      lines += 1;
    };
    const log = new DistrustLog({ fatal }, () => now);
    for (let n = 0; n < 5000; n += 1) log.say(new IntegrityError(`key-${n}`), 'what');
    expect(lines).toBe(100);
    now += 60_000;
    log.say(new IntegrityError('key-4999'), 'what');
    expect(lines).toBe(101);
  });
});
