/** `bulla rewrap` */

import { inspect, type WrappedKeyInfo } from '../message/inspect.ts';
import { rewrap } from '../message/rewrap.ts';
import { openFile } from '../node/file-source.ts';
import { type PlainPath, shownPath } from '../node/paths.ts';
import { type RewrapFileOptions, rewrapFile } from '../node/rewrap-file.ts';
import type { VerifiedKeyDocument } from '../service/key-documents.ts';
import type { Arguments } from './arguments.ts';
import { DropError, UsageError } from './failure.ts';
import { assertNoTerminal, isRegularOutput, openMessage, prepend, readBeginning, writeOutput } from './files.ts';
import {
  decryptionKeyring,
  encryptionKeyring,
  keyOptions,
  offlineOption,
  recipientOptions,
  serviceOptions,
} from './keys.ts';
import { newPassphraseOptions, passphraseOptions } from './passphrases.ts';
import { type Job, outputOptions, pipe, planJobs } from './plan.ts';
import { type Command, commonOptions, type Result, runJobs, type Work } from './run.ts';
import { say } from './standard-streams.ts';
import { textEncoder } from './text-form.ts';
import { words } from './words.ts';

/** Replaces wrapped keys. */
export const rewrapCommand: Command = {
  name: 'rewrap',
  summary: 'changes who can decrypt messages, without decrypting them',
  synopsis: '--in-place [OPTIONS] FILE..., or rewrap --output FILE [OPTIONS] [FILE]',
  details: `Replaces the wrapped key that --key or --passphrase opens with new ones for the recipients. All others stay. The data key remains
the same: anybody who could decrypt the old message and kept it still can. Messages that were encrypted with a --context need it
here, too, unless they go to a newer version of the same key: it proves that the wrapped key belongs to the message. With a
--key-service, data keys stay in the service, and messages under the newest version of the key are skipped, so you can stop
and run the command again.`,
  options: [
    ...keyOptions,
    ...passphraseOptions,
    ...recipientOptions,
    ...newPassphraseOptions,
    ...serviceOptions,
    offlineOption,
    { name: 'keep', help: 'keeps the wrapped key that was opened, so that recipients are added' },
    {
      name: 'drop',
      value: 'KEYID',
      multiple: true,
      help: 'removes the wrapped key with this id, which must be there; may be repeated',
    },
    {
      name: 'context',
      short: 'c',
      value: 'NAME=VALUE',
      multiple: true,
      help: 'the context that the messages were encrypted with; may be repeated',
    },
    { name: 'recursive', help: 'takes the files in folders that end in .bulla' },
    { name: 'dry-run', short: 'n', help: 'does everything but writing' },
    { name: 'in-place', short: 'i', help: 'replaces each file by the re-wrapped one' },
    { name: 'text', short: 't', help: 'writes the text form, bulla1.…' },
    ...outputOptions,
    ...commonOptions,
  ],

  async run(args) {
    const jobs = await plan(args);
    if (jobs.length === 0 && !args.has('json') && !args.has('quiet'))
      await say(words`bulla: no file in these folders ends in .bulla`);
    if (!args.has('text') && !args.has('dry-run')) assertNoTerminal(args, jobs);
    const context = args.all('context').length === 0 ? undefined : args.pairs('context');
    const dropped = args.all('drop');
    const options: RewrapFileOptions = {
      from: await decryptionKeyring(args),
      to: await encryptionKeyring(args, 'new-passphrase'),
      context,
      keep: args.has('keep'),
      drop: ({ keyId }) => dropped.includes(keyId),
    };
    if (args.has('recursive')) await assertDroppedAnywhere(jobs, dropped);
    const newest = await newestVersion(args);
    const atOnce = args.get('key-service') === undefined ? 1 : filesAtOnce;
    return runJobs(args, jobs, (work) => rewrapOne(work, options, args, newest), atOnce);
  },
};

/**
 * In folders a message may lack a key that others have, when a run that was stopped has dropped it already. An id that none of them has is a mistake, or there is
 * nothing left to do.
 */
async function assertDroppedAnywhere(jobs: readonly Job[], dropped: readonly string[]): Promise<void> {
  const missing = new Set(dropped);
  for (const { input } of jobs) {
    if (missing.size === 0) return;
    // What is no message is told when it is its turn.
    for (const { keyId } of await wrappedKeysOf(input).catch(() => [])) missing.delete(keyId);
  }
  if (missing.size > 0) throw new DropError(`No message has a wrapped key ${[...missing].join(' or ')} to drop`);
}

