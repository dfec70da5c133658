/** `bulla keys` */

import type { KeyDeletion, KeyDescription, KeyManagement, RotationPolicy } from '../service/management.ts';
import type { Arguments, Option } from './arguments.ts';
import { exitCodes, UsageError } from './failure.ts';
import { serviceOptions } from './keys.ts';
import { type Command, commonOptions } from './run.ts';
import { printJson, standardOutput } from './standard-streams.ts';
import { joined, type Words, words } from './words.ts';

const keyServiceOption = serviceOptions.find(({ name }) => name === 'key-service') as Option;

/** Administers the keys of a key service. */
export const keysCommand: Command = {
  name: 'keys',
  summary: 'administers the keys of a key service',
  synopsis: 'ACTION [KEY] --key-service FILE [OPTIONS]',
  details: `Actions, with KEY an id (key-…) or alias:NAME:
  list                  all keys that you may see          create                makes a key
  show KEY              one key and its versions           rotate KEY            makes its next version
  disable KEY           the key, or one --key-version      enable KEY            takes that back
  raise-floor KEY       --floor N: no older version opens  mark-compromised KEY  --key-version N: for ever
  set-rotation KEY      --max-age-days, --max-uses         alias NAME KEY        sets or moves an alias
  schedule-deletion KEY --days N, for another to approve   unalias NAME          removes an alias
  approve-deletion KEY  --days N as asked: they begin      cancel-deletion KEY   until they are over`,
  options: [
    keyServiceOption,
    { name: 'alias', value: 'NAME', help: 'create: an alias for the key' },
    { name: 'description', value: 'TEXT', help: 'create: what the key is for' },
    {
      name: 'max-age-days',
      value: 'N',
      help: 'create, set-rotation: rotated when it is as old; off takes the limit away',
    },
    { name: 'max-uses', value: 'N', help: 'create, set-rotation: rotated when it wrapped as many data keys; or off' },
    {
      name: 'key-version',
      value: 'N',
      help: 'disable, enable, mark-compromised, schedule-deletion, approve-deletion: the version',
    },
    { name: 'floor', value: 'N', help: 'raise-floor: the lowest version that opens' },
    { name: 'days', value: 'N', help: 'schedule-deletion: 7 to 30; approve-deletion: what was asked for' },
    { name: 'json', help: 'prints one line of JSON for each key' },
    { name: 'quiet', short: 'q', help: 'no word of a change; list, show and create print keys all the same' },
    ...commonOptions.filter(({ name }) => name === 'help'),
  ],

  async run(args) {
    const [action = '', ...names] = args.files;
    const perform = Object.hasOwn(actions, action) ? actions[action] : undefined;
    const all = Object.keys(actions).join(', ');
    if (action === '') throw new UsageError(`Say what to do: ${all}`);
    if (perform === undefined)
      throw new UsageError(`There is no action ${JSON.stringify(action)}: the actions are ${all}`);
    if (names.length !== perform.names) throw new UsageError(`bulla keys ${action} takes ${takes[perform.names]}`);
    if (args.get('key-service') === undefined) throw new UsageError('Say which key service with --key-service');
    // jose and ky are loaded only when needed.
    const [{ openKeyService }, { keyManagement }] = await Promise.all([
      import('./key-service.ts'),
      import('../service/management.ts'),
    ]);
    const keys = keyManagement((await openKeyService(args)).client);
    const changed = await perform.run({ keys, args, names });
    const silent = args.has('quiet') && !args.has('json') && !asked.includes(action);
    if (!silent) for (const key of changed) await print(key, args);
    return exitCodes.success;
  },
};

/** Actions whose result is what they are for. */
const asked = ['list', 'show', 'create'];

interface Call {
  readonly keys: KeyManagement;
  readonly args: Arguments;
  readonly names: readonly string[];
}

interface Action {
  /** Names that stand behind it. */
  readonly names: 0 | 1 | 2;
  run(call: Call): Promise<readonly KeyDescription[]>;
}

const takes = ['no name', 'a key, and nothing else', 'a name and a key'] as const;

const one = (run: (call: Call, key: string) => Promise<KeyDescription>): Action => ({
  names: 1,
  run: async (call) => [await run(call, call.names[0] as string)],
});

