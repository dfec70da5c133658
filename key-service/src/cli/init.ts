/** `init` and `migrate`. */

import { existsSync } from 'node:fs';
import { readConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { openRootKey, openStore } from '../open-store.ts';
import { createTenants } from '../operations/create-tenants.ts';
import { createRootKeyFile } from '../seals/sources.ts';
import { createSecrets, openerOf, openSecrets } from '../secrets/secrets.ts';
import { createIdentity } from '../transport/identity.ts';
import { readOptions } from './options.ts';
import { databaseClock } from './with-store.ts';

export async function initCommand(args: string[]): Promise<void> {
  const options = { config: { type: 'string' }, 'create-root-key': { type: 'boolean', default: false } } as const;
  const { values } = readOptions(args, options, ['config']);
  const config = readConfig(values.config ?? '');
  if (values['create-root-key']) {
    if (!('file' in config.root_key)) throw new OperatorError('--create-root-key needs a root key in a file');
    if (!existsSync(config.root_key.file)) createRootKeyFile(config.root_key.file);
  }
  const rootKey = openRootKey(config);
  const store = openStore(config);
  try {
    await store.migrate(openerOf(rootKey));
    const clock = await databaseClock(store);
    await createSecrets(store, rootKey);
    const { identity } = await openSecrets(store, rootKey);
    const tenants = config.issuers.flatMap((issuer) => issuer.tenants);
    await createTenants(store, { runService: (work) => store.changeService(work) }, tenants, clock());
    process.stdout.write(`identity ${(await createIdentity(identity)).thumbprint}\n`);
  } finally {
    await store.close();
  }
}

export async function migrateCommand(args: string[]): Promise<void> {
  const { values } = readOptions(args, { config: { type: 'string' } }, ['config']);
  const config = readConfig(values.config ?? '');
  const rootKey = openRootKey(config);
  const store = openStore(config);
  try {
    await store.migrate(openerOf(rootKey));
    process.stdout.write('the schema is up to date\n');
  } finally {
    await store.close();
  }
}
