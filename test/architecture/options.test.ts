// Every function of the public entries that takes options takes them once, when it is called: found by walking the exports, so that a new one cannot be forgotten.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { faultsOf, outcomeOf } from '../support/hostile-options.ts';
import { none, returning, taking } from './export-calls.ts';
import { all, entries, isError, manifest, scripts } from './exported.ts';

describe('every export', () => {
  const functions = [...all].filter(([, value]) => !isError(value)).map(([name]) => name);

  test('is known here, and nothing else is', () => {
    expect(entries.length).toBeGreaterThan(15);
    for (const [name, value] of all) expect(typeof value, name).toBe('function');
    expect([...Object.keys(taking), ...none].sort()).toEqual(functions.sort());
    expect(Object.keys(returning).filter((name) => !none.includes(name))).toEqual([]);
    for (const subpath of scripts) {
      const target = manifest.exports[subpath] as Record<string, string>;
      expect(readFileSync(target['bulla-source'] as string, 'utf8')).not.toMatch(/^export/m);
    }
  });

  test.each(Object.entries(taking))('%s takes its options once, when it is called', async (_, entry) => {
    // Where a call cannot succeed, nothing would be compared.
    expect(await outcomeOf(entry, entry.options())).toMatch(entry.outcome ?? /^ok$/);
    expect(await faultsOf(entry)).toEqual([]);
  });
});

/** The methods of what a call returned, those of its class included. */
function methodsOf(returned: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = returned; at !== null; at = Object.getPrototypeOf(at)) {
    if (at === Object.prototype || at === Function.prototype) break;
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return [...names];
}

/** Not every keyring has them. */
const optionalMethods = ['rewrapDataKey', 'ownKeys', 'revokeDataKeys', 'rejectDataKey', 'segmentFailed'];

/** What applications keep is read through a Proxy, or taken apart: its methods need no receiver, and there is no class with private members behind it. */
const isKept = (returned: object) =>
  typeof returned === 'function' || Object.getPrototypeOf(returned) === Object.prototype;

describe('every method of what is returned', () => {
  const some = Object.entries({ ...taking, ...returning }).filter(([, { returns }]) => returns !== undefined);

  test.each(some)('of %s needs no receiver', async (_, { returns, methods = {} }) => {
    const returned = (await returns?.()) as Record<string, unknown>;
    expect(isKept(returned)).toBe(true);
    const faults: string[] = [];
    for (const [name, method] of Object.entries(methods)) {
      if (method === 'none' || !(name in returned)) continue;
      const expected = await outcomeOf(method(returned as never), method(returned as never).options());
      for (const kept of [{ ...returned }, new Proxy(returned, {})]) {
        const call = method(kept as never);
        const outcome = await outcomeOf(call, call.options());
        if (outcome !== expected) faults.push(`${name}: ${outcome}, and not ${expected}`);
      }
    }
    expect(faults).toEqual([]);
    await (returned as { close?(): Promise<void> }).close?.();
  });

  test.each(some)('of %s takes its options once, when it is called', async (_, { returns, methods = {} }) => {
    const returned = (await returns?.()) as object;
    const faults: string[] = [];
    for (const name of methodsOf(returned)) {
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) faults.push(`${name} is not known here`);
      if (method === undefined || method === 'none') continue;
      const call = method(returned as never);
      const outcome = await outcomeOf(call, call.options());
      if (outcome.startsWith('TypeError')) faults.push(`${name} is called wrongly: ${outcome}`);
      faults.push(...(await faultsOf(call)).map((fault) => `${name}: ${fault}`));
    }
    for (const name of Object.keys(methods))
      if (!(name in returned) && !optionalMethods.includes(name)) faults.push(`${name} is no method`);
    expect(faults).toEqual([]);
  });
});
