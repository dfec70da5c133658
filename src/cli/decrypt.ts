/** `bulla decrypt` */

import { assertForm, preambleLength } from '../envelope/framing.ts';
import { MessageFormatError } from '../errors.ts';
import { maxEnvelopeLength } from '../lib/limits.ts';
import { decryptStream } from '../message/decrypt-stream.ts';
import { inspect } from '../message/inspect.ts';
import type { WrittenFile } from '../node/atomic-file.ts';
import { decryptFile } from '../node/decrypt-file.ts';
import { shownPath } from '../node/paths.ts';
import type { Bytes } from '../types.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { UsageError } from './failure.ts';
import { assertNoTerminal, isRegularOutput, openMessage, readBeginning, writeOutput } from './files.ts';
import { decryptionKeyring, keyOptions, serviceOptions } from './keys.ts';
import { checkOutputs, isHopeless, noWork } from './outputs.ts';
import { passphraseOptions } from './passphrases.ts';
import { extension, outputOptions, planJobs, withoutExtension } from './plan.ts';
import { commonOptions, type Result, runJobs, type Work } from './run.ts';
import { identityOf, identityOfInput, pipe } from './same-file.ts';
import { formatBytes } from './terminal.ts';
import { readSmallFile } from './text-file.ts';
import { words } from './words.ts';

const decryptOptions: readonly Option[] = [
  ...keyOptions,
  ...passphraseOptions,
  ...serviceOptions,
  {
    name: 'context',
    short: 'c',
    value: 'NAME=VALUE',
    multiple: true,
    help: 'as when it was encrypted; may be repeated',
  },
  { name: 'detached', value: 'FILE', help: 'the detached envelope, where the input is a detached body' },
  ...outputOptions,
  ...commonOptions,
];

/** Decrypts files and pipes. */
export const decryptCommand: Command = {
  name: 'decrypt',
  summary: 'decrypts files',
  synopsis: '[OPTIONS] [FILE...]',
  details: `FILE${extension} is written to FILE, standard input to standard output; the text form is recognized. A file appears when
the whole message was authentic, or never. What goes to a pipe is authentic, but complete only if the exit code is 0.`,
  actions: [{ name: '', options: decryptOptions, run: decryptFiles }],
};

async function decryptFiles(args: Arguments): Promise<number> {
  const jobs = await planJobs(args, withoutExtension);
  assertNoTerminal(args, jobs);
  const detached = args.get('detached');
  if (detached !== undefined && jobs.length > 1) throw new UsageError('--detached takes one input');
  if (detached === pipe && args.readsStandardInput) throw new UsageError('Standard input can be read once');
  if (detached !== undefined && jobs.some(({ output }) => identityOf(output) === identityOfInput(detached))) {
    throw new UsageError('The output would replace the envelope given with --detached');
  }
  const context = args.pairs('context');
  const envelope = detached === undefined ? undefined : await readEnvelope(detached);
  const checked = await checkOutputs(args, jobs);
  if (isHopeless(args, checked)) return runJobs(args, checked, noWork);
  const keyring = await decryptionKeyring(args);
  return runJobs(args, checked, (work) => decryptOne(work, { keyring, context, envelope }, args));
}

type Options = Omit<Parameters<typeof decryptStream>[0], 'onProgress'>;

/** An envelope as bytes, which may be in its text form. What is wrong with it is told by its own name. */
async function readEnvelope(path: string): Promise<Bytes> {
  try {
    const bytes = await readEnvelopeBytes(path);
    assertForm(bytes, 'envelope');
    inspect(bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof MessageFormatError)) throw error;
    throw new MessageFormatError(error.code, `--detached ${path}: ${error.message}`);
  }
}

async function readEnvelopeBytes(path: string): Promise<Bytes> {
  const input = await openMessage(path);
  // Of what is longer than any envelope, enough to say so.
  if (input.path !== undefined) return readSmallFile(path, preambleLength + maxEnvelopeLength);
  const { beginning, rest } = await readBeginning(input.stream());
  await rest.cancel();
  return beginning;
}

async function decryptOne({ job, bar }: Work, options: Options, args: Arguments): Promise<Result> {
  const input = await openMessage(job.input);
  const overwrite = args.has('force');
  let plaintextLength = 0;
  const onProgress = (bytes: number, total = input.size) => {
    plaintextLength = bytes;
    bar.update(bytes, total);
  };
  let written: WrittenFile;
  if (input.path !== undefined && (await isRegularOutput(job.output))) {
    written = await decryptFile(input.path, job.output, { ...options, overwrite, onProgress });
  } else {
    const plaintext = input.stream().pipeThrough(decryptStream({ ...options, onProgress }));
    written = await writeOutput(plaintext, job.output, { overwrite });
  }
  const said = words`${shownPath(job.output)}: ${formatBytes(plaintextLength)} decrypted`;
  return { words: said, plaintextLength, notKept: written.notKept };
}
