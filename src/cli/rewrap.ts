/** `bulla rewrap` */

import { sameMap } from '../lib/maps.ts';
import { inspect, type WrappedKeyInfo } from '../message/inspect.ts';
import { rewrap } from '../message/rewrap.ts';
import { openFile } from '../node/file-source.ts';
import { type PlainPath, shownPath } from '../node/paths.ts';
import { type RewrapFileOptions, rewrapFile } from '../node/rewrap-file.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { DropError, UsageError } from './failure.ts';
import {
  assertNoTerminal,
  assertWritable,
  isRegularOutput,
  openMessage,
  prepend,
  readBeginning,
  writeOutput,
} from './files.ts';
import {
  encryptionKeyring,
  keyOptions,
  offlineOption,
  recipientOptions,
  rewrappingKeyring,
  serviceOptions,
} from './keys.ts';
import { checkOutputs, isHopeless, noWork } from './outputs.ts';
import { newPassphraseOptions, passphraseOptions } from './passphrases.ts';
import { type Job, outputOptions, planJobs } from './plan.ts';
import { commonOptions, type Result, runJobs, type Work } from './run.ts';
import { pipe } from './same-file.ts';
import { say } from './standard-streams.ts';
import { textEncoder } from './text-form.ts';
import { type Words, words } from './words.ts';

/** What both actions use. */
const sharedOptions: readonly Option[] = [
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
  { name: 'dry-run', short: 'n', help: 'does everything but writing' },
  { name: 'text', short: 't', help: 'writes the text form, bulla1.…' },
];

const inPlaceOptions: readonly Option[] = [
  { name: 'in-place', short: 'i', help: 'replaces each file by the re-wrapped one' },
  { name: 'recursive', help: 'takes the files in folders that end in .bulla' },
];

/** Replaces wrapped keys. */
export const rewrapCommand: Command = {
  name: 'rewrap',
  summary: 'changes who can decrypt messages, without decrypting them',
  synopsis: '--in-place [OPTIONS] FILE..., or rewrap --output FILE [OPTIONS] [FILE]',
  details: `Replaces the wrapped key that --key or --passphrase opens with new ones for the recipients. All others stay. The data key remains
the same: anybody who could decrypt the old message and kept it still can. Messages that were encrypted with a --context need it
here, too, unless they go to a newer version of the same key: it proves that the wrapped key belongs to the message. With a
--key-service, data keys stay in the service, and messages under the newest version of the key need nothing: those in place stay
as they are, and others are copied. So you can stop and run the command again.`,
  actions: [
    { name: '', options: [...outputOptions, ...sharedOptions, ...commonOptions], run: rewrapFiles },
    { name: '--in-place', options: [...inPlaceOptions, ...sharedOptions, ...commonOptions], run: rewrapFiles },
  ],
};

async function rewrapFiles(args: Arguments): Promise<number> {
  const planned = await plan(args);
  const writesAnew = !args.has('in-place') && !args.has('dry-run');
  const jobs = writesAnew ? await checkOutputs(args, planned) : planned;
  if (isHopeless(args, jobs)) return runJobs(args, jobs, noWork);
  if (jobs.length === 0 && !args.has('json') && !args.has('quiet'))
    await say(words`bulla: no file in these folders ends in .bulla`);
  if (!args.has('text') && !args.has('dry-run')) assertNoTerminal(args, jobs);
  const context = args.all('context').length === 0 ? undefined : args.pairs('context');
  const dropped = args.all('drop');
  const options: RewrapFileOptions = {
    from: await rewrappingKeyring(args),
    to: await encryptionKeyring(args, 'new-passphrase'),
    context,
    keep: args.has('keep'),
    drop: ({ keyId }) => dropped.includes(keyId),
  };
  if (args.has('recursive')) await assertDroppedAnywhere(jobs, dropped);
  const newest = await newestVersion(args);
  const atOnce = args.get('key-service') === undefined ? 1 : filesAtOnce;
  return runJobs(args, jobs, (work) => rewrapOne(work, options, args, newest), atOnce);
}

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
  if (inPlace && (args.files.length === 0 || args.files.includes(pipe))) throw new UsageError('--in-place takes files');
  return planJobs(args, (input) => {
    if (args.has('dry-run') || saysWhere(args)) return input;
    throw new UsageError('Say where to write with --in-place, --output or --output-folder');
  });
}

