/** `identity show` and `identity rotate`. */

import { OperatorError } from '../errors.ts';
import { openSecrets, replacementSecrets } from '../root-key/secrets.ts';
import { createIdentity } from '../transport/identity.ts';
import { operatorEntry, readOptions, withStore } from './with-store.ts';

export async function identityCommand([verb, ...args]: string[]): Promise<void> {
  if (verb !== 'show' && verb !== 'rotate') throw new OperatorError('identity show|rotate');
  const { values } = readOptions(args, { config: { type: 'string' } }, ['config']);
  await withStore(values.config ?? '', async ({ store, rootKey, secrets }) => {
    const before = await createIdentity(secrets.identity);
    if (verb === 'show') {
      process.stdout.write(`identity ${before.thumbprint}\n`);
      return;
    }
    const rows = await replacementSecrets(rootKey);
    await store.change(async (change) => {
      await change.replaceSecrets(rows);
      change.append(operatorEntry('', 'rotate-identity', { from: before.thumbprint }));
    });
    const after = await createIdentity((await openSecrets(store, rootKey)).identity);
    process.stdout.write(`identity ${after.thumbprint}\n`);
    process.stdout.write('restart every replica, and give clients the new thumbprint to pin\n');
  });
}
