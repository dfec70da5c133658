// Mutations of messages at the level of bytes, seeded, for tests that no mutation may survive.

import type { Bytes } from '../../src/types.ts';

/** A generator of whole numbers below a bound; the same sequence for the same seed. */
export function generator(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const interesting = [0, 1, 2, 0x04, 0x0a, 0x12, 0x1a, 0x7f, 0x80, 0xfe, 0xff];

type Mutation = (bytes: Bytes, other: Bytes, next: (below: number) => number) => Bytes;

const mutations: readonly Mutation[] = [
  // Flip a bit.
  (bytes, _, next) => edit(bytes, (copy) => xor(copy, next(copy.length), 1 << next(8))),
  // Flip a bit near the front, where envelope and lengths are.
  (bytes, _, next) => edit(bytes, (copy) => xor(copy, next(Math.min(400, copy.length)), 1 << next(8))),
  // Set a byte to one that parsers dislike.
  (bytes, _, next) =>
    edit(bytes, (copy) => copy.fill(interesting[next(interesting.length)] as number, next(400), undefined)),
  (bytes, _, next) => {
    const at = next(Math.min(400, bytes.length));
    return edit(bytes, (copy) => copy.fill(interesting[next(interesting.length)] as number, at, at + 1));
  },
  // Cut, at either end.
  (bytes, _, next) => bytes.slice(0, next(bytes.length)),
  (bytes, _, next) => bytes.slice(next(bytes.length)),
  // Remove, repeat or insert a piece.
  (bytes, _, next) => splice(bytes, next(bytes.length), 1 + next(64), new Uint8Array(0)),
  (bytes, _, next) => {
    const at = next(bytes.length);
    return splice(bytes, at, 0, bytes.slice(at, at + 1 + next(64)));
  },
  (bytes, _, next) =>
    splice(
      bytes,
      next(bytes.length),
      0,
      Uint8Array.from({ length: 1 + next(16) }, () => next(256)),
    ),
  // Put a piece of another message in, in place or not.
  (bytes, other, next) => {
    const at = next(bytes.length);
    const length = 1 + next(600);
    return splice(bytes, at, length, other.slice(at, at + length));
  },
  (bytes, other, next) => {
    const at = next(other.length);
    return splice(bytes, next(bytes.length), next(64), other.slice(at, at + next(300)));
  },
  // Change the envelope's length.
  (bytes, _, next) => edit(bytes, (copy) => xor(copy, 6 + next(4), 1 + next(255))),
];

/** A mutant of a message, by one to three mutations; `other` lends pieces. May by chance be the message itself. */
export function mutate(bytes: Bytes, other: Bytes, next: (below: number) => number): Bytes {
  let mutant = bytes;
  for (let rounds = next(3); rounds >= 0; rounds--) {
    if (mutant.length === 0) break;
    mutant = (mutations[next(mutations.length)] as Mutation)(mutant, other, next);
  }
  return mutant;
}

function edit(bytes: Bytes, change: (copy: Bytes) => void): Bytes {
  const copy = bytes.slice();
  change(copy);
  return copy;
}

function xor(bytes: Bytes, at: number, value: number): void {
  bytes[at] = (bytes[at] as number) ^ value;
}

function splice(bytes: Bytes, at: number, remove: number, insert: Bytes): Bytes {
  const rest = bytes.subarray(at + remove);
  const result = new Uint8Array(Math.min(at, bytes.length) + insert.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(rest, at + insert.length);
  return result;
}
