/** The tree and its proofs against RFC 6962, and signed notes; `docs/key-service.md` §8. */

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, signCheckpoint, verifierKey } from '../../src/audit/note.ts';
import type { Bytes } from '../../src/lib/bytes.ts';
import {
  appendLeaf,
  consistencyProof,
  emptyFrontier,
  type Frontier,
  inclusionProof,
  leafHash,
  nodeHash,
  rootAt,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../src/model/merkle.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

// RFC 6962 §2.1, word for word: what the frontier and the stored nodes must agree with.
function mth(leaves: readonly Bytes[]): Bytes {
  if (leaves.length === 1) return leaves[0] as Bytes;
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return nodeHash(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

function grow(count: number) {
  const levels = new Map<number, Bytes[]>([[0, []]]);
  const leaves: Bytes[] = [];
  let tree: Frontier = emptyFrontier;
  for (let index = 0; index < count; index += 1) {
    const leaf = leafHash(Buffer.from(`entry ${index}`));
    leaves.push(leaf);
    const { frontier, nodes } = appendLeaf(tree, leaf);
    for (const { level, hash } of nodes) levels.set(level, [...(levels.get(level) ?? []), hash]);
    tree = frontier;
  }
  levels.set(0, leaves);
  const read = async (level: number, from: number, to: number) => (levels.get(level) ?? []).slice(from, to);
  return { tree, leaves, read };
}

describe('the tree', () => {
  it('has the roots of RFC 6962', async () => {
    expect(hex(rootOf(emptyFrontier))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hex(leafHash(new Uint8Array()))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    const { read, leaves } = grow(600);
    for (const size of [1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 511, 512, 513, 600]) {
      expect(hex(await rootAt(read, size))).toBe(hex(mth(leaves.slice(0, size))));
      expect(hex(rootOf(grow(size).tree))).toBe(hex(mth(leaves.slice(0, size))));
    }
  });

  it('proves inclusion of every leaf in every small tree, and of nothing else', async () => {
    const { read, leaves } = grow(20);
    for (let size = 1; size <= 20; size += 1) {
      const root = await rootAt(read, size);
      for (let index = 0; index < size; index += 1) {
        const proof = await inclusionProof(read, index, size);
        const leaf = leaves[index] as Bytes;
        expect(verifyInclusion(leaf, index, size, proof, root)).toBe(true);
        expect(verifyInclusion(leafHash(Buffer.from('another')), index, size, proof, root)).toBe(false);
        expect(verifyInclusion(leaf, (index + 1) % 20, size, proof, root)).toBe(size === 1 && index + 1 < size);
        expect(verifyInclusion(leaf, index, size, [...proof, root], root)).toBe(false);
        if (proof.length > 0) expect(verifyInclusion(leaf, index, size, proof.slice(1), root)).toBe(false);
      }
    }
  });

  it('proves consistency of every pair of small trees, and across stored levels', async () => {
    const { read } = grow(600);
    const pairs = [
      ...Array.from({ length: 20 }, (_, to) => Array.from({ length: to + 1 }, (_, from) => [from + 1, to + 1])).flat(),
      [256, 600],
      [255, 257],
      [300, 512],
      [512, 600],
      [1, 600],
    ];
    for (const [from = 0, to = 0] of pairs) {
      const [older, newer] = [await rootAt(read, from), await rootAt(read, to)];
      const proof = await consistencyProof(read, from, to);
      expect(verifyConsistency(from, to, older, newer, proof), `${from} ${to}`).toBe(true);
      if (from === to) continue;
      expect(verifyConsistency(from, to, newer, newer, proof)).toBe(false);
      expect(verifyConsistency(from, to, older, older, proof)).toBe(false);
      if (proof.length > 0) expect(verifyConsistency(from, to, older, newer, proof.slice(1))).toBe(false);
      expect(verifyConsistency(from, to, older, newer, [...proof, older])).toBe(false);
    }
  });
});

describe('checkpoints', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const origin = 'bulla-key-service/test';
  const verifier = verifierKey(origin, privateKey);
  const note = signCheckpoint({ origin, size: 42, root: new Uint8Array(32).fill(5) }, privateKey);

  it('open with the verifier key', () => {
    expect(openCheckpoint(note, verifier)).toEqual({ origin, size: 42, root: new Uint8Array(32).fill(5) });
    expect(note.split('\n')[1]).toBe('42');
  });

  it.each([
    ['another size', (text: string) => text.replace('\n42\n', '\n43\n')],
    ['another origin', (text: string) => text.replaceAll('/test', '/other')],
    ['a leading zero', (text: string) => text.replace('\n42\n', '\n042\n')],
    ['another root', (text: string) => text.replace('BQUF', 'BgUF')],
    ['no signature', (text: string) => `${text.split('\n\n')[0]}\n\n`],
    ['a further line', (text: string) => text.replace('\n\n', '\nmore\n\n')],
    ['nothing', () => ''],
  ])('do not open with %s', (_, change) => {
    expect(() => openCheckpoint(change(note), verifier)).toThrow();
  });

  it('do not open with another key', () => {
    const other = verifierKey(origin, generateKeyPairSync('ed25519').privateKey);
    expect(() => openCheckpoint(note, other)).toThrow(/not signed/);
    expect(() => openCheckpoint(note, verifier.replace('+', '+0'))).toThrow();
  });
});
