/** Standard output and standard error: what is written arrives completely and in order, or fails; and no write keeps signals from being heard. */

import {
  fstatSync,
  read as readFromDescriptor,
  readSync,
  statSync,
  writeSync,
  write as writeToDescriptor,
} from 'node:fs';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { escaped } from '../lib/display.ts';
import { FileError } from './failure.ts';
import { ownText, type Words, words } from './words.ts';

const read = promisify(readFromDescriptor);
const write = promisify(writeToDescriptor);
const again = 10;

/** Reads from where a descriptor stands, which may be set not to block; gives the number of bytes. Rejects with the system's error. */
export async function readDescriptor(descriptor: number, memory: Uint8Array): Promise<number> {
  for (;;) {
    try {
      return (await read(descriptor, memory, 0, memory.byteLength, null)).bytesRead;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await new Promise((done) => setTimeout(done, again));
    }
  }
}

/** A standard stream that others may have closed, filled up, or set not to block. */
export class StandardStream {
  readonly isTerminal: boolean;
  readonly #descriptor: number;
  readonly #name: string;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(descriptor: 1 | 2, name: string) {
    this.#descriptor = descriptor;
    this.#name = name;
    this.isTerminal = isatty(descriptor);
  }

  /** Resolves when all of it is written. Rejects with the system's error; after one that failed, every other fails alike, so that nothing is missing in the middle. */
  write(data: Words | Uint8Array): Promise<void> {
    const bytes = data instanceof Uint8Array ? data : Buffer.from(data.toString());
    const written = this.#last.then(() => this.#writeAll(bytes));
    this.#last = written.catch(() => {});
    return written;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      // Node's own streams take what a short write left out for written, where the descriptor is a file.
      for (let done = 0; done < bytes.byteLength; ) done += await this.#writeSome(bytes.subarray(done));
    } catch (error) {
      this.#failure = Object.assign(error as NodeJS.ErrnoException, { path: this.#name });
      throw error;
    }
  }

  async #writeSome(bytes: Uint8Array): Promise<number> {
    try {
      return (await write(this.#descriptor, bytes)).bytesWritten;
    } catch (error) {
      // Another process has set the pipe not to block.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await new Promise((done) => setTimeout(done, again));
      return 0;
    }
  }
}

/**
 * Whether a standard stream was closed when the process was started. Node opens `/dev/null` in its place, for reading and writing. A shell opens it for one of the two; a
 * program that opens it for both, as `subprocess.DEVNULL` of Python, cannot be told from nothing at all.
 */
function isClosed(descriptor: 0 | 1): boolean {
  try {
    const found = fstatSync(descriptor);
    if (!found.isCharacterDevice() || found.rdev !== statSync('/dev/null').rdev) return false;
    // Each fails where the descriptor was opened for the other.
    writeSync(descriptor, new Uint8Array(0));
    return readSync(descriptor, new Uint8Array(1)) === 0;
  } catch {
    return false;
  }
}

/** Throws a {@link FileError} where there is no standard input to read: nothing must not pass for an empty file. */
export function assertStandardInput(): void {
  if (isClosed(0))
    throw new FileError('EBADF', 'Standard input is closed', 'give /dev/null as FILE for an empty input');
}

/** Throws a {@link FileError} where there is no standard output to write a result to that is nowhere else. */
export function assertStandardOutput(): void {
  if (isClosed(1)) throw new FileError('EBADF', 'Standard output is closed', '--output /dev/null discards the result');
}

/** What was asked for. */
export const standardOutput = new StandardStream(1, 'standard output');

/** Words for people. */
export const standardError = new StandardStream(2, 'standard error');

/** Writes a line to standard error. Nobody has to listen: a failure is none of the work's. */
export async function say(text: Words): Promise<void> {
  await standardError.write(words`${text}\n`).catch(() => {});
}

/** One line of JSON on standard output, in which what nobody would see is escaped. */
export function printJson(value: unknown): Promise<void> {
  return standardOutput.write(ownText(`${escaped(JSON.stringify(value))}\n`));
}
