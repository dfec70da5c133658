/** `bulla encrypt` */

import type { FileHandle } from 'node:fs/promises';
import { maxSegmentSizeLog2, minSegmentSizeLog2 } from '../lib/limits.ts';
import { encryptStream } from '../message/encrypt-stream.ts';
import { AtomicFile, type WrittenFile } from '../node/atomic-file.ts';
import { encryptFile, seal } from '../node/encrypt-file.ts';
import { writeFully } from '../node/file-io.ts';
import { openFile } from '../node/file-source.ts';
import { folderOf, type PlainPath, shownPath } from '../node/paths.ts';
import type { Bytes } from '../types.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { UsageError } from './failure.ts';
import { assertNoTerminal, type Input, isRegularOutput, openInput, writeOutput, writeStream } from './files.ts';
import { encryptionKeyring, offlineOption, recipientOptions, serviceOptions } from './keys.ts';
import { checkOutputs, isHopeless, noWork } from './outputs.ts';
import { passphraseOptions } from './passphrases.ts';
import { assertFolder, extension, type Job, outputOptions, planJobs } from './plan.ts';
import { assertNotRead } from './read-files.ts';
import { commonOptions, type Result, runJobs, type Work } from './run.ts';
import { identityOf, identityOfInput, isStandardOutput, pipe } from './same-file.ts';
import { assertStandardOutput } from './standard-streams.ts';
import { formatBytes } from './terminal.ts';
import { textEncoder } from './text-form.ts';
import { words } from './words.ts';

const encryptOptions: readonly Option[] = [
  ...recipientOptions,
  ...passphraseOptions,
  ...serviceOptions,
  offlineOption,
  {
    name: 'context',
    short: 'c',
    value: 'NAME=VALUE',
    multiple: true,
    help: 'must be given again to decrypt; may be repeated',
  },
  { name: 'metadata', short: 'm', value: 'NAME=VALUE', multiple: true, help: 'not encrypted, but authenticated' },
  { name: 'content-type', value: 'TYPE', help: 'media type of the plaintext, not encrypted' },
  { name: 'segment-size', value: 'BYTES', help: 'a power of two from 4096 to 4194304; 262144 if not given' },
  { name: 'text', short: 't', help: 'writes the text form, bulla1.…' },
  {
    name: 'detached',
    value: 'FILE',
    excludes: ['text'],
    help: 'writes the envelope to FILE, and only the body to the output',
  },
  ...outputOptions,
  ...commonOptions,
];

/** Encrypts files and pipes. */
export const encryptCommand: Command = {
  name: 'encrypt',
  summary: 'encrypts files: for public keys, with a passphrase, with a key service',
  synopsis: '[OPTIONS] [FILE...]',
  details: `FILE is written to FILE${extension}, standard input to standard output. You cannot read the result yourself,
unless your own public key is among the recipients.`,
  actions: [{ name: '', options: encryptOptions, run: encryptFiles }],
};

async function encryptFiles(args: Arguments): Promise<number> {
  const jobs = await planJobs(args, withExtension);
  if (!args.has('text')) assertNoTerminal(args, jobs);
  const detached = args.get('detached');
  if (detached !== undefined && jobs.length > 1) throw new UsageError('--detached takes one input');
  if (detached !== undefined) await assertEnvelope(detached, jobs[0] as Job, args);
  const options = encryptionOptions(args);
  const checked = await checkOutputs(args, jobs, detached);
  if (isHopeless(args, checked)) return runJobs(args, checked, noWork);
  const keyring = await encryptionKeyring(args);
  return runJobs(args, checked, (work) => encryptOne(work, { ...options, keyring }, args));
}

/** Rejects where the envelope has no place of its own. */
async function assertEnvelope(path: string, { input, output }: Job, args: Arguments): Promise<void> {
  const other = '--detached takes a file other than input and output';
  if ([identityOfInput(input), identityOf(output)].includes(identityOf(path))) throw new UsageError(other);
  await assertNotRead(args, path, 'The envelope');
  const isStandard = isStandardOutput(path);
  if (!isStandard) assertFolder(folderOf(path));
  if (isStandard && output === pipe) throw new UsageError(other);
  if (isStandard && args.has('json'))
    throw new UsageError('--json writes to standard output, so the envelope needs a file');
  if (isStandard) assertStandardOutput();
}

function withExtension(path: PlainPath): PlainPath {
  return typeof path === 'string' ? `${path}${extension}` : Buffer.concat([path, Buffer.from(extension)]);
}

