// The vectors catch what they are made for: the reference with one mistake in it fails some of them. A mistake that no vector finds fails this test.

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, test } from 'vitest';
import invalidVectors from '../vectors/invalid.json' with { type: 'json' };
import keys from '../vectors/keys.json' with { type: 'json' };
import validVectors from '../vectors/valid.json' with { type: 'json' };
import { toReaderKey } from './generate/build.ts';
import { decodeBytes, type InvalidVector, type KeyMaterial, plaintextOf, type ValidVector } from './vectors.ts';

type Reader = typeof import('./bulla.ts');
const material: Readonly<Record<string, KeyMaterial>> = keys;
/** PBKDF2 and RSA of many bits are slow and make no difference here; so are long messages. */
const isQuick = ({ name, message }: { name: string; message?: unknown }) =>
  !name.includes('passphrase') && !name.includes('8,192') && JSON.stringify(message ?? '').length < 100_000;
const valid = (validVectors as unknown as ValidVector[]).filter((each) => each.message !== undefined && isQuick(each));
const invalid = (invalidVectors as unknown as InvalidVector[]).filter(isQuick);
const source = readFileSync(new URL('./bulla.ts', import.meta.url), 'utf8');

async function readerWith(right: string, wrong: string): Promise<Reader> {
  expect(source.split(right)).toHaveLength(2);
  const code = stripTypeScriptTypes(source.replace(right, () => wrong));
  return import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
}

/** The names of the vectors that a reader gets wrong. */
function failuresOf({ decrypt, decodeText }: Reader): string[] {
  const isRight = (vector: ValidVector) => {
    const held = vector.readers ?? vector.wraps.flatMap((wrap) => ('key' in wrap ? [wrap] : []));
    const readers = held.map((key) => toReaderKey(key, material));
    return (vector.readers === undefined ? readers.map((reader) => [reader]) : [readers]).every((each) => {
      const { plaintext } = decrypt(decodeBytes(vector.message ?? ''), each, vector.context);
      for (const text of vector.folded ?? []) decodeText('bulla', text);
      return Buffer.compare(plaintext, plaintextOf(vector)) === 0;
    });
  };
  const isRefused = ({ message, text, detached, keys: names, context, code }: InvalidVector) => {
    if (detached !== undefined) return true;
    const readers = names.map((key) => toReaderKey(key, material));
    try {
      decrypt(text === undefined ? decodeBytes(message ?? '') : decodeText('bulla', text), readers, context);
      return false;
    } catch (error) {
      return (error as { code?: string }).code === code;
    }
  };
  const opens = (vector: ValidVector) => {
    try {
      return isRight(vector);
    } catch {
      return false;
    }
  };
  return [...valid.filter((vector) => !opens(vector)), ...invalid.filter((vector) => !isRefused(vector))].map(
    ({ name }) => name,
  );
}

