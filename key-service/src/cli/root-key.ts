/** `root-key create` and `root-key rotate`. */

import { OperatorError } from '../errors.ts';
import type { SecretName } from '../root-key/root-key.ts';
import { softwareRootKey } from '../root-key/software.ts';
import { createRootKeyFile, readRootKey } from '../root-key/sources.ts';
import { operatorEntry, readOptions, withStore } from './with-store.ts';

export async function rootKeyCommand([verb, ...args]: string[]): Promise<void> {
  const options = { config: { type: 'string' }, new: { type: 'string' }, out: { type: 'string' } } as const;
  if (verb === 'create') {
    const { values } = readOptions(args, options, ['out']);
    createRootKeyFile(values.out ?? '');
    process.stdout.write('made\n');
    return;
  }
  if (verb !== 'rotate') throw new OperatorError('root-key create|rotate');
  const { values } = readOptions(args, options, ['config', 'new']);
  const next = softwareRootKey(readRootKey({ file: values.new ?? '' }));
  await withStore(values.config ?? '', async ({ store, rootKey }) => {
    const count = await store.reseal(async ({ kind, name, sealed }) => {
      const secretName = { kind, name } as SecretName;
      const secret = await rootKey.open(secretName, sealed);
      const resealed = await next.seal(secretName, secret);
      secret.fill(0);
      return resealed;
    });
    const change = { from: rootKey.id, to: next.id };
    await store.change(async (transaction) => transaction.append(operatorEntry('', 'rotate-root-key', change)));
    process.stdout.write(`${count} secrets sealed anew: name the new root key in the configuration, and restart\n`);
  });
}
