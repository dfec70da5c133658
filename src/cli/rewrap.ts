/** `bulla rewrap` */

import { rewrap } from '../message/rewrap.ts';
import { type RewrapFileOptions, rewrapFile } from '../node/rewrap-file.ts';
import type { Arguments } from './arguments.ts';
import { UsageError } from './failure.ts';
import {
  assertNoTerminal,
  openMessage,
  outputOptions,
  pipe,
  planJobs,
  prepend,
  readBeginning,
  writeOutput,
} from './files.ts';
import {
  decryptionKeyring,
  encryptionKeyring,
  keyOptions,
  newPassphraseOptions,
  passphraseOptions,
  recipientOptions,
} from './keys.ts';
import { type Command, commonOptions, type Result, runJobs, type Work } from './run.ts';
import { printable } from './terminal.ts';
import { textEncoder } from './text-form.ts';

/** Replaces wrapped keys. */
export const rewrapCommand: Command = {
  name: 'rewrap',
  summary: 'changes who can decrypt messages, without decrypting them',
  synopsis: '--in-place [OPTIONS] FILE..., or rewrap --output FILE [OPTIONS] [FILE]',
  details: `The wrapped key that --key or --passphrase opens is replaced by those for the recipients; all others stay. The data key remains
the same: whoever could decrypt the old message and kept it, still can.`,
  options: [
    ...keyOptions,
    ...passphraseOptions,
    ...recipientOptions,
    ...newPassphraseOptions,
    { name: 'keep', help: 'keeps the wrapped key that was opened, so that recipients are added' },
    {
      name: 'drop',
      value: 'KEYID',
      multiple: true,
      help: 'removes the wrapped keys with this key id; may be repeated',
    },
    {
      name: 'context',
      short: 'c',
      value: 'NAME=VALUE',
      multiple: true,
      help: 'checks the message against it before it is re-wrapped',
    },
    { name: 'in-place', short: 'i', help: 'replaces each file by the re-wrapped one' },
    { name: 'text', short: 't', help: 'writes the text form, bulla1.…' },
    ...outputOptions,
    ...commonOptions,
  ],

  async run(args, signal) {
    const inPlace = args.has('in-place');
    if (inPlace && (args.get('output') ?? args.get('output-folder')) !== undefined) {
      throw new UsageError('--in-place excludes --output and --output-folder');
    }
    if (inPlace && (args.files.length === 0 || args.files.includes(pipe)))
      throw new UsageError('--in-place takes files');
    const jobs = planJobs(args, (input) => {
      if (inPlace || args.get('output-folder') !== undefined) return input;
      throw new UsageError('Say where to write with --in-place, --output or --output-folder');
    });
    if (!args.has('text')) assertNoTerminal(args, jobs);
    const context = args.all('context').length === 0 ? undefined : args.pairs('context');
    const dropped = args.all('drop');
    const options: RewrapFileOptions = {
      from: await decryptionKeyring(args),
      to: await encryptionKeyring(args, 'new-passphrase'),
      context,
      keep: args.has('keep'),
      drop: ({ keyId }) => dropped.includes(keyId),
      signal,
    };
    return runJobs(args, jobs, signal, (work) => rewrapOne(work, options, args));
  },
};

async function rewrapOne({ job, bar }: Work, options: RewrapFileOptions, args: Arguments): Promise<Result> {
  const input = await openMessage(job.input);
  const overwrite = args.has('in-place') || args.has('force');
  if (input.path !== undefined && job.output !== pipe && !args.has('text')) {
    await rewrapFile(input.path, job.output, {
      ...options,
      overwrite,
      onProgress: (bytes, total) => bar.update(bytes, total),
    });
  } else {
    const { beginning, rest } = await readBeginning(input.stream());
    const rewrapped = prepend([await rewrap(beginning, options)], rest);
    const asText = args.has('text') || (args.has('in-place') && input.path === undefined);
    await writeOutput(asText ? rewrapped.pipeThrough(textEncoder()) : rewrapped, job.output, { overwrite });
  }
  return { words: `${printable(job.output)}: re-wrapped` };
}
