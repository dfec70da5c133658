// Mutates messages and opens them by every path: `npm run fuzz`, `npm run fuzz -- --count 1000000 --seed 7 --seconds 600`.
// Ends with exit code 1, the seed and the number of the mutant, when one gives a wrong plaintext or an error without a code.

import { parseArgs } from 'node:util';
import { encrypt } from '../src/index.ts';
import { aesKeyring } from '../src/keyrings/aes.ts';
import { anyOf } from '../src/keyrings/any-of.ts';
import { ecdhKeyring, generateEcdhKey } from '../src/keyrings/ecdh.ts';
import { pattern } from '../test/support/data.ts';
import { generator, mutate } from '../test/support/mutate.ts';
import { type Target, torture } from '../test/support/torture.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    seconds: { type: 'string', default: '600' },
  },
});
const [count, seed, seconds] = [values.count, values.seed, values.seconds].map(Number) as [number, number, number];
const segmentSize = 4096;
const paths = ['decrypt', 'stream', 'workers', 'open', 'inspect', 'rewrap'] as const;

const outcomes = new Map<string, number>();
const targets = await makeTargets();
const next = generator(seed);
const end = performance.now() + seconds * 1000;
console.log(`fuzzing ${count} mutants, seed ${seed}, at most ${seconds} s`);

let done = 0;
for (; done < count && performance.now() < end; done++) {
  const { target, other } = targets[next(targets.length)] as (typeof targets)[number];
  const mutant = mutate(target.message, other, next);
  const path = paths[next(paths.length)] as (typeof paths)[number];
  try {
    const outcome = await torture(mutant, target, path);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  } catch (error) {
    console.error(`seed ${seed}, mutant ${done}, ${path}: ${Buffer.from(mutant).toString('base64url')}`);
    throw error;
  }
}

for (const [outcome, number] of [...outcomes].sort()) console.log(`${String(number).padStart(9)}  ${outcome}`);
console.log(`${done} mutants, no wrong plaintext, no untyped error`);
if (done < count) {
  console.error(`stopped after ${seconds} s with ${count - done} mutants to go`);
  process.exitCode = 1;
}

async function makeTargets(): Promise<{ target: Target; other: Target['message'] }[]> {
  const key = await generateEcdhKey();
  const ecdh = ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] });
  const aes = aesKeyring({ keyId: 'k', key: pattern(32), keyContext: { tenant: 'a' } });
  const shapes = [
    { keyring: aes, length: 0, context: {} },
    { keyring: aes, length: 3 * segmentSize + 9, context: { id: '4711', field: 'x' } },
    { keyring: ecdh, length: 100, context: { id: '4711' } },
    { keyring: anyOf(aes, ecdh), length: 2 * segmentSize, context: {} },
  ];
  return Promise.all(
    shapes.map(async ({ keyring, length, context }) => {
      const plaintext = pattern(length, 3);
      const options = { keyring, context, segmentSize, contentType: 'text/plain', metadata: { a: 'b', c: '' } };
      const message = await encrypt(plaintext, options);
      // Of another context, so that a mutant that is all of it does not open either.
      const other = await encrypt(pattern(length, 4), { ...options, context: { other: 'context' } });
      return { target: { message, plaintext, context, keyring }, other };
    }),
  );
}
