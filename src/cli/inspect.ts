/** `bulla inspect` */

import { type Inspection, inspect } from '../message/inspect.ts';
import { shownPath } from '../node/paths.ts';
import type { Command } from './actions.ts';
import type { Arguments } from './arguments.ts';
import { openMessage, readBeginning } from './files.ts';
import { commonOptions, type Result, runJobs, type Work } from './run.ts';
import { pipe } from './same-file.ts';
import { standardOutput } from './standard-streams.ts';
import { formatBytes, shownTime } from './terminal.ts';
import { joined, noWords, type Words, words } from './words.ts';

/** Shows what messages say about themselves. */
export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'shows what a message says about itself, without any key',
  synopsis: '[OPTIONS] [FILE...]',
  details: 'Nothing that it prints is verified: without a key, anybody may have written it.',
  actions: [{ name: '', options: commonOptions, run: inspectFiles }],
};

async function inspectFiles(args: Arguments): Promise<number> {
  const inputs = args.files.length === 0 ? [pipe] : args.files;
  const jobs = inputs.map((input) => ({ input, output: '' }));
  return runJobs(args, jobs, (work) => inspectOne(work, args));
}

async function inspectOne({ job }: Work, args: Arguments): Promise<Result> {
  const input = await openMessage(job.input);
  const { beginning, rest } = await readBeginning(input.stream());
  await rest.cancel();
  const result = inspect(beginning, input.size === undefined ? {} : { messageLength: input.size });
  // Of a pipe only the beginning was read, so its length is not known.
  const plaintextLength = input.size === undefined ? undefined : result.plaintextLength;
  if (!args.has('json')) {
    await standardOutput.write(describeMessage(shownPath(job.input), { ...result, plaintextLength }));
  }
  const { header } = result;
  return { words: noWords, ...result, plaintextLength, header: { ...header, created: header.created.toISOString() } };
}

function describeMessage(input: string, { header, suiteName, wrappedKeys, plaintextLength }: Inspection): Words {
  const lines: Line[] = [
    ['suite', words`${header.suite}, ${suiteName}`],
    ['created', words`${shownTime(header.created)}`],
    ['plaintext', words`${plaintextLength === undefined ? 'of unknown length' : describeLength(plaintextLength)}`],
    ['segment size', words`${describeSegment(header.segmentSize)}`],
    ['data key', words`${header.keyUse === 'shared' ? 'shared with other messages' : 'of this message alone'}`],
    ...(header.contentType === undefined ? [] : [['content type', words`${header.contentType}`] as Line]),
    ...header.contextNames.map((name): Line => ['context', words`${name}=…`]),
    ...Object.entries(header.metadata).map(([name, value]): Line => ['metadata', words`${name}=${value}`]),
    ...wrappedKeys.map((key): Line => ['wrapped key', describeKey(key)]),
  ];
  const shown = lines.map(([name, value]) => words`  ${name.padEnd(13)} ${value}\n`);
  return words`${input === pipe ? 'standard input' : input}: a bulla message, unverified\n${joined(shown)}`;
}

type Line = [name: string, value: Words];

function describeLength(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : `${formatBytes(bytes)} (${bytes} B)`;
}

/** A power of two from 4 KiB on. */
function describeSegment(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`;
}

function describeKey({ method, keyId, version, serviceId, keyContext }: Inspection['wrappedKeys'][number]): Words {
  const pairs = Object.entries(keyContext).map(([name, value]) => words`${name}=${value}`);
  const service = serviceId === '' ? noWords : words` at ${serviceId}`;
  // A key that has no versions, such as a key pair, says 0.
  const ofVersion = version === 0 ? [] : [words`version ${version}`];
  // A passphrase has no name of its own, unless it was given one.
  const id = keyId === method ? noWords : words` ${keyId}`;
  return joined([words`${method}${id}${service}`, ...ofVersion, ...pairs], ', ');
}
