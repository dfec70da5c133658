/** The Merkle tree of RFC 6962 §2.1: growing it, and proofs from stored hashes. */

import { sha256 } from '../crypto/digest.ts';
import { IntegrityError } from '../errors.ts';
import { type Bytes, concat, equalBytes } from '../lib/bytes.ts';

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

/** The nodes of every eighth level are stored, so that a proof reads few rows and a leaf writes hardly more than itself. */
export const storedLevels = 8;

/** A tree by its perfect subtrees, from the largest to the smallest. */
export interface Frontier {
  readonly size: number;
  readonly hashes: readonly Bytes[];
}

/** A node on a level that is stored. */
export interface StoredNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Bytes;
}

/** Reads hashes of perfect subtrees: level 0 are leaves; levels are multiples of {@link storedLevels}. */
export type NodeReader = (level: number, from: number, to: number) => Promise<readonly Bytes[]>;

export const emptyFrontier: Frontier = { size: 0, hashes: [] };

export function leafHash(entry: Uint8Array): Bytes {
  return sha256(concat(leafPrefix, entry));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  return sha256(concat(nodePrefix, left, right));
}

/** The tree with one leaf more, and the nodes to store that it completed. */
export function appendLeaf({ size, hashes }: Frontier, leaf: Bytes): { frontier: Frontier; nodes: StoredNode[] } {
  const stack = [...hashes];
  const nodes: StoredNode[] = [];
  let hash = leaf;
  for (let level = 0; Math.floor(size / 2 ** level) % 2 === 1; level += 1) {
    const left = stack.pop();
    if (!left) throw new TypeError('The frontier does not fit its size');
    hash = nodeHash(left, hash);
    if ((level + 1) % storedLevels === 0)
      nodes.push({ level: level + 1, index: Math.floor(size / 2 ** (level + 1)), hash });
  }
  stack.push(hash);
  return { frontier: { size: size + 1, hashes: stack }, nodes };
}

/** The root hash of a tree. */
export function rootOf({ hashes }: Frontier): Bytes {
  const [last, ...others] = [...hashes].reverse();
  if (!last) return sha256(new Uint8Array());
  return others.reduce((right, left) => nodeHash(left, right), last);
}

/** Whether two trees are of the same leaves. */
export function isSameTree(one: Frontier, other: Frontier): boolean {
  return one.size === other.size && equalBytes(concat(...one.hashes), concat(...other.hashes));
}

/** The first `size` leaves as a tree that grows. */
export async function frontierAt(read: NodeReader, size: number): Promise<Frontier> {
  const hashes: Bytes[] = [];
  for (let from = 0; from < size; ) {
    const length = 2 ** Math.floor(Math.log2(size - from));
    hashes.push(await perfect(read, from, length));
    from += length;
  }
  return { size, hashes };
}

/** The root of the first `size` leaves. */
export function rootAt(read: NodeReader, size: number): Promise<Bytes> {
  return rangeHash(read, 0, size);
}

/** RFC 6962 §2.1.1: the path from leaf `index` to the root of the first `size` leaves. */
export async function inclusionProof(read: NodeReader, index: number, size: number): Promise<Bytes[]> {
  return path(read, index, 0, size);
}

/** RFC 6962 §2.1.2: that the tree of `to` leaves continues that of `from`. */
export async function consistencyProof(read: NodeReader, from: number, to: number): Promise<Bytes[]> {
  if (from === 0 || from === to) return [];
  return subproof(read, from, 0, to, true);
}

async function path(read: NodeReader, index: number, from: number, to: number): Promise<Bytes[]> {
  if (to - from <= 1) return [];
  const middle = from + split(to - from);
  if (index < middle) return [...(await path(read, index, from, middle)), await rangeHash(read, middle, to)];
  return [...(await path(read, index, middle, to)), await rangeHash(read, from, middle)];
}

async function subproof(read: NodeReader, size: number, from: number, to: number, whole: boolean): Promise<Bytes[]> {
  if (size === to - from) return whole ? [] : [await rangeHash(read, from, to)];
  const k = split(to - from);
  if (size <= k) {
    return [...(await subproof(read, size, from, from + k, whole)), await rangeHash(read, from + k, to)];
  }
  return [...(await subproof(read, size - k, from + k, to, false)), await rangeHash(read, from, from + k)];
}

async function rangeHash(read: NodeReader, from: number, to: number): Promise<Bytes> {
  const length = to - from;
  if (length === 0) return sha256(new Uint8Array());
  const k = split(length);
  if (2 * k === length || length === 1) return perfect(read, from, length);
  return nodeHash(await perfect(read, from, k), await rangeHash(read, from + k, to));
}

async function perfect(read: NodeReader, from: number, length: number): Promise<Bytes> {
  const level = Math.floor(Math.log2(length) / storedLevels) * storedLevels;
  const width = 2 ** level;
  let row = [...(await read(level, from / width, (from + length) / width))];
  if (row.length !== length / width) throw new IntegrityError('The log has not that many entries');
  while (row.length > 1) row = pairs(row);
  return row[0] as Bytes;
}

function pairs(row: readonly Bytes[]): Bytes[] {
  const next: Bytes[] = [];
  for (let i = 0; i < row.length; i += 2) next.push(nodeHash(row[i] as Bytes, row[i + 1] as Bytes));
  return next;
}

/** The largest power of two below n (RFC 6962), for n > 1. */
function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

/** RFC 9162 §2.1.3.2 */
export function verifyInclusion(
  leaf: Bytes,
  index: number,
  size: number,
  proof: readonly Bytes[],
  root: Bytes,
): boolean {
  if (index >= size) return false;
  let [fn, sn, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else hash = nodeHash(hash, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equalBytes(hash, root);
}

/** RFC 9162 §2.1.4.2 */
export function verifyConsistency(
  from: number,
  to: number,
  fromRoot: Bytes,
  toRoot: Bytes,
  proof: readonly Bytes[],
): boolean {
  if (from === to) return proof.length === 0 && equalBytes(fromRoot, toRoot);
  if (from === 0) return proof.length === 0;
  const steps = Number.isInteger(Math.log2(from)) ? [fromRoot, ...proof] : [...proof];
  const first = steps.shift();
  if (from > to || !first) return false;
  let [fn, sn] = [from - 1, to - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let [older, newer] = [first, first];
  for (const step of steps) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      older = nodeHash(step, older);
      newer = nodeHash(step, newer);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else newer = nodeHash(newer, step);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equalBytes(older, fromRoot) && equalBytes(newer, toRoot);
}
