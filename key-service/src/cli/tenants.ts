/** `tenants`: which tenants a database has, on the database itself; making one is a leaf of the service's own log and the first of the tenant's. */

import { OperatorError } from '../errors.ts';
import { encodeBase64url } from '../lib/bytes.ts';
import { rootOf } from '../model/merkle.ts';
import { createTenants } from '../operations/create-tenants.ts';
import { isAnything, resumeTenant } from '../operations/resume-tenant.ts';
import { readOptions, UsageError } from './options.ts';
import { type OpenedStore, withStore } from './with-store.ts';

type Verb = (opened: OpenedStore, tenant: string, options: { readonly acceptRollback: boolean }) => Promise<unknown>;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const verbs: ReadonlyMap<string, Verb> = new Map(
  Object.entries<Verb>({
    list: ({ store }) => store.tenants(),
    show: describe,
    create: async (opened, tenant) => {
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
    },
    resume: async ({ changes, entry }, tenant, { acceptRollback }) => {
      const result = await resumeTenant({ changes, tenant, acceptRollback, entry });
      if (!isAnything(result.lost)) throw new OperatorError(`Nothing of the tenant ${tenant} was lost`);
      if (!result.resumed) process.exitCode = 1;
      return result;
    },
  }),
);

export async function tenantsCommand([verb = '', ...args]: string[]): Promise<void> {
  const run = verbs.get(verb);
  if (!run) throw new UsageError(`tenants ${[...verbs.keys()].join('|')}`);
  const options = {
    config: { type: 'string' },
    tenant: { type: 'string' },
    'accept-rollback': { type: 'boolean', default: false },
  } as const;
  const { values } = readOptions(args, options, verb === 'list' ? ['config'] : ['config', 'tenant']);
  const flags = { acceptRollback: values['accept-rollback'] };
  if (flags.acceptRollback && verb !== 'resume') throw new UsageError('--accept-rollback is for tenants resume');
  const result = await withStore(values.config ?? '', (opened) => run(opened, values.tenant ?? '', flags));
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

async function describe({ store, config }: OpenedStore, tenant: string): Promise<object> {
  if (!(await store.tenants()).includes(tenant)) throw new OperatorError(`There is no tenant ${tenant}`);
  const { epoch, tree } = await store.head(tenant);
  const published = (await store.publishedSlot(tenant))?.head.tree.size ?? 0;
  return {
    tenant,
    epoch,
    log: { size: tree.size, root: encodeBase64url(rootOf(tree)), published },
    issuers: config.issuers.filter(({ tenants }) => tenants.includes(tenant)).map(({ issuer }) => issuer),
  };
}
