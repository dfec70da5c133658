/** `bulla revocations` */

import type { DataKeyRevocations, Revocation } from '../service/revocations.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { exitCodes, UsageError } from './failure.ts';
import { serviceOptions } from './keys.ts';
import { commonOptions } from './run.ts';
import { printJson, standardOutput } from './standard-streams.ts';
import { shownSeconds } from './terminal.ts';
import { joined, type Words, words } from './words.ts';

const sharedOptions: readonly Option[] = [
  serviceOptions.find(({ name }) => name === 'key-service') as Option,
  { name: 'json', help: 'prints one line of JSON for each revocation' },
  { name: 'quiet', short: 'q', help: 'no word of a change; list and show print all the same' },
  ...commonOptions.filter(({ name }) => name === 'help'),
];
const states = ['requested', 'revoked', 'undone'] as const;
const state: Option = { name: 'state', value: 'STATE', help: `those that are ${states.join(', ')}; default all` };
const dataKeys: Option = { name: 'data-keys', value: 'N', help: 'how many data keys it is about' };

type Revocations = AsyncIterable<Revocation>;
type ListOrChange = (revocations: DataKeyRevocations, id: string, args: Arguments) => Promise<Revocation> | Revocations;

/** What an action takes, whether what it prints is what it is for, and what it does. */
interface RevocationAction {
  readonly names: 0 | 1;
  readonly options: readonly Option[];
  readonly reads: boolean;
  readonly run: ListOrChange;
}

const actions: Record<string, RevocationAction> = {
  list: {
    ...{ names: 0, options: [state], reads: true },
    run: (revocations, _, args) => revocations.list({ state: stateOf(args) }),
  },
  show: { names: 1, options: [], reads: true, run: (revocations, id) => revocations.describe(id) },
  approve: {
    ...{ names: 1, options: [dataKeys], reads: false },
    run: (revocations, id, args) => revocations.approve(id, countOf(args)),
  },
  undo: { names: 1, options: [], reads: false, run: (revocations, id) => revocations.undo(id) },
  'approve-undo': {
    ...{ names: 1, options: [dataKeys], reads: false },
    run: (revocations, id, args) => revocations.approveUndo(id, countOf(args)),
  },
};

/** Revocations of single data keys, which two persons bring about. */
export const revocationsCommand: Command = {
  name: 'revocations',
  summary: 'lists and approves revocations of single data keys',
  synopsis: 'ACTION [REVOCATION] --key-service FILE [OPTIONS]',
  details: `Actions, with REVOCATION an id (rev-…), as bulla fields shred prints it:
  list              all, or those of one --state        show REVOCATION          who asked, who approved, and its leaf
  approve REVOCATION       --data-keys N: refused from now on, as another person asked for
  undo REVOCATION          asks for its end, within seven days of its approval
  approve-undo REVOCATION  --data-keys N: refused no more, as another person asked for`,
  actions: Object.entries(actions).map(([name, action]) => ({
    name,
    options: [...action.options, ...sharedOptions],
    run: (args) => perform(name, action, args),
  })),
};

async function perform(name: string, action: RevocationAction, args: Arguments): Promise<number> {
  const [, id = '', ...more] = args.files;
  if ((id === '' ? 0 : 1) !== action.names || more.length > 0) {
    const taken = action.names === 0 ? 'no name' : 'the id of a revocation, and nothing else';
    throw new UsageError(`bulla revocations ${name} takes ${taken}`);
  }
  if (args.get('key-service') === undefined) throw new UsageError('Say which key service with --key-service');
  // jose and ky are loaded only when needed.
  const [{ openKeyService }, { dataKeyRevocations }] = await Promise.all([
    import('./key-service.ts'),
    import('../service/revocations.ts'),
  ]);
  const { client } = await openKeyService(args);
  const isShown = args.has('json') || action.reads || !args.has('quiet');
  const result = action.run(dataKeyRevocations(client), id, args);
  const found = Symbol.asyncIterator in result ? result : [await result];
  for await (const revocation of found) if (isShown) await print(revocation, args);
  return exitCodes.success;
}

function stateOf(args: Arguments): Revocation['state'] | undefined {
  const given = args.get('state');
  const known = states.find((each) => each === given);
  if (given !== undefined && known === undefined) throw new UsageError(`--state is one of ${states.join(', ')}`);
  return known;
}

function countOf(args: Arguments): number {
  const count = args.integer('data-keys', 1);
  if (count === undefined) throw new UsageError('Give --data-keys, as it was asked for: bulla revocations show');
  return count;
}

async function print(revocation: Revocation, args: Arguments): Promise<void> {
  if (args.has('json')) return printJson(revocation);
  await standardOutput.write(joined(linesOf(revocation).map((line) => words`${line}\n`)));
}

function linesOf(revocation: Revocation): Words[] {
  const { revocation_id: id, tenant, data_keys: count, keys, requested_by: by, requested, undo } = revocation;
  return [
    words`${id}  ${stateWords(revocation)}, ${count} data keys of tenant ${tenant}, wrapped with ${keys.join(', ')}`,
    words`  asked for by ${by} on ${shownSeconds(requested)}`,
    ...approvalOf(revocation),
    ...(undo === null
      ? []
      : [words`  its end was asked for by ${undo.requested_by} on ${shownSeconds(undo.requested)}`]),
    ...(undo?.undone == null
      ? []
      : [
          words`  its end was approved by ${undo.approved_by ?? ''} on ${shownSeconds(undo.undone)}: leaf ${undo.leaf ?? ''}`,
        ]),
  ];
}

function stateWords({ state, undo, until }: Revocation): Words {
  const time = until === null ? words`` : words` until ${shownSeconds(until)}`;
  const isOver = until !== null && until * 1000 <= Date.now();
  if (state === 'requested' && isOver) return words`requested, and not approved in time`;
  if (state === 'requested') return words`requested, to be approved by another person${time}`;
  if (state === 'revoked' && undo !== null) return words`revoked, its end to be approved by another person${time}`;
  return words`${state}`;
}

function approvalOf({ approved_by: by, revoked, leaf }: Revocation): readonly Words[] {
  if (by === null || revoked === null) return [];
  return [words`  approved by ${by} on ${shownSeconds(revoked)}: leaf ${leaf ?? ''} of the audit log`];
}
