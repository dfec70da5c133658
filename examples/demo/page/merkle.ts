// Proofs of an RFC 6962 Merkle tree, verified in the browser: RFC 9162 §2.1.3.2 and §2.1.4.2.

type Hash = Uint8Array<ArrayBuffer>;

/** `SHA-256(0x00 || entry)` */
export function leafHash(entry: Uint8Array): Promise<Hash> {
  return hash(Uint8Array.of(0), entry);
}

/** Whether `leaf` is leaf number `index` of the tree of `size` leaves with this root. */
export async function isIncluded(
  leaf: Hash,
  index: number,
  size: number,
  proof: readonly Hash[],
  root: Hash,
): Promise<boolean> {
  if (index >= size) return false;
  let [fn, sn, node] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      node = await parent(sibling, node);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else node = await parent(node, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equal(node, root);
}

/** A tree by its size and root. */
export interface Tree {
  readonly size: number;
  readonly root: Hash;
}

/** Whether a tree has the leaves of an older one, in the same order, and more behind them. */
export async function continues(older: Tree, newer: Tree, proof: readonly Hash[]): Promise<boolean> {
  if (older.size === newer.size) return proof.length === 0 && equal(older.root, newer.root);
  if (older.size === 0) return proof.length === 0;
  const steps = Number.isInteger(Math.log2(older.size)) ? [older.root, ...proof] : [...proof];
  const first = steps.shift();
  if (older.size > newer.size || first === undefined) return false;
  let [fn, sn] = [older.size - 1, newer.size - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let [a, b] = [first, first];
  for (const step of steps) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      a = await parent(step, a);
      b = await parent(step, b);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else b = await parent(b, step);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equal(a, older.root) && equal(b, newer.root);
}

/** Whether two byte strings are equal. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function parent(left: Hash, right: Hash): Promise<Hash> {
  return hash(Uint8Array.of(1), left, right);
}

async function hash(...parts: Uint8Array[]): Promise<Hash> {
  const bytes = new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}
