/** Changes of keys with the checkpoint outside the database: tried before the commit, written after it, `docs/key-service.md` §11.5. */

import type { Change, Store } from '../store/store.ts';
import type { AuditLog } from './audit-log.ts';
import type { CheckpointFile } from './checkpoint-file.ts';

export class CheckpointedChanges {
  readonly #store: Store;
  readonly #log: AuditLog;
  readonly #file: CheckpointFile | undefined;

  /** Without a file, changes are those of the store alone. */
  constructor(store: Store, log: AuditLog, file: CheckpointFile | undefined) {
    this.#store = store;
    this.#log = log;
    this.#file = file;
  }

  /** A change after which the checkpoint is written. One that cannot be written stops it before anything is committed: `StoreError`. */
  async run<T>(work: (change: Change) => Promise<T>): Promise<T> {
    this.#file?.prepare();
    const result = await this.#store.change(work);
    await this.export();
    return result;
  }

  /** Writes the newest checkpoint. Throws `StoreError`, and `IntegrityError` where the log does not continue the one that is there. */
  async export(): Promise<void> {
    if (this.#file) await this.#log.export(this.#file);
  }

  /** Leaves nothing beside the checkpoint. */
  close(): void {
    this.#file?.close();
  }

  /** That the log continues the checkpoint in the file. Throws `OperatorError`. */
  async assertContinued(): Promise<void> {
    const note = this.#file?.read();
    if (note !== undefined) await this.#log.assertContinues(this.#log.open(note));
  }
}
