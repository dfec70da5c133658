/** A tenant's log, or the service's own: its head, proofs, and the checkpoint outside the database; `docs/key-service.md` §8 and §11.5. */

import type { KeyObject } from 'node:crypto';
import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import { maxEntries } from '../lib/limits.ts';
import { Mutex } from '../lib/mutex.ts';
import { tenantOfEntry } from '../model/entry.ts';
import {
  appendLeaf,
  consistencyProof,
  emptyFrontier,
  type Frontier,
  inclusionProof,
  leafHash,
  type NodeReader,
  rootAt,
  rootOf,
  type StoredNode,
  verifyConsistency,
} from '../model/merkle.ts';
import type { PreviousLog, Secrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { type Checkpoint, isSignedBy, openCheckpoint, renamedKey, signCheckpoint, verifierKey } from './note.ts';

/** Which log, and whose. */
export interface LogOptions {
  readonly serviceId: string;
  /** Default: the service's own. */
  readonly tenant?: string | undefined;
}

export class AuditLog {
  readonly origin: string;
  /** §8.5 */
  readonly verifierKey: string;
  /** The keys of before, newest first, with the entries of the service's log that they may speak for. */
  readonly previous: readonly Pick<PreviousLog, 'verifier_key' | 'size'>[];
  readonly #store: Store;
  readonly #tenant: string;
  readonly #key: KeyObject;
  readonly #signing = new Mutex();
  #signed: { readonly resumed: number; readonly size: number; readonly root: Bytes; readonly note: string } | undefined;
  #written = -1;

  constructor(
    store: Store,
    { log: key, previousLogs }: Pick<Secrets, 'log' | 'previousLogs'>,
    { serviceId, tenant = '' }: LogOptions,
  ) {
    this.#store = store;
    this.#tenant = tenant;
    this.#key = key;
    const origin = `bulla-key-service/${serviceId}`;
    this.origin = tenant === '' ? origin : `${origin}/${tenant}`;
    this.verifierKey = verifierKey(this.origin, key);
    this.previous = previousLogs.map(({ verifier_key, size }) => {
      // How far a tenant's log had come is in no secret: a consistency proof to what the new key has signed says as much.
      const named = tenant === '' ? verifier_key : renamedKey(verifier_key, this.origin);
      return { verifier_key: named, size: tenant === '' ? size : Number.POSITIVE_INFINITY };
    });
  }

  /** The signed head. Throws `IntegrityError` where the log does not continue what this process has signed. */
  checkpoint(): Promise<{ readonly note: string; readonly size: number }> {
    return this.#signing.run(() => this.#sign());
  }

  async inclusion(index: number, size: number): Promise<Bytes[]> {
    return inclusionProof(this.#read, index, size);
  }

  async consistency(from: number, to: number): Promise<Bytes[]> {
    return consistencyProof(this.#read, from, to);
  }

  async size(): Promise<number> {
    return (await this.#head()).size;
  }

  /** Reads a checkpoint of this log; one of a key of before only as far as it spoke for the log. Throws `OperatorError`. */
  open(note: string): Checkpoint {
    for (const { verifier_key, size } of this.previous) {
      if (!isSignedBy(note, verifier_key)) continue;
      const checkpoint = openCheckpoint(note, verifier_key);
      if (checkpoint.size <= size) return checkpoint;
      throw new OperatorError('The checkpoint is signed by a key of the log that was replaced before');
    }
    return openCheckpoint(note, this.verifierKey);
  }

  /** That the log continues a checkpoint, by a consistency proof. Throws `IntegrityError`. */
  async assertContinues(checkpoint: Pick<Checkpoint, 'size' | 'root'>): Promise<void> {
    await this.#assertLeadsTo(checkpoint, await this.#head());
  }

  /** Checks every entry, every stored node, the head, and that it continues a checkpoint. Throws `IntegrityError`. The number of entries. */
  async verifyAll(checkpoint?: Checkpoint): Promise<number> {
    const head = await this.#head();
    let tree = emptyFrontier;
    const check = (): void => {
      if (checkpoint?.size === tree.size && !equalBytes(rootOf(tree), checkpoint.root)) {
        throw forked();
      }
    };
    check();
    while (tree.size < head.size) {
      const entries = await this.#store.entries(this.#tenant, tree.size, Math.min(tree.size + maxEntries, head.size));
      if (entries.length === 0) throw new IntegrityError(`Entry ${tree.size} is missing`);
      for (const { index, hash, entry } of entries) {
        if (index !== tree.size) throw new IntegrityError(`Entry ${tree.size} is missing`);
        if (!equalBytes(leafHash(entry), hash)) throw new IntegrityError(`Entry ${index} was changed`);
        // The service's own log has those of before tenants had theirs.
        if (this.#tenant !== '' && tenantOfEntry(entry) !== this.#tenant) {
          throw new IntegrityError(`Entry ${index} was given to another tenant`);
        }
        const { frontier, nodes } = appendLeaf(tree, hash);
        for (const node of nodes) await this.#assertStored(node);
        tree = frontier;
        check();
      }
    }
    await this.#assertHead(tree, head, checkpoint);
    return tree.size;
  }

  /**
   * Writes the newest checkpoint to a file, unless it is there. What is in the file is replaced only by what continues it, except by a restore that accepts
   * a `rollback`. Throws `StoreError` where it cannot be written, and `IntegrityError` where the log does not continue it.
   */
  export(file: CheckpointFile, { rollback = false } = {}): Promise<void> {
    return this.#signing.run(async () => {
      // Before the head: another process may write a newer one in between.
      const before = rollback ? undefined : file.read();
      const { note, size } = await this.#sign();
      if (size === this.#written && before === note) return;
      if (before !== undefined) await this.assertContinues(this.open(before));
      file.replace(note);
      this.#written = size;
    });
  }

  readonly #read: NodeReader = (level, from, to) => this.#store.nodes(this.#tenant, level, from, to);

  async #head(): Promise<Frontier> {
    return (await this.#store.head(this.#tenant)).tree;
  }

  async #sign(): Promise<{ readonly note: string; readonly size: number }> {
    // Before the head: another process may publish a newer one in between.
    const published = await this.#published();
    const { resumed, tree } = await this.#store.head(this.#tenant);
    const signed = this.#signed?.resumed === resumed ? this.#signed : undefined;
    const { size } = tree;
    const root = rootOf(tree);
    // A stored head is not believed: what is signed is what the leaves lead to, and continues what was signed and what was published.
    if (!equalBytes(root, await rootAt(this.#read, size))) throw forked();
    for (const before of [signed, published]) if (before) await this.#assertLeadsTo(before, tree);
    if (signed?.size === size) return signed;
    this.#signed = { resumed, size, root, note: signCheckpoint({ origin: this.origin, size, root }, this.#key) };
    return this.#signed;
  }

  async #published(): Promise<Pick<Checkpoint, 'size' | 'root'> | undefined> {
    if (this.#tenant === '') return undefined;
    const head = (await this.#store.publishedSlot(this.#tenant))?.head;
    return head && { size: head.tree.size, root: rootOf(head.tree) };
  }

  async #assertLeadsTo({ size, root }: Pick<Checkpoint, 'size' | 'root'>, head: Frontier): Promise<void> {
    if (head.size < size) {
      throw new IntegrityError(`The database is older than the checkpoint: ${head.size} entries, not ${size}`);
    }
    const proof = await consistencyProof(this.#read, size, head.size);
    if (!verifyConsistency(size, head.size, root, rootOf(head), proof)) {
      throw forked();
    }
  }

  async #assertStored({ level, index, hash }: StoredNode): Promise<void> {
    const [stored] = await this.#store.nodes(this.#tenant, level, index, index + 1);
    if (!stored || !equalBytes(stored, hash)) throw new IntegrityError('A node of the tree was changed');
  }

  async #assertHead(tree: Frontier, head: Frontier, checkpoint: Checkpoint | undefined): Promise<void> {
    const behind = await this.#store.entries(this.#tenant, tree.size, tree.size + 1);
    // Of a service that runs, more may have come meanwhile, and the head with it.
    if (behind.length > 0 && (await this.#head()).size === tree.size) {
      throw new IntegrityError('There are entries behind the head of the log');
    }
    if (!equalBytes(rootOf(tree), rootOf(head))) {
      throw new IntegrityError('The entries do not have the root of the head: they were changed or reordered');
    }
    if (checkpoint && checkpoint.size > tree.size) {
      throw new IntegrityError(`The log is cut: ${tree.size} entries, and ${checkpoint.size} in the checkpoint`);
    }
  }
}

function forked(): IntegrityError {
  return new IntegrityError('The log does not continue the checkpoint: it was changed or forked');
}
