/** Inputs and outputs of the command line: files, pipes, and which of them. */

import { readdirSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formOf, preambleLength, readPreamble } from '../envelope/framing.ts';
import { concat } from '../lib/bytes.ts';
import { writeAtomically } from '../node/atomic-file.ts';
import { writeFully } from '../node/file-io.ts';
import type { Bytes } from '../types.ts';
import type { Arguments, Option } from './arguments.ts';
import { FileError, UsageError } from './failure.ts';
import { printable } from './terminal.ts';
import { textDecoder, textPrefix } from './text-form.ts';

/** What messages in files are called by. */
export const extension = '.bulla';
/** Standard input, or standard output. */
export const pipe = '-';

/** Where output goes. */
export const outputOptions: readonly Option[] = [
  { name: 'output', short: 'o', value: 'FILE', help: 'where to write; - is standard output' },
  { name: 'output-folder', short: 'O', value: 'FOLDER', help: 'writes all files into this folder' },
  { name: 'force', short: 'f', help: 'replaces files that exist' },
];

/** One thing to do: read this, write that. `-` stands for standard input and output. */
export interface Job {
  readonly input: string;
  readonly output: string;
}

/** The jobs that the arguments ask for. `nameOf` gives the name of an output beside its input. Throws a {@link UsageError}. */
export function planJobs(args: Arguments, nameOf: (input: string) => string): Job[] {
  const inputs = args.files.length === 0 ? [pipe] : args.has('recursive') ? args.files.flatMap(filesIn) : args.files;
  const [output, folder] = [args.get('output'), args.get('output-folder')];
  if (inputs.filter((input) => input === pipe).length > 1) throw new UsageError('Standard input can be read once');
  if (output !== undefined && folder !== undefined) {
    throw new UsageError('--output and --output-folder exclude each other');
  }
  if (output !== undefined && inputs.length > 1) throw new UsageError('--output takes one input; use --output-folder');
  const jobs = inputs.map((input) => ({ input, output: output ?? outputOf(input, folder, nameOf) }));
  assertApart(jobs);
  const given = folder ?? (output === undefined || output === pipe ? undefined : dirname(output));
  if (given !== undefined) assertFolder(given);
  if (jobs.some((job) => job.output === pipe) && args.has('json')) {
    throw new UsageError('--json writes to standard output, so the result needs an --output');
  }
  return jobs;
}

/** Throws a {@link FileError} where there is no such folder to write to. */
export function assertFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new FileError('ENOENT', `There is no folder ${path} to write to`);
  if (!found.isDirectory()) throw new FileError('ENOTDIR', `It is no folder to write to: ${path}`);
}

function assertApart(jobs: readonly Job[]): void {
  const owners = new Map(jobs.map(({ input }, i) => [resolve(input), i]));
  const written = new Set<string>();
  for (const [i, { output }] of jobs.entries()) {
    if (output === pipe) continue;
    const path = resolve(output);
    if (written.has(path)) throw new UsageError(`Two inputs would be written to ${path}`);
    written.add(path);
    // With --force, an input would be gone before it is read.
    if ((owners.get(path) ?? i) !== i) throw new UsageError(`${output} is an input, and would be written to as well`);
  }
}

/** The messages in a folder and its folders, in the order of their names; links are not followed. A file is itself. */
function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension) && !entry.name.startsWith('.bulla-'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function outputOf(input: string, folder: string | undefined, nameOf: (input: string) => string): string {
  if (input === pipe) {
    if (folder !== undefined) throw new UsageError('Standard input has no name to write it to --output-folder by');
    return pipe;
  }
  return folder === undefined ? nameOf(input) : join(folder, basename(nameOf(input)));
}

/** `report.pdf.bulla` is `report.pdf`. Throws a {@link UsageError} for other names. */
export function withoutExtension(path: string): string {
  const name = basename(path);
  if (!name.endsWith(extension) && statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw isFolder(path);
  if (!name.endsWith(extension) || name === extension) {
    throw new UsageError(`${path} does not end in ${extension}: say where to write it with --output`);
  }
  return join(dirname(path), name.slice(0, -extension.length));
}

/** A message or a plaintext that is not in memory. */
export interface Input {
  /** Where it is a regular file: its path, to be read at positions. */
  readonly path: string | undefined;
  /** Bytes, where that is known. */
  readonly size: number | undefined;
  /** The bytes, from the start; to be taken once. */
  stream(): ReadableStream<Bytes>;
}

/** Looks at an input without reading it. Rejects with the file system's own error, and for a folder with a {@link FileError} that has the hint. */
export async function openInput(path: string, folderHint?: string): Promise<Input> {
  if (path === pipe) return { path: undefined, size: undefined, stream: readStandardInput };
  const found = await stat(path);
  if (found.isDirectory()) throw isFolder(path, folderHint);
  const stream = () => readStream(() => open(path, 'r'));
  return found.isFile() ? { path, size: found.size, stream } : { path: undefined, size: undefined, stream };
}

function isFolder(path: string, hint = `give the files in it, such as ${join(path, '*')}`): FileError {
  return new FileError('EISDIR', `It is a folder: ${path}`, printable(hint));
}

/** The same for a message: one in its text form becomes a stream of bytes. */
export async function openMessage(path: string, folderHint?: string): Promise<Input> {
  const input = await openInput(path, folderHint);
  if (input.path !== undefined && !(await startsAsText(input.path))) return input;
  return { path: undefined, size: undefined, stream: () => detectText(input.stream()) };
}

async function startsAsText(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(textPrefix.length), 0, textPrefix.length, 0);
    return new TextDecoder().decode(buffer.subarray(0, bytesRead)) === textPrefix;
  } finally {
    await file.close();
  }
}