/** What a reader does wrong, the line of the reference and what it becomes, and a vector that must find it. */
const mistakes: readonly (readonly [what: string, right: string, wrong: string, vector: RegExp])[] = [
  [
    'stops at the first entry for its key that does not unwrap',
    'entriesFor(key).map(',
    'entriesFor(key).slice(0, 1).map(',
    /does not unwrap before the right one, for one key/,
  ],
  [
    'tries the entries from the last to the first',
    'entriesFor(key).map(',
    'entriesFor(key).reverse().map(',
    /another data key behind the right one, for one key/,
  ],
  [
    'lets the storage choose which of its keys comes first',
    'readerKeys.flatMap((key) => entriesFor(key).map((wrapped) => () => unwrap(wrapped, key)))',
    'wrappedKeys.flatMap((wrapped) => readerKeys.filter((key) => isFor(key, wrapped)).map((key) => () => unwrap(wrapped, key)))',
    /first key of the reader, whose entry is the last/,
  ],
  [
    'tries its own keys from the last to the first',
    'readerKeys.flatMap((key) =>',
    '[...readerKeys].reverse().flatMap((key) =>',
    /first of two private keys, whose entry is the last/,
  ],
  [
    'compares the version of a key that a service holds',
    "(key.serviceId !== '' || key.version === wrapped.version)",
    'key.version === wrapped.version',
    /service-ecdh, version 7 for a reader of version 1/,
  ],
  [
    'does not compare the version of other keys',
    " && (key.serviceId !== '' || key.version === wrapped.version)",
    '',
    /aes, an entry of another version before that of the reader/,
  ],
  [
    'takes any key context where none is configured',
    'isSame(nameOf(key), nameOf(wrapped))',
    'isSame(nameOf(key), nameOf(key.keyContext.length === 0 ? { ...wrapped, keyContext: [] } : wrapped))',
    /aes, an entry with a key context before one without, for a reader with none/,
  ],
  [
    'does not compare the digest in what a provider opened',
    'check(crypto.timingSafeEqual(plaintext.subarray(0, 48), digest)',
    'check(digest.length === 48',
    /kms: wrapped under another key context, by a provider that passes over additional data/,
  ],
  [
    'compares a part of that digest',
    'timingSafeEqual(plaintext.subarray(0, 48), digest)',
    'timingSafeEqual(plaintext.subarray(0, 32), digest.subarray(0, 32))',
    /kms: a digest whose last bit is another was wrapped/,
  ],
  [
    'does not look at the length of what a provider opened',
    "check(plaintext.length === 80, '§8.10', FAILED);",
    'if (plaintext.length > 80) return plaintext.subarray(48, 80);',
    /kms: a byte behind the data key was wrapped/,
  ],
  [
    'asks a provider for every entry of an envelope',
    'own.filter(isAsked).slice(4)',
    '[]',
    /kms: the right entry behind four for the same key/,
  ],
  [
    'asks a provider for the first entry alone',
    'own.filter(isAsked).slice(4)',
    'own.filter(isAsked).slice(1)',
    /three entries that do not unwrap before the right one, by kms/,
  ],
  [
    'counts what cannot be a ciphertext of the provider',
    'own.filter(isAsked).slice(4)',
    'own.slice(4)',
    /entries that cannot be ciphertexts of the provider are not counted/,
  ],
  [
    'has no limit for the names in a header',
    "check(found.length <= 64, '§2.4', LIMIT);",
    "check(found.length <= 64 || number === 6, '§2.4', LIMIT);",
    /context names: 65 in the header alone, 0 given/,
  ],
  [
    'judges the suite after the other fields of the header',
    "check(Number(suite) <= 1 || Number(suite) >= 2 ** 32, '§3.1', 'ERR_UNSUPPORTED_SUITE');\n  const header = decode(HEADER, headerBytes, 1024);",
    "const header = decode(HEADER, headerBytes, 1024);\n  check(Number(suite) <= 1 || Number(suite) >= 2 ** 32, '§3.1', 'ERR_UNSUPPORTED_SUITE');",
    /header: suite 2, and a salt of 16 bytes/,
  ],
  [
    'takes a commitment of any length',
    "commitment: [3, BYTES, [32, 32, '§2.1']]",
    "commitment: [3, BYTES, [1, 64, '§2.1']]",
    /commitment: 31 bytes/,
  ],
  [
    'removes no white space from a text form',
    String.raw`folded.replaceAll(/^\ufeff|[\t\n\r ]/g, '')`,
    'folded',
    /text form, folded/,
  ],
  [
    'removes every kind of white space from a text form',
    String.raw`/^\ufeff|[\t\n\r ]/g`,
    String.raw`/^\ufeff|\s/g`,
    /text: U\+00a0 in the middle/,
  ],
];

describe('a reader that', () => {
  for (const [what, right, wrong, vector] of mistakes) {
    test(`${what} is found`, async () => {
      const failures = failuresOf(await readerWith(right, wrong));
      expect(failures).toContainEqual(expect.stringMatching(vector));
    });
  }

  test('makes no mistake fails nothing', async () => {
    expect(failuresOf(await readerWith(source, source))).toEqual([]);
  });
});