/** Only a dry run need not say where the result goes. */
function saysWhere(args: Arguments): boolean {
  return args.has('in-place') || args.given('output') || args.given('output-folder');
}

/**
 * What a message that needs nothing is wrapped under, where that is all that is asked for: with another key to open it, other recipients or keys to drop, every message is
 * re-wrapped.
 */
async function newestVersion(args: Arguments): Promise<Newest | undefined> {
  const others = [...keyOptions, ...passphraseOptions, ...recipientOptions, ...newPassphraseOptions];
  const more = ['keep', 'drop', ...others.map(({ name }) => name)];
  if (args.get('key-service') === undefined || more.some((name) => args.given(name))) return undefined;
  const { openKeyService } = await import('./key-service.ts');
  const { client, keyId, keyContext } = await openKeyService(args);
  const { keyId: id, version, serviceId } = await client.keyDocument(keyId());
  return { keyId: id, version, serviceId, keyContext: keyContext() };
}

type Newest = Omit<WrappedKeyInfo, 'method'>;

function isUnder(newest: Newest, { keyId, version, serviceId, keyContext }: WrappedKeyInfo): boolean {
  const isKey = keyId === newest.keyId && version === newest.version && serviceId === newest.serviceId;
  return isKey && sameMap(keyContext, newest.keyContext);
}

async function rewrapOne(
  { job, bar }: Work,
  options: RewrapFileOptions,
  args: Arguments,
  newest: Newest | undefined,
): Promise<Result> {
  const overwrite = args.has('in-place') || args.has('force');
  if (args.has('dry-run') && saysWhere(args)) await assertWritable(job.output, overwrite);
  const input = await openMessage(job.input, 'rewrap takes the messages in folders with --in-place --recursive');
  // Looked at before the message is read: a newer one that takes its place meanwhile is not overwritten.
  const lastLook = args.has('in-place') ? await lastLookAt(job.input) : undefined;
  const { beginning, rest } = await readBeginning(input.stream());
  try {
    const { wrappedKeys } = inspect(beginning);
    const missing = args.has('recursive') ? undefined : missingOf(args.all('drop'), wrappedKeys);
    if (missing !== undefined) throw new DropError(`The message has no wrapped key ${missing} to drop`);
    const isDone = newest !== undefined && wrappedKeys.some((key) => isUnder(newest, key));
    const isText = input.path === undefined;
    const asText = args.has('text') || (args.has('in-place') && isText);
    if (args.has('dry-run') && !isDone) {
      await rewrap(beginning, options);
      return unchanged(words`${shownPath(job.input)}: would be re-wrapped`);
    }
    if (isDone && (args.has('dry-run') || (args.has('in-place') && asText === isText))) {
      return unchanged(words`${shownPath(job.input)}: under the newest version already`);
    }
    if (!isDone && !asText && input.path !== undefined && (await isRegularOutput(job.output))) {
      const written = await rewrapFile(input.path, job.output, { ...options, overwrite, onProgress: bar.update });
      return { ...rewrapped(job.output), notKept: written.notKept };
    }
    // What needs nothing goes to its output as it is: the input may be the only copy, and nobody keeps both.
    const message = prepend([isDone ? beginning : await rewrap(beginning, options)], rest);
    const form = asText ? message.pipeThrough(textEncoder()) : message;
    const { notKept } = await writeOutput(form, job.output, { overwrite }, lastLook);
    const copied = words`${shownPath(job.output)}: under the newest version already, copied`;
    const result = isDone ? unchanged(copied) : rewrapped(job.output);
    return { ...result, notKept };
  } finally {
    if (!rest.locked) await rest.cancel();
  }
}

function rewrapped(path: PlainPath): Result {
  return { words: words`${shownPath(path)}: re-wrapped`, rewrapped: true };
}

function unchanged(said: Words): Result {
  return { words: said, rewrapped: false };
}

async function lastLookAt(path: PlainPath) {
  const file = await openFile(path);
  const lastLook = file.lastLook(path);
  await file.close();
  return lastLook;
}