async function wrappedKeysOf(path: PlainPath): Promise<readonly WrappedKeyInfo[]> {
  const { beginning, rest } = await readBeginning((await openMessage(path)).stream());
  await rest.cancel();
  return inspect(beginning).wrappedKeys;
}

function missingOf(dropped: readonly string[], wrappedKeys: readonly WrappedKeyInfo[]): string | undefined {
  return dropped.find((id) => !wrappedKeys.some(({ keyId }) => keyId === id));
}

/** Wrapped keys of as many files travel to a key service together. */
const filesAtOnce = 64;

async function plan(args: Arguments): Promise<Job[]> {
  const inPlace = args.has('in-place');
  if (inPlace && (args.get('output') ?? args.get('output-folder')) !== undefined) {
    throw new UsageError('--in-place excludes --output and --output-folder');
  }
  if (inPlace && (args.files.length === 0 || args.files.includes(pipe))) throw new UsageError('--in-place takes files');
  if (args.has('recursive') && !inPlace) throw new UsageError('--recursive goes with --in-place');
  return planJobs(args, (input) => {
    if (inPlace || args.has('dry-run') || args.get('output-folder') !== undefined) return input;
    throw new UsageError('Say where to write with --in-place, --output or --output-folder');
  });
}

/** The newest version of the key service's key, where it is the only one that messages shall be wrapped under: what has it needs nothing. */
async function newestVersion(args: Arguments): Promise<Newest | undefined> {
  const more = ['recipient', 'recipients-file', 'new-passphrase', 'new-passphrase-fd', 'keep', 'drop'];
  if (args.get('key-service') === undefined || more.some((name) => args.given(name))) return undefined;
  const { openKeyService } = await import('./key-service.ts');
  const { client, keyId } = await openKeyService(args);
  return client.keyDocument(keyId());
}

type Newest = Pick<VerifiedKeyDocument, 'keyId' | 'version'>;

async function rewrapOne(
  { job, bar }: Work,
  options: RewrapFileOptions,
  args: Arguments,
  newest: Newest | undefined,
): Promise<Result> {
  const input = await openMessage(job.input, 'rewrap takes the messages in folders with --in-place --recursive');
  // Looked at before the message is read: a newer one that takes its place meanwhile is not overwritten.
  const lastLook = args.has('in-place') ? await lastLookAt(job.input) : undefined;
  const { beginning, rest } = await readBeginning(input.stream());
  try {
    const { wrappedKeys } = inspect(beginning);
    const shown = shownPath(job.input);
    if (newest !== undefined && wrappedKeys.some((key) => isNewest(key, newest))) {
      return { words: words`${shown}: under the newest version already`, rewrapped: false };
    }
    const missing = args.has('recursive') ? undefined : missingOf(args.all('drop'), wrappedKeys);
    if (missing !== undefined) throw new DropError(`The message has no wrapped key ${missing} to drop`);
    if (args.has('dry-run')) {
      await rewrap(beginning, options);
      return { words: words`${shown}: would be re-wrapped`, rewrapped: false };
    }
    const overwrite = args.has('in-place') || args.has('force');
    const asText = args.has('text') || (args.has('in-place') && input.path === undefined);
    const { notKept } =
      input.path !== undefined && !asText && (await isRegularOutput(job.output))
        ? await rewrapFile(input.path, job.output, { ...options, overwrite, onProgress: bar.update })
        : await rewrapStream();
    return { words: words`${shownPath(job.output)}: re-wrapped`, rewrapped: true, notKept };

    async function rewrapStream() {
      const rewrapped = prepend([await rewrap(beginning, options)], rest);
      return writeOutput(
        asText ? rewrapped.pipeThrough(textEncoder()) : rewrapped,
        job.output,
        { overwrite },
        lastLook,
      );
    }
  } finally {
    if (!rest.locked) await rest.cancel();
  }
}

function isNewest({ keyId, version }: WrappedKeyInfo, newest: Newest): boolean {
  return keyId === newest.keyId && version === newest.version;
}

async function lastLookAt(path: PlainPath) {
  const file = await openFile(path);
  const lastLook = file.lastLook(path);
  await file.close();
  return lastLook;
}
