// Nothing that the package gives out looks at options that were not taken: by the call graph, where test/architecture/options.test.ts shows it by calls.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { programOf, publicEntries } from './program.ts';
import { optionsNotTaken } from './taken.ts';

const entries = publicEntries();

test('every function with options takes them, exported or a method of what is returned', { timeout: 240_000 }, () => {
  const { checked, faults } = optionsNotTaken(programOf(entries), entries);
  expect(faults).toEqual([]);
  // Of each kind: an export, an overload, a member of an exported object, and methods: of a literal, spread, made by a function, asserted.
  expect(checked).toEqual(
    expect.arrayContaining([
      ...['message/decrypt.ts: decrypt', 'message/encrypt.ts: encrypt', 'fields/columns.ts: encrypted.date'],
      ...['keyrings/local.ts: localKeyring.wrapDataKey', 'service/client.ts: dataKeyMethods.wrapDataKey'],
      ...[
        'keyrings/service.ts: serviceKeyring.cacheScope',
        'fields/encryption.ts: createFieldEncryption.encryption.shred',
      ],
    ]),
  );
  expect(checked.length).toBeGreaterThan(110);
});

/** Ways past the rule, each in one file: what is replaced, and what is found then. */
const bypasses = [
  ['message/inspect.ts', 'takeOptions(options, readers)', 'options', 'inspect: { messageLength } = options'],
  ['message/rewrap.ts', 'takeOptions(options, rewrapReaders)', 'options as never', 'rewrap: options as never'],
  ['files/save.ts', 'takeOptions(options, readers)', '{ ...options }', 'openFileToSave: ...options'],
  [
    'service/management.ts',
    'takeOptions(options, changeReaders)',
    'options',
    'keyManagement.rotate: { revision, signal }',
  ],
  [
    'keyrings/any-of.ts',
    'return inFrontOf(first, {',
    'return ((own: Keyring): Keyring => own)({',
    'anyOf.unwrapDataKey: options.signal',
  ],
] as const;

test('and one that does not is found', { timeout: 240_000 }, () => {
  const replaced = bypasses.map(([file, from, to]) => {
    const text = readFileSync(`src/${file}`, 'utf8');
    expect(text, file).toContain(from);
    return [`src/${file}`, text.replace(from, to)];
  });
  const { faults } = optionsNotTaken(programOf(entries, Object.fromEntries(replaced)), entries);
  for (const [file, , , fault] of bypasses)
    expect(
      faults.some((each) => each.startsWith(`${file}: ${fault}`)),
      fault,
    ).toBe(true);
});
