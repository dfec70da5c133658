/** The list of a tenant's tombstones, which only grows; `docs/key-service.md` §11.11. */

import { sha384 } from '../crypto/digest.ts';
import { IntegrityError } from '../errors.ts';
import { type Bytes, concat } from '../lib/bytes.ts';

/** An entry of the list. */
export interface TombstoneEntry {
  readonly tombstone: Bytes;
  /** Whether the data key is refused from here on. */
  readonly stands: boolean;
}

/** Where a list ends. */
export interface TombstoneHead {
  readonly total: number;
  /** 48 bytes. */
  readonly hash: Bytes;
}

/** A piece of a list, and where the list ended when it was read. */
export interface TombstonePage {
  readonly head: TombstoneHead;
  readonly entries: readonly TombstoneEntry[];
}

/** A tenant may have so many entries. */
export const maxTombstones = 1_000_000;

export const emptyHead: TombstoneHead = { total: 0, hash: new Uint8Array(48) };

/** The head of the list with one entry more. */
export function nextHead({ total, hash }: TombstoneHead, { tombstone, stands }: TombstoneEntry): TombstoneHead {
  return { total: total + 1, hash: sha384(concat(hash, tombstone, Uint8Array.of(stands ? 1 : 0))) };
}

/** The data keys of a tenant that are refused, as far as a list was read. */
export class RevokedKeys {
  #head = emptyHead;
  // How many revocations hold each.
  readonly #holders = new Map<string, number>();

  /** Where the reading goes on. */
  get head(): TombstoneHead {
    return this.#head;
  }

  /** Whether nothing is refused. */
  get isEmpty(): boolean {
    return this.#holders.size === 0;
  }

  has(tombstone: Uint8Array): boolean {
    return this.#holders.has(idOf(tombstone));
  }

  /** Reads on. Throws `IntegrityError` for an entry that ends what was never begun. */
  add(entry: TombstoneEntry): void {
    const id = idOf(entry.tombstone);
    const holders = (this.#holders.get(id) ?? 0) + (entry.stands ? 1 : -1);
    if (holders < 0) throw new IntegrityError('A list of tombstones was changed in the store');
    if (holders === 0) this.#holders.delete(id);
    else this.#holders.set(id, holders);
    this.#head = nextHead(this.#head, entry);
  }
}

function idOf(tombstone: Uint8Array): string {
  return Buffer.from(tombstone.buffer, tombstone.byteOffset, tombstone.byteLength).toString('latin1');
}
