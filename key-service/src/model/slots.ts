/** What the service's own log says of all tenants' logs: a tree in which each tenant has a slot; `docs/key-service.md` §8.7. */

import { hmacSha256 } from '../crypto/digest.ts';
import { type Bytes, encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { emptyFrontier, type Frontier, nodeHash, rootOf } from './merkle.ts';

/** A tenant's state and the head of its log. */
export interface SlotHead {
  readonly tenant: string;
  readonly epoch: number;
  readonly revisions: number;
  readonly tree: Frontier;
}

/** Nodes that are computed in one turn: about a millisecond. */
const nodesAtOnce = 250;

/** What a slot holds: without the salt nobody can guess it, and with it one slot says nothing of another. */
export function slotBytes(seed: Bytes, { tenant, epoch, revisions, tree }: SlotHead): Bytes {
  const salt = encodeBase64url(hmacSha256(seed, encodeUtf8(tenant)));
  const root = encodeBase64url(rootOf(tree));
  return encodeUtf8(JSON.stringify({ tenant, size: tree.size, root, epoch, revisions, salt }));
}

/** The tree over the leaf hashes of slots: with all its nodes, so that a path is only looked up. */
export class SlotTree {
  readonly #levels: readonly (readonly Bytes[])[];

  private constructor(levels: readonly (readonly Bytes[])[]) {
    this.#levels = levels;
  }

  /** Computes the nodes over leaf hashes. `rest` is waited for after every few: others get their turn. */
  static async over(leaves: readonly Bytes[], rest: () => Promise<unknown>): Promise<SlotTree> {
    const levels = [leaves];
    for (let row = leaves; row.length > 1; ) {
      const next: Bytes[] = [];
      for (const [n, left] of row.entries()) {
        if (n % 2 === 1) continue;
        // RFC 6962 §2.1: the left subtrees are full, so a node without a neighbour goes up as it is.
        const right = row[n + 1];
        next.push(right ? nodeHash(left, right) : left);
        if (next.length % nodesAtOnce === 0) await rest();
      }
      levels.push(next);
      row = next;
    }
    return new SlotTree(levels);
  }

  /** How many slots there are. */
  get slots(): number {
    return this.#levels[0]?.length ?? 0;
  }

  get root(): Bytes {
    return this.#levels.at(-1)?.[0] ?? rootOf(emptyFrontier);
  }

  /** The leaf hash of a slot. */
  leaf(slot: number): Bytes | undefined {
    return this.#levels[0]?.[slot];
  }

  /** The path from a slot to the root. */
  proof(slot: number): Bytes[] {
    let index = slot;
    return this.#levels.flatMap((row) => {
      const neighbour = row[index % 2 === 1 ? index - 1 : index + 1];
      index = Math.floor(index / 2);
      return neighbour ? [neighbour] : [];
    });
  }
}
