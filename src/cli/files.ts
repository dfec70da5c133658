/** What a command reads and writes: files, pipes, devices. */

import { constants } from 'node:fs';
import { access, type FileHandle, open, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { formOf, preambleLength, readPreamble } from '../envelope/framing.ts';
import { concat } from '../lib/bytes.ts';
import { type LastLook, type WrittenFile, writeAtomically } from '../node/atomic-file.ts';
import { writeFully } from '../node/file-io.ts';
import { endsAt } from '../node/file-source.ts';
import { folderOf, type PlainPath } from '../node/paths.ts';
import { findTarget } from '../node/replaced-file.ts';
import type { Bytes } from '../types.ts';
import type { Arguments } from './arguments.ts';
import { UsageError } from './failure.ts';
import { isFolder, type Job } from './plan.ts';
import { pipe } from './same-file.ts';
import { assertStandardInput, readDescriptor, standardOutput } from './standard-streams.ts';
import { startsAsText, textDecoder } from './text-form.ts';

/** A message or a plaintext that is not in memory. */
export interface Input {
  /** Where it is a regular file with the size that the system tells: its path, to be read at positions. */
  readonly path: PlainPath | undefined;
  /** Bytes, where that is known. */
  readonly size: number | undefined;
  /** The bytes, from the start; to be taken once. */
  stream(): ReadableStream<Bytes>;
}

/** Looks at an input. Rejects with the file system's own error, and for a folder with an error that has the hint. */
export async function openInput(path: PlainPath, folderHint?: string): Promise<Input> {
  if (path === pipe) {
    assertStandardInput();
    return { path: undefined, size: undefined, stream: readStandardInput };
  }
  const found = await stat(path);
  if (found.isDirectory()) throw isFolder(path, folderHint);
  const stream = () => readStream(() => openPath(path));
  const isSized = found.isFile() && (await withFile(path, (file) => endsAt(file, found.size)));
  return isSized ? { path, size: found.size, stream } : { path: undefined, size: undefined, stream };
}

/** The same for a message: one in its text form becomes a stream of bytes. */
export async function openMessage(path: PlainPath, folderHint?: string): Promise<Input> {
  const input = await openInput(path, folderHint);
  if (input.path !== undefined && !(await withFile(input.path, isText))) return input;
  return { path: undefined, size: undefined, stream: () => detectText(input.stream()) };
}

async function withFile<Result>(path: PlainPath, look: (file: FileHandle) => Promise<Result>): Promise<Result> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    return await look(file);
  } finally {
    await file.close();
  }
}

const beginningLength = 4_096;

async function isText(file: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(beginningLength), 0, beginningLength, 0);
  return startsAsText(buffer.subarray(0, bytesRead)) === true;
}

function detectText(stream: ReadableStream<Bytes>): ReadableStream<Bytes> {
  const { readable, writable } = new TransformStream<Bytes, Bytes>();
  void forward();
  return readable;

  async function forward(): Promise<void> {
    try {
      const reader = stream.getReader();
      let head: Bytes = new Uint8Array(0);
      while (startsAsText(head) === undefined) {
        const { done, value } = await reader.read();
        if (done) break;
        head = concat(head, value);
      }
      reader.releaseLock();
      const whole = prepend([head], stream);
      await (startsAsText(head) === true ? whole.pipeThrough(textDecoder()) : whole).pipeTo(writable);
    } catch (error) {
      await writable.abort(error).catch(() => {});
      await stream.cancel(error).catch(() => {});
    }
  }
}

