/** What the service's own log says of all tenants' logs: a tree in which each tenant has a slot; `docs/key-service.md` §8.7. */

import { hmacSha256 } from '../crypto/digest.ts';
import { type Bytes, encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import {
  appendLeaf,
  emptyFrontier,
  type Frontier,
  inclusionProof,
  leafHash,
  type NodeReader,
  rootOf,
} from './merkle.ts';

/** What is computed over so many takes about a millisecond. */
const slotsAtOnce = 100;

/** A tenant's state and the head of its log. */
export interface SlotHead {
  readonly tenant: string;
  readonly epoch: number;
  readonly revisions: number;
  readonly tree: Frontier;
}

/** What a slot holds: without the salt nobody can guess it, and with it one slot says nothing of another. */
export function slotBytes(seed: Bytes, { tenant, epoch, revisions, tree }: SlotHead): Bytes {
  const salt = encodeBase64url(hmacSha256(seed, encodeUtf8(tenant)));
  const root = encodeBase64url(rootOf(tree));
  return encodeUtf8(JSON.stringify({ tenant, size: tree.size, root, epoch, revisions, salt }));
}

/** The root over slots, in their order. `rest` is waited for after every few: others get their turn. */
export async function slotsRoot(seed: Bytes, heads: readonly SlotHead[], rest: () => Promise<unknown>): Promise<Bytes> {
  let tree = emptyFrontier;
  for (const [slot, head] of heads.entries()) {
    if (slot % slotsAtOnce === slotsAtOnce - 1) await rest();
    tree = appendLeaf(tree, leafHash(slotBytes(seed, head))).frontier;
  }
  return rootOf(tree);
}

/** The path from a slot to the root. */
export function slotProof(seed: Bytes, heads: readonly SlotHead[], slot: number): Promise<Bytes[]> {
  const leaves = heads.map((head) => leafHash(slotBytes(seed, head)));
  return inclusionProof(levelsOver(leaves), slot, leaves.length);
}

// Nodes of stored levels, which a tree in memory computes from its leaves.
function levelsOver(leaves: readonly Bytes[]): NodeReader {
  return async (level, from, to) => {
    const width = 2 ** level;
    return Array.from({ length: to - from }, (_, i) => {
      let tree = emptyFrontier;
      for (const leaf of leaves.slice((from + i) * width, (from + i + 1) * width))
        tree = appendLeaf(tree, leaf).frontier;
      return rootOf(tree);
    });
  };
}
