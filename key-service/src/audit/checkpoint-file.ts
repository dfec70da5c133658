/** The file outside the database that holds the newest checkpoint; replaced whole, and tried before it is needed. */

import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { OperatorError } from '../errors.ts';
import { StoreError } from '../store/errors.ts';

// More than any checkpoint has: what was written once can be written over when the disk is full.
const reserved = Buffer.alloc(2048, ' ');

export class CheckpointFile {
  readonly #file: string;
  readonly #spare: string;
  #descriptor: number | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#spare = `${file}.${process.pid}.tmp`;
  }

  /** The checkpoint in it, `undefined` where there is none. */
  read(): string | undefined {
    return readCheckpointFile(this.#file);
  }

  /** Makes sure that the next `replace` has room to write to. Throws `StoreError`. */
  prepare(): void {
    this.#guarded(() => {
      if (this.#descriptor !== undefined && this.#isThere()) {
        writeSync(this.#descriptor, reserved, 0, 1, 0);
        return;
      }
      this.#close();
      this.#descriptor = openSync(this.#spare, 'w', 0o644);
      writeSync(this.#descriptor, reserved);
      fsyncSync(this.#descriptor);
    });
  }

  /** Replaces the checkpoint. Throws `StoreError`. */
  replace(note: string): void {
    this.prepare();
    this.#guarded(() => {
      const descriptor = this.#descriptor as number;
      const bytes = Buffer.from(note);
      writeSync(descriptor, bytes, 0, bytes.byteLength, 0);
      ftruncateSync(descriptor, bytes.byteLength);
      fsyncSync(descriptor);
      this.#close();
      renameSync(this.#spare, this.#file);
    });
  }

  #isThere(): boolean {
    const named = statSync(this.#spare, { throwIfNoEntry: false });
    const opened = fstatSync(this.#descriptor as number);
    return named?.ino === opened.ino && named.dev === opened.dev;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#close();
      throw new StoreError('The checkpoint cannot be written', { cause: error });
    }
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** The checkpoint in a file, `undefined` where there is none. Throws `OperatorError`. */
export function readCheckpointFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OperatorError(`The checkpoint ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
