/** The tree over the heads of all tenants' logs; `docs/key-service.md` §8.7. */

import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { appendLeaf, emptyFrontier, leafHash, rootOf, verifyInclusion } from '../../src/model/merkle.ts';
import { type SlotHead, SlotTree, slotBytes } from '../../src/model/slots.ts';

const tree = (entries: number) => {
  let frontier = emptyFrontier;
  for (let n = 0; n < entries; n += 1) frontier = appendLeaf(frontier, leafHash(Uint8Array.of(n))).frontier;
  return frontier;
};
const headsOf = (count: number) =>
  Array.from({ length: count }, (_, slot) => ({
    tenant: `tenant-${slot}`,
    epoch: slot,
    revisions: 2 * slot,
    tree: tree(slot % 5),
  }));
const seed = new Uint8Array(32).fill(1);
const parsed = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());

describe('§8.7 slots', () => {
  it.each([1, 2, 3, 255, 256, 257, 600])('of %i tenants: each is proved, at its own place alone', async (count) => {
    const heads = headsOf(count);
    const slots = await SlotTree.over(
      heads.map((head) => leafHash(slotBytes(seed, head))),
      setImmediate,
    );
    const { root } = slots;
    expect(slots.slots).toBe(count);
    const grownTree = heads.reduce(
      (all, head) => appendLeaf(all, leafHash(slotBytes(seed, head))).frontier,
      emptyFrontier,
    );
    expect(root).toEqual(rootOf(grownTree));
    for (const slot of new Set([0, 1, Math.floor(count / 2), count - 1].filter((each) => each < count))) {
      const head = heads[slot] ?? { tenant: '', epoch: 0, revisions: 0, tree: emptyFrontier };
      const proof = slots.proof(slot);
      const leaf = leafHash(slotBytes(seed, head));
      expect(slots.leaf(slot)).toEqual(leaf);
      expect(verifyInclusion(leaf, slot, count, proof, root)).toBe(true);
      expect(verifyInclusion(leaf, slot + 1, count, proof, root)).toBe(false);
      const grown = { ...head, tree: tree(7) };
      expect(verifyInclusion(leafHash(slotBytes(seed, grown)), slot, count, proof, root)).toBe(false);
    }
  });

  it('give others their turn while they are hashed', async () => {
    const leaves = headsOf(1).flatMap((head) => Array.from({ length: 3000 }, () => leafHash(slotBytes(seed, head))));
    let turns = 0;
    await SlotTree.over(leaves, async () => {
      turns += 1;
    });
    expect(turns).toBeGreaterThan(6);
  });

  it('of no tenant have the root of the empty tree', async () => {
    expect((await SlotTree.over([], setImmediate)).root).toEqual(rootOf(emptyFrontier));
  });

  it('have a salt of their own, which is another one with each publication', () => {
    const [one, other] = headsOf(2) as [SlotHead, SlotHead];
    const salts = [
      slotBytes(seed, one),
      slotBytes(seed, other),
      slotBytes(new Uint8Array(32).fill(2), one),
      slotBytes(seed, { ...one, tree: tree(3) }),
    ].map((bytes) => parsed(bytes).salt);
    expect(new Set(salts).size).toBe(3);
    expect(salts.every((salt) => Buffer.from(salt, 'base64url').byteLength === 32)).toBe(true);
    expect(salts).not.toContain(Buffer.from(seed).toString('base64url'));
    expect(parsed(slotBytes(seed, one))).toEqual({
      tenant: 'tenant-0',
      size: 0,
      root: expect.any(String),
      epoch: 0,
      revisions: 0,
      salt: salts[0],
    });
  });
});