/** Chunks in front of a stream. */
export function prepend(chunks: readonly Bytes[], stream: ReadableStream<Bytes>): ReadableStream<Bytes> {
  const reader = stream.getReader();
  const waiting = [...chunks];
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const next = waiting.shift();
        if (next !== undefined) return controller.enqueue(next);
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** The beginning of a message, or of a detached envelope, at least to the end of its envelope, which is bounded; and the stream of what follows. */
export async function readBeginning(
  stream: ReadableStream<Bytes>,
): Promise<{ beginning: Bytes; rest: ReadableStream<Bytes> }> {
  const reader = stream.getReader();
  try {
    // Grown by doubling: an envelope of 1 MiB may come byte by byte.
    let memory: Bytes = new Uint8Array(beginningLength);
    let length = 0;
    while (!holdsEnvelope(memory.subarray(0, length))) {
      const { done, value } = await reader.read();
      if (done) break;
      if (length + value.byteLength > memory.byteLength) memory = grown(memory, length + value.byteLength);
      memory.set(value, length);
      length += value.byteLength;
    }
    return { beginning: memory.subarray(0, length), rest: stream };
  } catch (error) {
    // Of what is no message, the file is closed as well.
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    reader.releaseLock();
  }
}

/** The bytes in memory of at least twice their length and `more`. */
function grown(bytes: Bytes, more: number): Bytes {
  const memory = new Uint8Array(bytes.byteLength + Math.max(bytes.byteLength, more));
  memory.set(bytes);
  return memory;
}

function holdsEnvelope(bytes: Bytes): boolean {
  if (bytes.byteLength < preambleLength) return false;
  const form = formOf(bytes) === 'envelope' ? 'envelope' : 'message';
  return bytes.byteLength > preambleLength + readPreamble(bytes, form);
}

const chunkLength = 2 ** 18;

/** Node's own stream where it is a pipe, a socket or a terminal. In place of anything else, such as a folder, Node may give an empty one. */
function readStandardInput(): ReadableStream<Bytes> {
  const { stdin } = process;
  const read = (memory: Bytes) => readDescriptor(0, memory).catch(aboutStandardInput);
  if (!(stdin instanceof Socket)) return readStream(async () => ({ read, close: async () => {} }));
  const chunks = stdin[Symbol.asyncIterator]();
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next().catch(aboutStandardInput);
        if (done) controller.close();
        // Node's chunks are views into memory that it uses again.
        else controller.enqueue(Uint8Array.from(value as Buffer));
      },
      async cancel() {
        stdin.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}

function aboutStandardInput(error: unknown): never {
  throw Object.assign(error as NodeJS.ErrnoException, { path: 'standard input' });
}

/** Something open that is read to its end. */
interface Opened {
  /** The number of bytes that it put into the memory. */
  read(memory: Bytes): Promise<number>;
  close(): Promise<void>;
}

async function openPath(path: PlainPath): Promise<Opened> {
  const file = await open(path, 'r');
  const read = async (memory: Bytes) => (await file.read(memory, 0, memory.byteLength, null)).bytesRead;
  return { read, close: () => file.close() };
}

/** Since Node's own streams cost half the speed. */
function readStream(openFile: () => Promise<Opened>): ReadableStream<Bytes> {
  let file: Opened | undefined;
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        file ??= await openFile();
        try {
          const memory = new Uint8Array(chunkLength);
          const length = await file.read(memory);
          if (length > 0) return controller.enqueue(memory.subarray(0, length));
        } catch (error) {
          await file.close();
          throw error;
        }
        await file.close();
        controller.close();
      },
      cancel: () => file?.close(),
    },
    { highWaterMark: 0 },
  );
}

/** Whether a path is written to as it is, rather than replaced: a device, a FIFO, a pipe of the shell. */
async function isDevice(path: PlainPath): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/** Whether a result appears when it is complete, or goes out piece by piece. */
export async function isRegularOutput(path: PlainPath): Promise<boolean> {
  return path !== pipe && !(await isDevice(path));
}

/** Rejects as writing to a path would before it begins: with a file that exists, or a folder that nothing can be written to. */
export async function assertWritable(path: PlainPath, overwrite: boolean): Promise<void> {
  if (!(await isRegularOutput(path))) return;
  await access(folderOf(await findTarget(path, overwrite)), constants.W_OK);
}

/** Writes a stream to standard output, to a device, or to a file that appears when it is complete. */
export async function writeOutput(
  stream: ReadableStream<Bytes>,
  path: PlainPath,
  options: { readonly overwrite: boolean; readonly mode?: number | undefined },
  lastLook?: LastLook,
): Promise<WrittenFile> {
  if (await isRegularOutput(path)) return writeAtomically(path, options, (file) => writeStream(stream, file), lastLook);
  if (path === pipe) for await (const chunk of stream) await standardOutput.write(chunk);
  else await writeToDevice(stream, path);
  return { notKept: [] };
}

async function writeToDevice(stream: ReadableStream<Bytes>, path: PlainPath): Promise<void> {
  const device = await open(path, constants.O_WRONLY);
  try {
    for await (const chunk of stream) await writeFully(device, [chunk], null);
  } finally {
    await device.close();
  }
}

/** Writes a stream to an open file, which begins empty. */
export async function writeStream(stream: ReadableStream<Bytes>, file: FileHandle): Promise<object> {
  let written = 0;
  for await (const chunk of stream) {
    await writeFully(file, [chunk], written);
    written += chunk.byteLength;
  }
  return { written };
}

/** Refuses to write bytes to a terminal that nobody asked for by name. */
export function assertNoTerminal(args: Arguments, jobs: readonly Job[]): void {
  const isAsked = args.get('output') !== undefined;
  if (standardOutput.isTerminal && !isAsked && jobs.some(({ output }) => output === pipe)) {
    throw new UsageError('Refusing to write bytes to a terminal. Use --output FILE, or --output - to override');
  }
}
