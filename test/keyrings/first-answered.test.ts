// "The first that unwraps" where each try is a call, docs/format.md §7.5: what one call shows keeps nothing else from being tried.

import { expect, test } from 'vitest';
import { DecryptionError, KeyServiceError, type KeyServiceErrorCode } from '../../src/index.ts';
import { firstAnswered } from '../../src/keyrings/first-answered.ts';
import { codeOf } from '../support/data.ts';

interface Candidate {
  readonly name: string;
  readonly key: string;
  readonly address: string;
}

// Two wrapped keys for each of two keys at one address, and one for a key elsewhere.
const candidates: readonly Candidate[] = [
  { name: 'a1', key: 'a', address: 'here' },
  { name: 'a2', key: 'a', address: 'here' },
  { name: 'b1', key: 'b', address: 'here' },
  { name: 'c1', key: 'c', address: 'there' },
];

/** Which candidates are called while those of the key `a` fail with a code, and no other opens anything. */
async function calledAfter(code: string) {
  const called: string[] = [];
  const result = firstAnswered(
    candidates,
    undefined,
    async ({ name, key }) => {
      called.push(name);
      throw key === 'a' && code !== 'ERR_DECRYPTION_FAILED'
        ? new KeyServiceError(code as KeyServiceErrorCode, name)
        : new DecryptionError();
    },
    (candidate) => candidate,
  );
  expect(await codeOf(result)).toBe(code);
  return called.join(' ');
}

test.each([
  ['ERR_DECRYPTION_FAILED', 'a1 a2 b1 c1'],
  ['ERR_NOT_ALLOWED', 'a1 a2 b1 c1'],
  ['ERR_KEY_DISABLED', 'a1 a2 b1 c1'],
  ['ERR_DATA_KEY_REVOKED', 'a1 a2 b1 c1'],
  ['ERR_SERVICE_REQUEST', 'a1 a2 b1 c1'],
  ['ERR_SERVICE_UNAVAILABLE', 'a1 b1 c1'],
  ['ERR_SERVICE_ANSWER', 'a1 b1 c1'],
  ['ERR_THROTTLED', 'a1 b1 c1'],
  ['ERR_SERVICE_UNREACHABLE', 'a1 c1'],
  ['ERR_SERVICE_TIMEOUT', 'a1 c1'],
  ['ERR_SERVICE_REDIRECTED', 'a1 c1'],
  ['ERR_SERVICE_IDENTITY', 'a1 c1'],
  ['ERR_TOKEN_UNAVAILABLE', 'a1 c1'],
  ['ERR_TOKEN_EXPIRED', 'a1 c1'],
  ['ERR_TOKEN_REFUSED', 'a1 c1'],
  ['ERR_PROOF_REFUSED', 'a1 c1'],
])('§7.5 after %s: %s', async (code, called) => {
  expect(await calledAfter(code)).toBe(called);
});

test('§7.5 another key opens what the first could not', async () => {
  const opened = firstAnswered(
    candidates,
    undefined,
    async ({ name, address }) => {
      if (address === 'here') throw new KeyServiceError('ERR_SERVICE_UNREACHABLE', 'x');
      return name;
    },
    (candidate) => candidate,
  );
  expect(await opened).toBe('c1');
});

test('an error of nobody we know is about one candidate', async () => {
  const called: string[] = [];
  const failing = firstAnswered(candidates, undefined, async ({ name }) => {
    called.push(name);
    throw new TypeError('a mistake');
  });
  await expect(failing).rejects.toThrow(TypeError);
  expect(called).toEqual(['a1', 'a2', 'b1', 'c1']);
});
