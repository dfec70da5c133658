/** `tenants`: which tenants a database has, and what operators set for them, on the database itself; each act is a leaf of the service's own log and of the tenant's. */

import { OperatorError } from '../errors.ts';
import { encodeBase64url } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { rootOf } from '../model/merkle.ts';
import {
  approveClosing,
  askClosing,
  cancelClosing,
  closingDays,
  setLimits,
  type TenantLimits,
  type TenantRecord,
} from '../model/tenants.ts';
import { createTenants } from '../operations/create-tenants.ts';
import { operateTenant } from '../operations/operate-tenant.ts';
import { isAnything, resumeTenant } from '../operations/resume-tenant.ts';
import { effectiveLimits } from '../operations/tenant-records.ts';
import { assertHostNumbers, isOperatorId, operatorId } from './operator.ts';
import { readOptions, UsageError } from './options.ts';
import { type OpenedStore, withStore } from './with-store.ts';

const options = {
  config: { type: 'string' },
  tenant: { type: 'string' },
  'accept-rollback': { type: 'boolean' },
  'items-per-minute': { type: 'string' },
  'revoked-data-keys-per-day': { type: 'string' },
  days: { type: 'string' },
  approve: { type: 'boolean' },
  cancel: { type: 'boolean' },
} as const;

type Values = {
  readonly [K in keyof typeof options]?: ((typeof options)[K]['type'] extends 'string' ? string : boolean) | undefined;
};
type OptionName = keyof typeof options;

interface Verb {
  /** Options besides `config` and `tenant`. */
  readonly takes: readonly OptionName[];
  run(opened: OpenedStore, tenant: string, values: Values): Promise<unknown>;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['list', { takes: [], run: ({ store }) => store.tenants() }],
  ['show', { takes: [], run: describe }],
  ['create', { takes: [], run: create }],
  ['limits', { takes: ['items-per-minute', 'revoked-data-keys-per-day'], run: limits }],
  ['resume', { takes: ['accept-rollback'], run: resume }],
  ['close', { takes: ['days', 'approve', 'cancel'], run: close }],
]);

export async function tenantsCommand([name = '', ...args]: string[]): Promise<void> {
  const verb = verbs.get(name);
  if (!verb) throw new UsageError(`tenants ${[...verbs.keys()].join('|')}`);
  const { values } = readOptions(args, options, name === 'list' ? ['config'] : ['config', 'tenant']);
  const taken: readonly string[] = ['config', 'tenant', ...verb.takes];
  const foreign = Object.keys(values).find((option) => !taken.includes(option));
  if (foreign !== undefined) throw new UsageError(`tenants ${name} takes no --${foreign}`);
  const result = await withStore(values.config ?? '', (opened) => verb.run(opened, values.tenant ?? '', values));
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

async function create(opened: OpenedStore, tenant: string): Promise<object> {
  if (!namePattern.test(tenant)) {
    throw new UsageError(
      '--tenant is a name of 1 to 64 characters A-Z a-z 0-9 . _ - that starts with a letter or digit',
    );
  }
  const { store, changes, clock } = opened;
  if ((await store.tenants()).includes(tenant)) throw new OperatorError(`There is a tenant ${tenant} already`);
  await createTenants(store, changes, [tenant], clock());
  await changes.publish();
  return describe(opened, tenant);
}

async function limits(opened: OpenedStore, tenant: string, values: Values): Promise<object> {
  const asked: Partial<TenantLimits> = {
    ...limitOf(values, 'items-per-minute', 'itemsPerMinute'),
    ...limitOf(values, 'revoked-data-keys-per-day', 'revokedDataKeysPerDay'),
  };
  await assertTenant(opened, tenant);
  const { store, changes, entry } = opened;
  if (Object.keys(asked).length === 0) return limitsOf(opened, await store.findTenant(tenant));
  const act = { changes, tenant, operation: 'set-limits', asked: { limits: named(asked) }, entry };
  return limitsOf(opened, await operateTenant(act, (record) => setLimits(record, asked)));
}

async function resume({ changes, entry }: OpenedStore, tenant: string, values: Values): Promise<object> {
  const result = await resumeTenant({ changes, tenant, acceptRollback: values['accept-rollback'] === true, entry });
  if (!isAnything(result.lost)) throw new OperatorError(`Nothing of the tenant ${tenant} was lost`);
  if (!result.resumed) process.exitCode = 1;
  return result;
}

async function close(opened: OpenedStore, tenant: string, { days, approve, cancel }: Values): Promise<object> {
  if (approve && cancel) throw new UsageError('--approve or --cancel, not both');
  await assertTenant(opened, tenant);
  const { changes, entry, clock } = opened;
  const [now, by] = [seconds(clock), `operator|${operatorId()}`];
  const act = { changes, tenant, entry };
  if (cancel) {
    await operateTenant({ ...act, operation: 'cancel-close-tenant', asked: {} }, (record) =>
      cancelClosing(record, now),
    );
  } else {
    const asked = { days: wholeNumber('days', days ?? '', closingDays.least, closingDays.most) };
    const operation = approve ? 'approve-close-tenant' : 'ask-close-tenant';
    assertHostNumbers();
    await operateTenant({ ...act, operation, asked }, (record) => {
      if (!approve) return askClosing(record, { by, now, ...asked });
      if (record.closing && !isOperatorId(record.closing.requestedBy)) {
        throw new OperatorError(
          'This was asked for by a name, and accounts go by their numbers: take it back and ask again',
        );
      }
      return approveClosing(record, { by, now, ...asked });
    });
  }
  return describe(opened, tenant);
}

async function describe(opened: OpenedStore, tenant: string): Promise<object> {
  await assertTenant(opened, tenant);
  const { store, config } = opened;
  const record = await store.findTenant(tenant);
  const { epoch, tree } = await store.head(tenant);
  const published = (await store.publishedSlot(tenant))?.head.tree.size ?? 0;
  return {
    tenant,
    epoch,
    log: { size: tree.size, root: encodeBase64url(rootOf(tree)), published },
    issuers: config.issuers.filter(({ tenants }) => tenants.includes(tenant)).map(({ issuer }) => issuer),
    ...limitsOf(opened, record),
    closing: record.closing && closingOf(record.closing),
  };
}

async function assertTenant({ store }: OpenedStore, tenant: string): Promise<void> {
  if (!(await store.tenants()).includes(tenant)) throw new OperatorError(`There is no tenant ${tenant}`);
}

function limitsOf({ config }: OpenedStore, record: TenantRecord): object {
  return { limits: named(effectiveLimits(record, config.limits)), set: named(record.limits) };
}

function named({ itemsPerMinute, revokedDataKeysPerDay }: Partial<TenantLimits>): object {
  return { items_per_minute: itemsPerMinute, revoked_data_keys_per_day: revokedDataKeysPerDay };
}

function closingOf({
  requestedBy,
  requested,
  days,
  approvedBy,
  closesAt,
  closed,
}: NonNullable<TenantRecord['closing']>) {
  return { requested_by: requestedBy, requested, days, approved_by: approvedBy, closes_at: closesAt, closed };
}

function limitOf(values: Values, option: OptionName, name: keyof TenantLimits): Partial<TenantLimits> {
  const text = values[option];
  if (typeof text !== 'string') return {};
  return { [name]: text === 'default' ? null : wholeNumber(option, text, 1, 2 ** 40, ' or default') };
}

function wholeNumber(option: string, text: string, least: number, most: number, or = ''): number {
  const number = /^[1-9]\d{0,14}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${option} is a number from ${least} to ${most}${or}`);
}