function detectText(stream: ReadableStream<Bytes>): ReadableStream<Bytes> {
  const { readable, writable } = new TransformStream<Bytes, Bytes>();
  void forward();
  return readable;

  async function forward(): Promise<void> {
    const reader = stream.getReader();
    const head: Bytes[] = [];
    let length = 0;
    let done = false;
    try {
      while (length < textPrefix.length && !done) {
        const result = await reader.read();
        done = result.done;
        if (result.value !== undefined) head.push(result.value);
        length += result.value?.byteLength ?? 0;
      }
      reader.releaseLock();
      const isText = new TextDecoder('latin1').decode(Buffer.concat(head)).startsWith(textPrefix);
      const whole = prepend(head, stream);
      await (isText ? whole.pipeThrough(textDecoder()) : whole).pipeTo(writable);
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
  let beginning: Bytes = new Uint8Array(0);
  while (!holdsEnvelope(beginning)) {
    const { done, value } = await reader.read();
    if (done) break;
    beginning = concat(beginning, value);
  }
  reader.releaseLock();
  return { beginning, rest: stream };
}

function holdsEnvelope(bytes: Bytes): boolean {
  if (bytes.byteLength < preambleLength) return false;
  const form = formOf(bytes) === 'envelope' ? 'envelope' : 'message';
  return bytes.byteLength > preambleLength + readPreamble(bytes, form);
}

const chunkLength = 2 ** 18;

/** Node's own stream, since standard input may be a socket, a terminal, or set not to block. */
function readStandardInput(): ReadableStream<Bytes> {
  const chunks = process.stdin[Symbol.asyncIterator]();
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        // Node's chunks are views into memory that it uses again.
        else controller.enqueue(Uint8Array.from(value as Buffer));
      },
      async cancel() {
        process.stdin.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Positional reads, since Node's own streams cost half the speed. */
function readStream(openFile: () => Promise<Pick<FileHandle, 'read' | 'close'>>): ReadableStream<Bytes> {
  let file: Pick<FileHandle, 'read' | 'close'> | undefined;
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        file ??= await openFile();
        const { bytesRead, buffer } = await file.read(new Uint8Array(chunkLength), 0, chunkLength, null);
        if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
        await file.close();
        controller.close();
      },
      cancel: () => file?.close(),
    },
    { highWaterMark: 0 },
  );
}

/** Writes a stream to standard output, or to a file that appears when it is complete. */
export async function writeOutput(
  stream: ReadableStream<Bytes>,
  path: string,
  options: { readonly overwrite: boolean; readonly mode?: number | undefined },
): Promise<number> {
  if (path === pipe) return writeToStandardOutput(stream);
  return writeAtomically(path, options, (file) => writeStream(stream, file));
}

/** Writes a stream to an open file, which begins empty. */
export async function writeStream(stream: ReadableStream<Bytes>, file: FileHandle): Promise<number> {
  let written = 0;
  for await (const chunk of stream) {
    await writeFully(file, [chunk], written);
    written += chunk.byteLength;
  }
  return written;
}

async function writeToStandardOutput(stream: ReadableStream<Bytes>): Promise<number> {
  let written = 0;
  for await (const chunk of stream) {
    await new Promise<void>((done, fail) => {
      process.stdout.write(chunk, (error) => (error ? fail(error) : done()));
    });
    written += chunk.byteLength;
  }
  return written;
}

/** Refuses to write bytes to a terminal that nobody asked for by name. */
export function assertNoTerminal(args: Arguments, jobs: readonly Job[]): void {
  if (process.stdout.isTTY && args.get('output') !== pipe && jobs.some(({ output }) => output === pipe)) {
    throw new UsageError('The output would go to the terminal: give --output FILE, or --output - to have it so');
  }
}
