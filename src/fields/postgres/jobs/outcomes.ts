/** Work that succeeds for all of many items or for none, done so that one bad item is one bad item. */

import { FieldError } from '../../../errors.ts';

/** What became of an item: a result, or the code of what is wrong with it. */
export type Outcome<Result> = { readonly result: Result } | { readonly fault: string };

/**
 * The outcomes of items, in their order. `work` does many at once; where it rejects with a `FieldError`, it is asked again for halves, until the item is found. Other errors are of no item, and reject.
 */
export async function outcomesOf<Item, Result>(
  items: readonly Item[],
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
): Promise<readonly Outcome<Result>[]> {
  if (items.length === 0) return [];
  try {
    return (await work(items)).map((result) => ({ result }));
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    if (items.length === 1) return [{ fault: error.code }];
  }
  const middle = Math.ceil(items.length / 2);
  const first = await outcomesOf(items.slice(0, middle), work);
  return [...first, ...(await outcomesOf(items.slice(middle), work))];
}

/** The outcome of something synchronous. */
export function outcomeOf<Result>(work: () => Result): Outcome<Result> {
  try {
    return { result: work() };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { fault: error.code };
  }
}

/** Whether an outcome is a fault. */
export function isFault(outcome: Outcome<unknown>): outcome is { readonly fault: string } {
  return 'fault' in outcome;
}
