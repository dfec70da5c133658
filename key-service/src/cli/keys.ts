/** `keys`: keys on the database itself, for who has the root key; each change is a leaf of the log. */

import type { Config } from '../config.ts';
import { OperatorError, Problem } from '../errors.ts';
import { seconds } from '../lib/clock.ts';
import { describeKey } from '../model/describe.ts';
import type { KeyRecord } from '../model/keys.ts';
import { aliasNamePattern } from '../model/references.ts';
import { operatorActor } from '../operations/actor.ts';
import { createTenants } from '../operations/create-tenants.ts';
import { createKey } from '../operations/keys/create.ts';
import { findKey, listKeys } from '../operations/keys/read.ts';
import { rotateKey } from '../operations/keys/rotate.ts';
import { disableKey, enableKey } from '../operations/keys/state.ts';
import type { KeyWork } from '../operations/keys/target.ts';
import { Materials } from '../secrets/materials.ts';
import { assertOpenEachOther } from '../store/replicas.ts';
import { operatorName } from './operator.ts';
import { readOptions, UsageError } from './options.ts';
import { type OpenedStore, withStore } from './with-store.ts';

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
      for (let after: string | null = ''; after !== null; ) {
        const page = await listKeys(store, operator(tenant), { after, limit: 1000 });
        keys.push(...page.keys);
        after = page.next;
      }
      return keys.map(describeKey);
    },
    describe: async ({ store }, { tenant, key }) => describeKey(await findKey(store, operator(tenant), key)),
    create: async (opened, values) => {
      const { tenant, alias } = values;
      assertTenant(opened.config, tenant);
      if (alias !== undefined && !aliasNamePattern.test(alias)) {
        throw new UsageError('--alias is a name of 1 to 63 characters a-z 0-9 . _ -');
      }
      return changeKey(opened, tenant, 'create-key', (work) => createKey(work, { alias }));
    },
    rotate: (opened, { tenant, key }) => changeKey(opened, tenant, 'rotate-key', (work) => rotateKey(work, key)),
    disable: (opened, { tenant, key }) => changeKey(opened, tenant, 'disable-key', (work) => disableKey(work, key)),
    enable: (opened, { tenant, key }) => changeKey(opened, tenant, 'enable-key', (work) => enableKey(work, key)),
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
    throw error instanceof Problem ? new OperatorError(messageOf(error)) : error;
  }
}

async function changeKey(
  { changes, rootKey, store, clock, entry }: OpenedStore,
  tenant: string,
  operation: string,
  run: (work: KeyWork) => Promise<KeyRecord>,
) {
  const materials = new Materials(rootKey);
  const now = seconds(clock);
  assertOpenEachOther(await store.replicas(), { roots: rootKey.ids, now });
  await createTenants(store, changes, [tenant], clock());
  const described = await changes.run(tenant, async (change) => {
    const key = await run({ change, actor: operator(tenant), materials, now });
    change.append(entry(tenant, operation, { newest_version: key.newest }, key.id));
    return describeKey(key);
  });
  await changes.publish();
  return described;
}

function assertTenant({ issuers }: Config, tenant: string): void {
  if (issuers.some((issuer) => issuer.tenants.includes(tenant))) return;
  throw new OperatorError(`No issuer speaks for the tenant ${tenant}`);
}

const operator = (tenant: string) => operatorActor(tenant, operatorName());

// The holder of the root key may do everything. A refusal without a reason only means that the key does not exist.
function messageOf({ code, message, members }: Problem): string {
  return code === 'not-allowed' && members['detail'] === undefined ? 'There is no such key' : message;
}
