/** `bulla encrypt` */

import { encryptStream } from '../message/encrypt-stream.ts';
import { writeAtomically } from '../node/atomic-file.ts';
import { encryptFile } from '../node/encrypt-file.ts';
import { writeFully } from '../node/file-io.ts';
import type { Arguments } from './arguments.ts';
import { UsageError } from './failure.ts';
import { assertNoTerminal, extension, openInput, outputOptions, pipe, planJobs, writeOutput } from './files.ts';
import { encryptionKeyring, offlineOption, passphraseOptions, recipientOptions, serviceOptions } from './keys.ts';
import { type Command, commonOptions, type Result, runJobs, type Work } from './run.ts';
import { formatBytes, printable } from './terminal.ts';
import { textEncoder } from './text-form.ts';

/** Encrypts files and pipes. */
export const encryptCommand: Command = {
  name: 'encrypt',
  summary: 'encrypts files: for public keys, with a passphrase, with a key service',
  synopsis: '[OPTIONS] [FILE...]',
  details: `FILE is written to FILE${extension}, standard input to standard output. Whoever encrypts cannot read the result,
unless a public key of theirs is among the recipients.`,
  options: [
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
    { name: 'metadata', short: 'm', value: 'NAME=VALUE', multiple: true, help: 'stands in clear in the message' },
    { name: 'content-type', value: 'TYPE', help: 'the media type of the plaintext, in clear' },
    { name: 'segment-size', value: 'BYTES', help: 'a power of two from 4096 to 4194304; 262144 if not given' },
    { name: 'text', short: 't', help: 'writes the text form, bulla1.…' },
    { name: 'detached', value: 'FILE', help: 'writes the envelope to FILE, and only the body to the output' },
    ...outputOptions,
    ...commonOptions,
  ],

  async run(args, signal) {
    const jobs = planJobs(args, (input) => `${input}${extension}`);
    if (!args.has('text')) assertNoTerminal(args, jobs);
    const detached = args.get('detached');
    if (detached !== undefined && (jobs.length > 1 || args.has('text'))) {
      throw new UsageError('--detached takes one input and excludes --text');
    }
    const options = encryptionOptions(args);
    const keyring = await encryptionKeyring(args);
    return runJobs(args, jobs, signal, (work) => encryptOne(work, { ...options, keyring, signal }, args));
  },
};

function encryptionOptions(args: Arguments) {
  return {
    context: args.pairs('context'),
    metadata: args.pairs('metadata'),
    contentType: args.get('content-type'),
    segmentSize: args.integer('segment-size', 0),
  };
}

type Options = Omit<Parameters<typeof encryptStream>[0], 'onProgress' | 'detached'>;

async function encryptOne({ job, bar }: Work, options: Options, args: Arguments): Promise<Result> {
  const input = await openInput(job.input);
  const [overwrite, envelopePath] = [args.has('force'), args.get('detached')];
  const detached = envelopePath !== undefined;
  let plaintextLength = 0;
  const onProgress = (bytes: number, total = input.size) => {
    plaintextLength = bytes;
    bar.update(bytes, total);
  };
  if (input.path !== undefined && job.output !== pipe && !args.has('text')) {
    const { envelope } = await encryptFile(input.path, job.output, { ...options, overwrite, detached, onProgress });
    await writeEnvelope(envelopePath, envelope, overwrite);
  } else {
    const stream = encryptStream({ ...options, detached, onProgress });
    const sealed = input.stream().pipeThrough(stream);
    await writeOutput(args.has('text') ? sealed.pipeThrough(textEncoder()) : sealed, job.output, { overwrite });
    await writeEnvelope(envelopePath, await stream.envelope, overwrite);
  }
  const words = `${printable(job.output)}: ${formatBytes(plaintextLength)} encrypted`;
  return { words, plaintextLength, ...(detached && { envelope: envelopePath }) };
}

async function writeEnvelope(path: string | undefined, envelope: Uint8Array | undefined, overwrite: boolean) {
  if (path === undefined || envelope === undefined) return;
  await writeAtomically(path, { overwrite }, (file) => writeFully(file, [envelope], 0));
}