const actions: Record<string, Action> = {
  list: { names: 0, run: ({ keys }) => collect(keys.list()) },
  create: {
    names: 0,
    async run({ keys, args }) {
      const [alias, description] = [args.get('alias'), args.get('description')];
      return [await keys.create({ alias, description, rotation: rotationOf(args) })];
    },
  },
  show: one(({ keys }, key) => keys.describe(key)),
  rotate: one(async ({ keys }, key) => {
    const { newest_version: newest } = await keys.describe(key);
    return keys.rotate(key, newest);
  }),
  disable: one(({ keys, args }, key) => keys.disable(key, args.integer('key-version', 1))),
  enable: one(({ keys, args }, key) => keys.enable(key, args.integer('key-version', 1))),
  'mark-compromised': one(({ keys, args }, key) => keys.markCompromised(key, required(args, 'key-version'))),
  'raise-floor': one(({ keys, args }, key) => keys.raiseFloor(key, required(args, 'floor'))),
  'set-rotation': one(async ({ keys, args }, key) => {
    const given = rotationOf(args);
    if (given === undefined) throw new UsageError('Give --max-age-days, --max-uses or both');
    // At the service, what a policy leaves out has no limit.
    const { rotation, revision } = await keys.describe(key);
    return keys.setRotationPolicy(key, { ...rotation, ...given }, { revision });
  }),
  'schedule-deletion': one(({ keys, args }, key) =>
    keys.scheduleDeletion(key, required(args, 'days'), args.integer('key-version', 1)),
  ),
  'approve-deletion': one(({ keys, args }, key) =>
    keys.approveDeletion(key, { version: args.integer('key-version', 1) ?? null, days: required(args, 'days') }),
  ),
  'cancel-deletion': one(({ keys }, key) => keys.cancelDeletion(key)),
  alias: {
    names: 2,
    run: async ({ keys, names: [alias, key] }) => [await keys.setAlias(alias as string, key as string)],
  },
  unalias: one(({ keys }, alias) => keys.deleteAlias(alias)),
};

async function collect(keys: AsyncIterable<KeyDescription>): Promise<KeyDescription[]> {
  const all: KeyDescription[] = [];
  for await (const key of keys) all.push(key);
  return all;
}

function rotationOf(args: Arguments): RotationPolicy | undefined {
  const limit = (name: string) => (args.get(name) === 'off' ? null : args.integer(name, 1));
  const [days, uses] = [limit('max-age-days'), limit('max-uses')];
  if (days === undefined && uses === undefined) return undefined;
  return { ...(days !== undefined && { max_age_days: days }), ...(uses !== undefined && { max_uses: uses }) };
}

function required(args: Arguments, name: string): number {
  const value = args.integer(name, 1);
  if (value === undefined) throw new UsageError(`Give --${name}`);
  return value;
}

async function print(key: KeyDescription, args: Arguments): Promise<void> {
  if (args.has('json')) return printJson(key);
  const aliases = joined(key.aliases.map((alias) => words` alias:${alias}`));
  const head = words`${key.key_id}${aliases}  ${key.state}, tenant ${key.tenant}, floor ${key.floor}`;
  const lines = [
    head,
    ...(key.description === '' ? [] : [words`  ${key.description}`]),
    words`  rotation: ${describeRotation(key.rotation)}`,
    ...(key.deletion === null ? [] : [words`  deletion: ${describeDeletion(key.deletion)}`]),
    ...key.versions.map(({ version, state, created, uses }) => {
      return words`  version ${String(version).padEnd(4)} ${state.padEnd(17)} ${dateOf(created)}  ${uses} uses`;
    }),
  ];
  await standardOutput.write(joined(lines.map((line) => words`${line}\n`)));
}

function describeRotation({ max_age_days: days, max_uses: uses }: RotationPolicy): string {
  const limits = [
    ...(typeof days === 'number' ? [`after ${days} ${days === 1 ? 'day' : 'days'}`] : []),
    ...(typeof uses === 'number' ? [`after ${uses} ${uses === 1 ? 'use' : 'uses'}`] : []),
  ];
  return limits.join(' or ') || 'only when asked for';
}

function describeDeletion({ version, days, requested_by, requested, approved_by, destroy_at }: KeyDeletion): Words {
  const what = version === null ? 'the key with all versions' : `version ${version}`;
  const by = words`asked for by ${requested_by} on ${dateOf(requested)}`;
  const approver = approved_by ?? 'somebody else';
  if (destroy_at !== null) return words`${what}, destroyed on ${dateOf(destroy_at)}; ${by}, approved by ${approver}`;
  return words`${what}, ${by}; destroyed ${days} days after somebody else approves it`;
}

function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
