// Verifies what the audit log of the service shows (docs/key-service.md §8), written from that page, RFC 6962 and C2SP signed-note alone.

import { createPublicKey, verify } from 'node:crypto';
import { b64, concat, hash, utf8 } from './encodings.ts';

/** A signed head of the tree. */
export interface Checkpoint {
  readonly size: number;
  readonly root: Buffer;
}

/** The hash of a leaf (§8.2). */
export const leafHash = (entry: Uint8Array): Buffer => hash('sha256', Buffer.of(0), entry);
const node = (left: Uint8Array, right: Uint8Array): Buffer => hash('sha256', Buffer.of(1), left, right);

/** The verifier key of a tenant's log: the key of the discovery document under another name (§8.5). */
export function logOf(audit: { origin: string; verifier_key: string }, tenant: string) {
  const origin = `${audit.origin}/${tenant}`;
  const [, , ...rest] = audit.verifier_key.split('+');
  const keyHash = hash('sha256', utf8(`${origin}\n`), Buffer.from(rest.join('+'), 'base64')).toString('hex', 0, 4);
  return { origin, verifier_key: [origin, keyHash, ...rest].join('+') };
}

/** Verifies a checkpoint (§8.3) by the verifier key of the discovery document (§8.5). */
export function openCheckpoint(
  note: string,
  { origin, verifier_key }: { origin: string; verifier_key: string },
): Checkpoint {
  const [name, keyHash = '', ...rest] = verifier_key.split('+'); // base64 may hold a + of its own
  const key = Buffer.from(rest.join('+'), 'base64');
  if (name !== origin || key[0] !== 1 || key.length !== 33) throw new Error('not an Ed25519 verifier key');
  if (hash('sha256', utf8(`${name}\n`), key).toString('hex', 0, 4) !== keyHash) throw new Error('wrong key hash');
  const end = note.indexOf('\n\n') + 1;
  const text = note.slice(0, end);
  const line =
    note
      .slice(end + 1)
      .split('\n')
      .find((each) => each.startsWith(`— ${name} `)) ?? '';
  const signature = Buffer.from(line.slice(name.length + 3), 'base64');
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: b64(key.subarray(1)) },
    format: 'jwk',
  });
  if (signature.toString('hex', 0, 4) !== keyHash || !verify(null, utf8(text), publicKey, signature.subarray(4)))
    throw new Error('bad signature');
  const [first, size = '', root = ''] = text.split('\n');
  if (first !== origin || !/^(0|[1-9]\d*)$/.test(size)) throw new Error('not a checkpoint of this log');
  return { size: Number(size), root: Buffer.from(root, 'base64') };
}

/** Whether `leaf` is the entry `index` of the tree (RFC 9162 §2.1.3.2). */
export function isIncluded(leaf: Uint8Array, index: number, tree: Checkpoint, proof: readonly Uint8Array[]): boolean {
  if (index >= tree.size) return false;
  let [fn, sn, root] = [index, tree.size - 1, leaf];
  for (const part of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      root = node(part, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else root = node(root, part);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && tree.root.equals(root);
}

/** Whether `newer` continues `older` (RFC 9162 §2.1.4.2). */
export function isContinued(older: Checkpoint, newer: Checkpoint, proof: readonly Uint8Array[]): boolean {
  if (older.size === newer.size) return proof.length === 0 && older.root.equals(newer.root);
  if (older.size === 0) return proof.length === 0;
  const parts = Number.isInteger(Math.log2(older.size)) ? [older.root, ...proof] : [...proof];
  const start = parts.shift();
  if (older.size > newer.size || start === undefined) return false;
  let [fn, sn] = [older.size - 1, newer.size - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let [fr, sr] = [start, start];
  for (const part of parts) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [node(part, fr), node(part, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else sr = node(sr, part);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && older.root.equals(fr) && newer.root.equals(sr);
}

/** The root hash of a whole tree (RFC 6962 §2.1), for those who have all leaves. */
export function rootOf(leaves: readonly Uint8Array[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return hash('sha256');
  if (leaves.length === 1) return concat(first);
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return node(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}
