/** `bulla decrypt` */

import { readFileSync } from 'node:fs';
import { decryptStream } from '../message/decrypt-stream.ts';
import { decryptFile } from '../node/decrypt-file.ts';
import type { Arguments } from './arguments.ts';
import { UsageError } from './failure.ts';
import {
  assertNoTerminal,
  extension,
  openMessage,
  outputOptions,
  pipe,
  planJobs,
  withoutExtension,
  writeOutput,
} from './files.ts';
import { decryptionKeyring, keyOptions, passphraseOptions, serviceOptions } from './keys.ts';
import { type Command, commonOptions, type Result, runJobs, type Work } from './run.ts';
import { formatBytes, printable } from './terminal.ts';

/** Decrypts files and pipes. */
export const decryptCommand: Command = {
  name: 'decrypt',
  summary: 'decrypts files',
  synopsis: '[OPTIONS] [FILE...]',
  details: `FILE${extension} is written to FILE, standard input to standard output; the text form is recognized. A file appears when
the whole message was authentic, or never. What goes to a pipe is authentic, but complete only if the exit code is 0.`,
  options: [
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
  ],

  async run(args, signal) {
    const jobs = planJobs(args, withoutExtension);
    assertNoTerminal(args, jobs);
    const detached = args.get('detached');
    if (detached !== undefined && jobs.length > 1) throw new UsageError('--detached takes one input');
    const context = args.pairs('context');
    const envelope = detached === undefined ? undefined : readFileSync(detached);
    const keyring = await decryptionKeyring(args);
    return runJobs(args, jobs, signal, (work) => decryptOne(work, { keyring, context, envelope, signal }, args));
  },
};

type Options = Omit<Parameters<typeof decryptStream>[0], 'onProgress'>;

async function decryptOne({ job, bar }: Work, options: Options, args: Arguments): Promise<Result> {
  const input = await openMessage(job.input);
  const overwrite = args.has('force');
  let plaintextLength = 0;
  const onProgress = (bytes: number, total = input.size) => {
    plaintextLength = bytes;
    bar.update(bytes, total);
  };
  if (input.path !== undefined && job.output !== pipe) {
    await decryptFile(input.path, job.output, { ...options, overwrite, onProgress });
  } else {
    const plaintext = input.stream().pipeThrough(decryptStream({ ...options, onProgress }));
    await writeOutput(plaintext, job.output, { overwrite });
  }
  return { words: `${printable(job.output)}: ${formatBytes(plaintextLength)} decrypted`, plaintextLength };
}
