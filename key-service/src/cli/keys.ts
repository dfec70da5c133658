/** `keys`: keys on the database itself, for who has the root key; each change is a leaf of the log. */

import { OperatorError, Problem } from '../errors.ts';
import { createKeyId, disable, enable, rotate } from '../keys/changes.ts';
import { describeKey } from '../keys/describe.ts';
import { Materials } from '../keys/materials.ts';
import type { KeyRecord } from '../keys/model.ts';
import type { Change } from '../store/store.ts';
import { type OpenedStore, operatorEntry, readOptions, withStore } from './with-store.ts';

const usage = `keys list     --config <file> --tenant <tenant>
keys describe --config <file> --tenant <tenant> --key <id or alias:name>
keys create   --config <file> --tenant <tenant> [--alias <name>]
keys rotate   --config <file> --tenant <tenant> --key <id or alias:name>
keys disable  --config <file> --tenant <tenant> --key <id or alias:name>
keys enable   --config <file> --tenant <tenant> --key <id or alias:name>
`;

interface Values {
  readonly tenant: string;
  readonly key: string;
  readonly alias: string | undefined;
}

type Verb = (opened: OpenedStore, values: Values) => Promise<unknown>;

const verbs: Readonly<Record<string, Verb>> = {
  list: async ({ store }, { tenant }) => (await store.listKeys(tenant, '', 1000)).map(describeKey),
  describe: async ({ store }, { tenant, key }) => describeKey(found(await store.findKey(tenant, key))),
  create: createKey,
  rotate: (opened, values) =>
    changeKey(opened, values, 'rotate-key', async (key) => {
      const next = await new Materials(opened.rootKey).create(key, key.newest + 1, now());
      return rotate(key, key.newest, next);
    }),
  disable: (opened, values) => changeKey(opened, values, 'disable-key', async (key) => disable(key, undefined)),
  enable: (opened, values) => changeKey(opened, values, 'enable-key', async (key) => enable(key, undefined)),
};

export async function keysCommand([verb = '--help', ...args]: string[]): Promise<void> {
  const run = verbs[verb];
  if (!run) {
    process.stdout.write(usage);
    if (verb !== '--help') process.exitCode = 2;
    return;
  }
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

async function createKey({ store, rootKey, config }: OpenedStore, { tenant, alias }: Values) {
  const tenants = config.issuers.flatMap((issuer) => issuer.tenants);
  if (!tenants.includes(tenant)) throw new OperatorError('No issuer speaks for this tenant');
  const owner = { id: createKeyId(), tenant };
  const first = await new Materials(rootKey).create(owner, 1, now());
  return store.change(async (change) => {
    if (alias !== undefined && (await change.findKey(tenant, `alias:${alias}`))) throw new Problem('alias-taken');
    const limits = { maxAgeDays: null, maxUses: null, deletion: null, disabled: false };
    const aliases = alias === undefined ? [] : [alias];
    const key = { ...owner, ...limits, description: '', newest: 1, floor: 1, created: now(), revision: 0, aliases };
    return saved(change, { ...key, versions: [first] }, 'create-key');
  });
}

async function changeKey(
  { store }: OpenedStore,
  { tenant, key: reference }: Values,
  operation: string,
  work: (key: KeyRecord) => Promise<KeyRecord>,
) {
  return store.change(async (change) => {
    return saved(change, await work(found(await change.findKey(tenant, reference))), operation);
  });
}

async function saved(change: Change, key: KeyRecord, operation: string) {
  change.append(operatorEntry(key.tenant, operation, { newest_version: key.newest }, key.id));
  return describeKey(await change.putKey(key));
}

function found(key: KeyRecord | undefined): KeyRecord {
  if (!key) throw new OperatorError('There is no such key');
  return key;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
