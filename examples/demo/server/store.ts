// The ciphertext store of the demonstration: a folder for each file, with what stands in front of the segments apart from them, so that re-wrapping writes a few hundred bytes.
// It holds no keys and asks nobody who they are: anyone who reads it has ciphertext.

import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A stored message as it is listed. */
export interface StoredFile {
  readonly id: string;
  /** Bytes of the whole message. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** What stands in front of the segments, base64url. */
  readonly front: string;
  /** The name of the file, a message of its own in text form. */
  readonly name: string;
}

/** What a client did wrong, and the status that says so. */
export class StoreError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const preambleLength = 10;
const maxFront = 2 ** 20 + preambleLength;
const maxSize = 4 * 2 ** 30;

/** A store in a folder, which is made. */
export class CiphertextStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<StoredFile[]> {
    await mkdir(this.#folder, { recursive: true });
    const ids = (await readdir(this.#folder)).filter((id) => /^[\da-f-]{36}$/.test(id));
    const files = await Promise.all(ids.map((id) => this.#describe(id).catch(() => undefined)));
    return files.filter((file) => file !== undefined).sort((a, b) => b.created - a.created);
  }

  /** Takes a whole message apart as it comes. It is there when it is complete, or not at all. */
  async put(id: string, name: string, content: Readable): Promise<void> {
    if (!/^bulla1\.[\w-]{1,8192}$/.test(name)) throw new StoreError(400, 'the name must be a message in text form');
    await mkdir(this.#folder, { recursive: true });
    const draft = join(this.#folder, `.draft-${id}`);
    await mkdir(draft).catch(() => {
      throw new StoreError(409, 'that is being written already');
    });
    try {
      await writeFile(join(draft, 'name'), name);
      await pipeline(content, separate(join(draft, 'front')), createWriteStream(join(draft, 'segments')));
      await rename(draft, join(this.#folder, id)).catch(() => {
        throw new StoreError(409, 'there is one already');
      });
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }

  /** Puts a detached envelope in the place of the one that was there. */
  async putEnvelope(id: string, envelope: Buffer): Promise<void> {
    if (!envelope.subarray(0, 6).equals(Buffer.from('bulle\u0001')) || frontLength(envelope) !== envelope.byteLength) {
      throw new StoreError(400, 'that is no detached envelope');
    }
    const front = Buffer.from(envelope);
    front.write('bulla');
    await this.#replace(id, 'front', front);
  }

  async putName(id: string, name: string): Promise<void> {
    if (!/^bulla1\.[\w-]{1,8192}$/.test(name)) throw new StoreError(400, 'the name must be a message in text form');
    await this.#replace(id, 'name', Buffer.from(name));
  }

  async delete(id: string): Promise<void> {
    await rm(join(this.#folder, id), { recursive: true }).catch(missing);
  }

  /** The whole message: what is in front, and how to read from it. */
  async open(id: string) {
    const front = await readFile(join(this.#folder, id, 'front')).catch(missing);
    const segments = await open(join(this.#folder, id, 'segments'));
    return { front, segments, size: front.byteLength + (await segments.stat()).size };
  }

  async #describe(id: string): Promise<StoredFile> {
    const at = (part: string) => join(this.#folder, id, part);
    const [front, name, { size, mtimeMs }] = await Promise.all([
      readFile(at('front')),
      readFile(at('name'), 'utf8'),
      stat(at('segments')),
    ]);
    return { id, size: front.byteLength + size, created: mtimeMs, front: front.toString('base64url'), name };
  }

  async #replace(id: string, part: string, content: Buffer): Promise<void> {
    const path = join(this.#folder, id, part);
    await stat(path).catch(missing);
    const draft = `${path}.${crypto.randomUUID()}`;
    await writeFile(draft, content);
    await rename(draft, path);
  }
}

/** Writes what is in front of the segments to a file, and gives the segments. */
function separate(path: string) {
  return async function* (content: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    let front: Buffer | undefined = Buffer.alloc(0);
    let size = 0;
    for await (const chunk of content) {
      size += chunk.byteLength;
      if (size > maxSize) throw new StoreError(413, 'files are at most 4 GiB');
      if (front === undefined) {
        yield chunk;
        continue;
      }
      front = Buffer.concat([front, chunk]);
      const length = frontLength(front);
      if (length === undefined || length > front.byteLength) continue;
      await writeFile(path, front.subarray(0, length));
      yield front.subarray(length);
      front = undefined;
    }
    if (front !== undefined) throw new StoreError(400, 'that ends before its envelope does');
  };
}

/** Bytes of preamble and envelope; `undefined` where the preamble is not complete. docs/format.md §1. */
function frontLength(bytes: Buffer): number | undefined {
  if (bytes.byteLength < preambleLength) return undefined;
  if (!/^bull[ae]$/.test(bytes.toString('latin1', 0, 5)) || bytes[5] !== 1)
    throw new StoreError(400, 'that is no bulla message');
  const length = preambleLength + bytes.readUInt32BE(6);
  if (length > maxFront) throw new StoreError(400, 'that is no bulla message');
  return length;
}

function missing(): never {
  throw new StoreError(404, 'there is no such file');
}