function encryptionOptions(args: Arguments) {
  return {
    context: args.pairs('context'),
    metadata: args.pairs('metadata'),
    contentType: args.get('content-type'),
    segmentSize: segmentSizeOf(args),
  };
}

function segmentSizeOf(args: Arguments): number | undefined {
  const size = args.integer('segment-size', 0);
  const log2 = Math.log2(size ?? 2 ** minSegmentSizeLog2);
  if (Number.isInteger(log2) && log2 >= minSegmentSizeLog2 && log2 <= maxSegmentSizeLog2) return size;
  throw new UsageError(
    `--segment-size takes a power of two from ${2 ** minSegmentSizeLog2} to ${2 ** maxSegmentSizeLog2}`,
  );
}

type Options = Omit<Parameters<typeof encryptStream>[0], 'onProgress' | 'detached'>;
type ProgressOptions = Options & { readonly onProgress: (bytes: number, total?: number) => void };

async function encryptOne({ job, bar }: Work, options: Options, args: Arguments): Promise<Result> {
  const input = await openInput(job.input);
  const [overwrite, envelope] = [args.has('force'), envelopeOf(args)];
  let plaintextLength = 0;
  const onProgress = (bytes: number, total = input.size) => {
    plaintextLength = bytes;
    bar.update(bytes, total);
  };
  const asFile = input.path !== undefined && !args.has('text') && (await isRegularOutput(job.output));
  let written: WrittenFile;
  if (envelope !== undefined) {
    written = await encryptDetached(input, { body: job.output, envelope, overwrite }, { ...options, onProgress });
  } else if (input.path !== undefined && asFile) {
    written = await encryptFile(input.path, job.output, { ...options, overwrite, onProgress });
  } else {
    const sealed = input.stream().pipeThrough(encryptStream({ ...options, onProgress }));
    written = await writeOutput(args.has('text') ? sealed.pipeThrough(textEncoder()) : sealed, job.output, {
      overwrite,
    });
  }
  const said = words`${shownPath(job.output)}: ${formatBytes(plaintextLength)} encrypted`;
  return { words: said, plaintextLength, ...(envelope !== undefined && { envelope }), notKept: written.notKept };
}

/** Where the envelope goes: `/dev/stdout` is standard output, as for the body. */
function envelopeOf(args: Arguments): string | undefined {
  const path = args.get('detached');
  return path !== undefined && isStandardOutput(path) ? pipe : path;
}

interface DetachedTargets {
  readonly body: PlainPath;
  readonly envelope: string;
  readonly overwrite: boolean;
}

/** Nobody can decrypt a body without its envelope: no file appears before both are written. */
async function encryptDetached(
  input: Input,
  { body, envelope, overwrite }: DetachedTargets,
  options: ProgressOptions,
): Promise<WrittenFile> {
  const files: AtomicFile[] = [];
  const create = async (path: PlainPath) => {
    if (!(await isRegularOutput(path))) return undefined;
    const file = await AtomicFile.create(path, { overwrite });
    files.push(file);
    return file;
  };
  try {
    const envelopeFile = await create(envelope);
    const bodyFile = await create(body);
    const sealed =
      bodyFile === undefined ? streamBody(input, body, options) : sealBody(input, bodyFile.handle, options);
    if (envelopeFile === undefined) await writeOutput(new Blob([await sealed]).stream(), envelope, { overwrite });
    else await writeFully(envelopeFile.handle, [await sealed], 0);
    if (envelopeFile !== undefined && bodyFile !== undefined) await AtomicFile.publishBoth(envelopeFile, bodyFile);
    else await (envelopeFile ?? bodyFile)?.publish();
    return { notKept: [...new Set(files.flatMap(({ notKept }) => notKept))] };
  } catch (error) {
    await Promise.all(files.map((file) => file.discard()));
    throw error;
  }
}

/** Writes the body to what is no regular file; gives the envelope. */
async function streamBody(input: Input, body: PlainPath, options: ProgressOptions): Promise<Bytes> {
  const stream = encryptStream({ ...options, detached: true });
  await writeOutput(input.stream().pipeThrough(stream), body, { overwrite: false });
  return (await stream.envelope) as Bytes;
}

/** Writes the body; gives the envelope. */
async function sealBody(input: Input, body: FileHandle, options: ProgressOptions): Promise<Bytes> {
  if (input.path === undefined) {
    const stream = encryptStream({ ...options, detached: true });
    await writeStream(input.stream().pipeThrough(stream), body);
    return (await stream.envelope) as Bytes;
  }
  const source = await openFile(input.path);
  try {
    return (await seal(source, body, { ...options, detached: true })).envelope as Bytes;
  } finally {
    await source.close();
  }
}
