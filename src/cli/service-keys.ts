/** `bulla keys` */

import type { KeyDeletion, KeyDescription, KeyManagement, RotationPolicy } from '../service/management.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { exitCodes, UsageError } from './failure.ts';
import { serviceOptions } from './keys.ts';
import { commonOptions } from './run.ts';
import { printJson, standardOutput } from './standard-streams.ts';
import { shownSeconds } from './terminal.ts';
import { joined, type Words, words } from './words.ts';

/** The options of every action. */
const sharedOptions: readonly Option[] = [
  serviceOptions.find(({ name }) => name === 'key-service') as Option,
  { name: 'json', help: 'prints one line of JSON for each key' },
  { name: 'quiet', short: 'q', help: 'no word of a change; list, show and create print keys all the same' },
  ...commonOptions.filter(({ name }) => name === 'help'),
];
const alias: Option = { name: 'alias', value: 'NAME', help: 'an alias for the key' };
const description: Option = { name: 'description', value: 'TEXT', help: 'what the key is for' };
const rotation: readonly Option[] = [
  { name: 'max-age-days', value: 'N', help: 'rotated when it is as old; off takes the limit away' },
  { name: 'max-uses', value: 'N', help: 'rotated when it wrapped as many data keys; or off' },
];
const version: Option = { name: 'key-version', value: 'N', help: 'the version' };
const floor: Option = { name: 'floor', value: 'N', help: 'the lowest version that opens' };
const days: Option = { name: 'days', value: 'N', help: '7 to 30; of an approval, what was asked for' };

/** What an action is called with. */
interface Call {
  readonly keys: KeyManagement;
  readonly args: Arguments;
  readonly names: readonly string[];
}

/** What an action is, besides its name. */
interface KeyAction {
  /** Names that stand behind it. */
  readonly names: 0 | 1 | 2;
  /** What it uses besides {@link sharedOptions}. */
  readonly options: readonly Option[];
  /** Does it, and gives the keys as they are then. */
  run(call: Call): Promise<readonly KeyDescription[]>;
}

const takes = ['no name', 'a key, and nothing else', 'a name and a key'] as const;

const one = (options: readonly Option[], run: (call: Call, key: string) => Promise<KeyDescription>): KeyAction => ({
  names: 1,
  options,
  run: async (call) => [await run(call, call.names[0] as string)],
});

const keyActions: Record<string, KeyAction> = {
  list: { names: 0, options: [], run: ({ keys }) => collect(keys.list()) },
  create: {
    names: 0,
    options: [alias, description, ...rotation],
    async run({ keys, args }) {
      const [name, about] = [args.get('alias'), args.get('description')];
      return [await keys.create({ alias: name, description: about, rotation: rotationOf(args) })];
    },
  },
  show: one([], ({ keys }, key) => keys.describe(key)),
  rotate: one([], async ({ keys }, key) => {
    const { newest_version: newest } = await keys.describe(key);
    return keys.rotate(key, newest);
  }),
  disable: one([version], ({ keys, args }, key) => keys.disable(key, args.integer('key-version', 1))),
  enable: one([version], ({ keys, args }, key) => keys.enable(key, args.integer('key-version', 1))),
  'mark-compromised': one([version], ({ keys, args }, key) => keys.markCompromised(key, required(args, 'key-version'))),
  'raise-floor': one([floor], ({ keys, args }, key) => keys.raiseFloor(key, required(args, 'floor'))),
  'set-rotation': one(rotation, async ({ keys, args }, key) => {
    const given = rotationOf(args);
    if (given === undefined) throw new UsageError('Give --max-age-days, --max-uses or both');
    // At the service, what a policy leaves out has no limit.
    const described = await keys.describe(key);
    return keys.setRotationPolicy(key, { ...described.rotation, ...given }, { revision: described.revision });
  }),
  'schedule-deletion': one([version, days], ({ keys, args }, key) =>
    keys.scheduleDeletion(key, required(args, 'days'), args.integer('key-version', 1)),
  ),
  'approve-deletion': one([version, days], ({ keys, args }, key) =>
    keys.approveDeletion(key, { version: args.integer('key-version', 1) ?? null, days: required(args, 'days') }),
  ),
  'cancel-deletion': one([], ({ keys }, key) => keys.cancelDeletion(key)),
  alias: {
    names: 2,
    options: [],
    run: async ({ keys, names: [name, key] }) => [await keys.setAlias(name as string, key as string)],
  },
  unalias: one([], ({ keys }, name) => keys.deleteAlias(name)),
};

/** Actions whose result is what they are for. */
const asked = ['list', 'show', 'create'];

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
  actions: Object.entries(keyActions).map(([name, action]) => ({
    name,
    options: [...action.options, ...sharedOptions],
    run: (args) => perform(name, action, args),
  })),
};

async function perform(name: string, action: KeyAction, args: Arguments): Promise<number> {
  const [, ...names] = args.files;
  if (names.length !== action.names) throw new UsageError(`bulla keys ${name} takes ${takes[action.names]}`);
  if (args.get('key-service') === undefined) throw new UsageError('Say which key service with --key-service');
  // jose and ky are loaded only when needed.
  const [{ openKeyService }, { keyManagement }] = await Promise.all([
    import('./key-service.ts'),
    import('../service/management.ts'),
  ]);
  const keys = keyManagement((await openKeyService(args)).client);
  const silent = args.has('quiet') && !args.has('json') && !asked.includes(name);
  const changed = await action.run({ keys, args, names });
  if (!silent) for (const key of changed) await print(key, args);
  return exitCodes.success;
}

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
      return words`  version ${String(version).padEnd(4)} ${state.padEnd(17)} ${shownSeconds(created)}  ${uses} uses`;
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
  const by = words`asked for by ${requested_by} on ${shownSeconds(requested)}`;
  const approver = approved_by ?? 'somebody else';
  if (destroy_at !== null)
    return words`${what}, destroyed on ${shownSeconds(destroy_at)}; ${by}, approved by ${approver}`;
  return words`${what}, ${by}; destroyed ${days} days after somebody else approves it`;
}
