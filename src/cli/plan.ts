/** Which files a call reads and writes. Whether two names are one file is for the file system to say, not for the names. */

import { realpathSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { decodeUtf8 } from '../lib/utf8.ts';
import { folderOf, nameOf, type PlainPath, pathIn, shownPath, siblingOf } from '../node/paths.ts';
import type { Arguments, Option } from './arguments.ts';
import { FileError, UsageError } from './failure.ts';
import { filesRead } from './read-files.ts';
import { identityOf, identityOfInput, isStandardOutput, lookAt, pipe, placeOf } from './same-file.ts';
import { assertStandardOutput } from './standard-streams.ts';

/** What messages in files are called by. */
export const extension = '.bulla';

/** Where output goes. */
export const outputOptions: readonly Option[] = [
  { name: 'output', short: 'o', value: 'FILE', help: 'where to write; - is standard output' },
  {
    name: 'output-folder',
    short: 'O',
    value: 'FOLDER',
    excludes: ['output'],
    help: 'writes all files into this folder',
  },
  { name: 'force', short: 'f', help: 'replaces files that exist' },
];

/** One thing to do: read this, write that. `-` stands for standard input and output. */
export interface Job {
  readonly input: PlainPath;
  readonly output: PlainPath;
  /** Why it cannot be done, where that is known already. */
  readonly failure?: unknown;
}

/** The jobs that the arguments ask for. `nameOf` gives the name of an output beside its input. Rejects with a {@link UsageError}. */
export async function planJobs(args: Arguments, nameOf: (input: PlainPath) => PlainPath): Promise<Job[]> {
  const inputs = args.files.length === 0 ? [pipe] : args.files;
  const [output, folder] = [args.get('output'), args.get('output-folder')];
  if (inputs.filter((input) => input === pipe).length > 1) throw new UsageError('Standard input can be read once');
  if (output !== undefined && inputs.length > 1) throw new UsageError('--output takes one input; use --output-folder');
  const found = args.has('recursive') ? await messagesIn(inputs) : inputs.map((input) => ({ input }));
  const jobs: Job[] = found.map((item) => ({ ...item, output: output ?? outputOf(item.input, folder, nameOf) }));
  const given = folder ?? (output === undefined || output === pipe ? undefined : folderOf(output));
  if (given !== undefined) assertFolder(given);
  const planned = jobs.map((job) => (isStandardOutput(job.output) ? { ...job, output: pipe } : job));
  assertApart(planned, await filesRead(args));
  if (planned.some((job) => job.output === pipe) && args.has('json')) {
    throw new UsageError('--json writes to standard output, so the result needs an --output');
  }
  if (planned.some((job) => job.output === pipe) && !args.has('dry-run')) assertStandardOutput();
  return planned;
}

/** Throws a {@link FileError} where there is no such folder to write to. */
export function assertFolder(path: PlainPath): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new FileError('ENOENT', `There is no folder ${shownPath(path)} to write to`);
  if (!found.isDirectory()) throw new FileError('ENOTDIR', `It is no folder to write to: ${shownPath(path)}`);
}

function assertApart(jobs: readonly Job[], others: readonly string[]): void {
  const readers = new Map(jobs.map(({ input }, i) => [identityOfInput(input), i]));
  for (const file of others) readers.set(file, -1);
  const written = new Set<string>();
  for (const { input, output } of jobs) {
    const [file, shown] = [identityOf(output), output === pipe ? 'Standard output' : shownPath(output)];
    const place = placeOf(output);
    if (output !== pipe && written.has(place)) throw new UsageError(`Two inputs would be written to ${shown}`);
    written.add(place);
    const reader = readers.get(file);
    // What a job replaces, it has read; but what is appended to its own input grows for ever.
    const isOwn = output !== pipe && file === identityOfInput(input);
    if (reader === undefined || (isOwn && reader >= 0)) continue;
    throw new UsageError(`${shown} is ${reader < 0 ? 'read' : 'an input'}, and would be written to as well`);
  }
}

interface Found {
  readonly input: PlainPath;
  readonly failure?: unknown;
}

/**
 * What `--recursive` works on: of folders the messages in them and in their folders, in the order of their names. A file is itself. Symbolic links are not followed: one that
 * leads to something in these folders changes nothing, any other one is a failure.
 */
async function messagesIn(paths: readonly string[]): Promise<Found[]> {
  const roots = paths.map((path) => realpathSync(path));
  const found: Found[] = [];
  for (const path of paths) {
    if ((await stat(path)).isDirectory()) found.push(...(await walk(path, roots)));
    else found.push({ input: path });
  }
  return found;
}

async function walk(folder: PlainPath, roots: readonly string[]): Promise<Found[]> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((failure: unknown) => ({
    failure,
  }));
  // One folder that cannot be read is one failure.
  if ('failure' in entries) return [{ input: folder, failure: entries.failure }];
  const found: Found[] = [];
  for (const entry of entries.sort((one, other) => Buffer.compare(one.name, other.name))) {
    const name = decodeUtf8(entry.name) ?? entry.name;
    const text = textOf(name);
    if (entry.isDirectory()) found.push(...(await walk(pathIn(folder, name), roots)));
    else if (entry.isSymbolicLink()) found.push(...strayLink(pathIn(folder, name), roots));
    else if (entry.isFile() && text.endsWith(extension) && !text.startsWith('.bulla-')) {
      found.push({ input: pathIn(folder, name) });
    }
  }
  return found;
}

/** A failure for a symbolic link behind which messages may be that are not reached by another way. */
function strayLink(link: PlainPath, roots: readonly string[]): Found[] {
  const target = lookAt(link);
  const mayHold = target?.isDirectory() || (target?.isFile() && textOf(nameOf(link)).endsWith(extension));
  if (!mayHold) return [];
  const real = realpathSync(link);
  const isReached = roots.some((root) => real === root || real.startsWith(`${root === '/' ? '' : root}/`));
  if (isReached && (target?.isDirectory() || real.endsWith(extension))) return [];
  const reason = `--recursive does not follow links: name what it leads to: ${shownPath(link)}`;
  return [{ input: link, failure: new FileError('ELOOP', reason) }];
}

function outputOf(input: PlainPath, folder: string | undefined, beside: (input: PlainPath) => PlainPath): PlainPath {
  if (input === pipe) {
    if (folder !== undefined) throw new UsageError('Standard input has no name to write it to --output-folder by');
    return pipe;
  }
  const output = folder === undefined ? beside(input) : pathIn(folder, nameOf(beside(input)));
  // A file of that name: `./-.bulla` is decrypted to it, and not to standard output.
  return output === pipe ? `./${pipe}` : output;
}

/** `report.pdf.bulla` is `report.pdf`. Throws a {@link UsageError} for other names. */
export function withoutExtension(path: PlainPath): PlainPath {
  const name = textOf(nameOf(path));
  if (!name.endsWith(extension) && lookAt(path)?.isDirectory()) throw isFolder(path);
  if (!name.endsWith(extension) || name === extension) {
    throw new UsageError(`${shownPath(path)} does not end in ${extension}: say where to write it with --output`);
  }
  return siblingOf(path, name.slice(0, -extension.length));
}

/** For looking at what is ASCII in it. */
function textOf(name: PlainPath): string {
  return typeof name === 'string' ? name : name.toString('latin1');
}

/** The failure of a folder where a file is expected, with what to do instead. */
export function isFolder(
  path: PlainPath,
  hint = `give the files in it, such as ${shownPath(pathIn(path, '*'))}`,
): FileError {
  return new FileError('EISDIR', `It is a folder: ${shownPath(path)}`, hint);
}
