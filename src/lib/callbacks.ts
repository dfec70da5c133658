/**
 * Calls of applications' functions. Two kinds exist. Listeners watch: whatever they do, what they watch goes on. Functions that decide give an answer: what they
 * throw or reject with fails the call that asked, and so does an answer that is none.
 */

/**
 * Tells a listener. What it throws is ignored, and so is the rejection of a promise that it returns; nobody waits for such a promise. A listener may call back in:
 * tell it when your own state is complete.
 */
export function tell<Args extends readonly unknown[]>(
  listener: ((...args: Args) => unknown) | undefined,
  ...args: Args
): void {
  tellOr(() => {}, listener, ...args);
}

/** Tells a listener whose failure is of importance: `failed` hears what it throws, or what a promise that it returns rejects with. */
export function tellOr<Args extends readonly unknown[]>(
  failed: (reason: unknown) => void,
  listener: ((...args: Args) => unknown) | undefined,
  ...args: Args
): void {
  try {
    const result = listener?.(...args);
    // An async listener: without a handler its rejection would end a Node process.
    if (result !== undefined) Promise.resolve(result).catch(failed);
  } catch (error) {
    failed(error);
  }
}

/** The answer of a function that must say yes or no. Throws a `TypeError` for anything else: a promise, for example, would count as a yes. */
export function yesOrNo(answer: unknown, name: string): boolean {
  if (typeof answer !== 'boolean') throw wrongAnswer(answer, name, 'true or false');
  return answer;
}

/** The time that a clock shows, in milliseconds. Throws a `TypeError` for what is no finite number. */
export function timeOf(clock: () => number, name = 'now'): number {
  const time: unknown = clock();
  if (!Number.isFinite(time)) throw wrongAnswer(time, name, 'a finite number of milliseconds');
  return time as number;
}

/** The error for an answer that is none. Where it is a promise, nobody waits for it, and its rejection is ignored. */
export function wrongAnswer(answer: unknown, name: string, must: string): TypeError {
  tell(() => answer);
  return new TypeError(`${name}() must return ${must}`);
}
