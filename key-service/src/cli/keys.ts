/** `keys`: keys on the database itself, for who has the root key; each change is a leaf of the log. */

import type { Config } from '../config.ts';
import { OperatorError, Problem } from '../errors.ts';
import { createKeyId, disable, enable, rotate } from '../keys/changes.ts';
import { describeKey } from '../keys/describe.ts';
import { Materials } from '../keys/materials.ts';
import type { KeyRecord } from '../keys/model.ts';
import { aliasNamePattern } from '../keys/references.ts';
import type { Change } from '../store/store.ts';
import { readOptions, UsageError } from './options.ts';
import { type OpenedStore, operatorEntry, withStore } from './with-store.ts';

interface Values {
  readonly tenant: string;
  readonly key: string;
  readonly alias: string | undefined;
}

type Verb = (opened: OpenedStore, values: Values) => Promise<unknown>;

const verbs: ReadonlyMap<string, Verb> = new Map(
  Object.entries<Verb>({
    list: async ({ store, config }, { tenant }) => {
      assertTenant(config, tenant);
      const keys: KeyRecord[] = [];
      for (;;) {
        const page = await store.listKeys(tenant, keys.at(-1)?.id ?? '', 1000);
        if (page.length === 0) return keys.map(describeKey);
        keys.push(...page);
      }
    },
    describe: async ({ store }, { tenant, key }) => describeKey(found(await store.findKey(tenant, key))),
    create: createKey,
    rotate: (opened, values) =>
      changeKey(opened, values, 'rotate-key', async (key) => {
        const next = await new Materials(opened.rootKey).create(key, key.newest + 1, now());
        return rotate(key, key.newest, next);
      }),
    disable: (opened, values) => changeKey(opened, values, 'disable-key', async (key) => disable(key, undefined)),
    enable: (opened, values) => changeKey(opened, values, 'enable-key', async (key) => enable(key, undefined)),
  }),
);

export async function keysCommand([verb = '', ...args]: string[]): Promise<void> {
  const run = verbs.get(verb);
  if (!run) throw new UsageError(`keys ${[...verbs.keys()].join('|')}`);
  const options = {
    config: { type: 'string' },
    tenant: { type: 'string' },
    key: { type: 'string' },
    alias: { type: 'string' },
  } as const;
  const needsKey = verb !== 'list' && verb !== 'create';
  const { values } = readOptions(args, options, needsKey ? ['config', 'tenant', 'key'] : ['config', 'tenant']);
  const { config = '', tenant = '', key = '', alias } = values;
  try {
    const result = await withStore(config, (opened) => run(opened, { tenant, key, alias }));
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } catch (error) {
    throw error instanceof Problem ? new OperatorError(error.message) : error;
  }
}

async function createKey({ changes, rootKey, config }: OpenedStore, { tenant, alias }: Values) {
  assertTenant(config, tenant);
  if (alias !== undefined && !aliasNamePattern.test(alias)) {
    throw new UsageError('--alias is a name of 1 to 63 characters a-z 0-9 . _ -');
  }
  const owner = { id: createKeyId(), tenant };
  const first = await new Materials(rootKey).create(owner, 1, now());
  return changes.run(async (change) => {
    if (alias !== undefined && (await change.findKey(tenant, `alias:${alias}`))) throw new Problem('alias-taken');
    const origin = { origin: 'generated', importedBy: null } as const;
    const limits = { maxAgeDays: null, maxUses: null, deletion: null, disabled: false, ...origin };
    const aliases = alias === undefined ? [] : [alias];
    const key = { ...owner, ...limits, description: '', newest: 1, floor: 1, created: now(), revision: 0, aliases };
    return saved(change, { ...key, versions: [first] }, 'create-key');
  });
}

async function changeKey(
  { changes }: OpenedStore,
  { tenant, key: reference }: Values,
  operation: string,
  work: (key: KeyRecord) => Promise<KeyRecord>,
) {
  return changes.run(async (change) => {
    return saved(change, await work(found(await change.findKey(tenant, reference))), operation);
  });
}

async function saved(change: Change, key: KeyRecord, operation: string) {
  change.append(operatorEntry(key.tenant, operation, { newest_version: key.newest }, key.id));
  return describeKey(await change.putKey(key));
}

function assertTenant({ issuers }: Config, tenant: string): void {
  if (issuers.some((issuer) => issuer.tenants.includes(tenant))) return;
  throw new OperatorError(`No issuer speaks for the tenant ${tenant}`);
}

function found(key: KeyRecord | undefined): KeyRecord {
  if (!key) throw new OperatorError('There is no such key');
  return key;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
