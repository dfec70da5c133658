/** `identity show` and `identity rotate`. */

import { rotateIdentity } from '../operations/rotate-identity.ts';
import { createIdentity } from '../transport/identity.ts';
import { readOptions, UsageError } from './options.ts';
import { type OpenedStore, withStore } from './with-store.ts';

export async function identityCommand([verb, ...args]: string[]): Promise<void> {
  if (verb !== 'show' && verb !== 'rotate') throw new UsageError('identity show|rotate');
  const { values } = readOptions(args, { config: { type: 'string' } }, ['config']);
  await withStore(values.config ?? '', async (opened) => {
    const { secrets } = opened;
    const thumbprint = verb === 'rotate' ? await rotate(opened) : (await createIdentity(secrets.identity)).thumbprint;
    process.stdout.write(`identity ${thumbprint}\n`);
    if (verb === 'rotate') process.stdout.write('restart every replica, and give clients the new thumbprint to pin\n');
  });
}

function rotate({ config, store, rootKey, secrets, logs, file, entry }: OpenedStore): Promise<string> {
  const ofService = (operation: string, change: Record<string, unknown>) => entry('', operation, change);
  const options = { rootKey, secrets, log: logs.service, serviceId: config.service_id, file, entry: ofService };
  return rotateIdentity(store, options);
}
