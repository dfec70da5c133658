// What is no argument at all is a TypeError with a name in it, from every function that is exported.

import { describe, expect, test } from 'vitest';
import { all, isError } from './exported.ts';

/** What engines say of code that looks at what it did not check. */
const raw =
  /is not a function|Cannot (read|destructure|convert|use)|is not iterable|is not a constructor|private member/;

const functions = [...all].filter(([, value]) => typeof value === 'function' && !isError(value)) as [
  string,
  (...args: unknown[]) => unknown,
][];

/** What a call ends with, where it does within a moment. */
async function endOf(call: () => unknown): Promise<unknown> {
  try {
    const moment = new Promise<undefined>((resolve) => setTimeout(resolve, 200, undefined));
    return await Promise.race([(async () => call())().then(() => undefined), moment]);
  } catch (error) {
    return error;
  }
}

describe.each(functions.filter(([name]) => !name.startsWith('generate')))('%s', (_, called) => {
  test.each([[undefined], [null], [5], [{}], [[]]])('of %j', async (given) => {
    const ends = await Promise.all([[given], [{}, given]].map((args) => endOf(() => called(...args))));
    for (const error of ends) expect(String((error as Error | undefined)?.message)).not.toMatch(raw);
  });
});
