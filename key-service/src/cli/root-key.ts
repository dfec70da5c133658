/** `root-key create` and `root-key rotate`. */

import { seconds } from '../lib/clock.ts';
import { rotateRootKey } from '../operations/rotate-root-key.ts';
import { softwareRootKey } from '../seals/software.ts';
import { createRootKeyFile, readRootKey } from '../seals/sources.ts';
import { readOptions, UsageError } from './options.ts';
import { withStore } from './with-store.ts';

export async function rootKeyCommand([verb, ...args]: string[]): Promise<void> {
  const options = { config: { type: 'string' }, new: { type: 'string' }, out: { type: 'string' } } as const;
  if (verb === 'create') {
    const { values } = readOptions(args, options, ['out']);
    createRootKeyFile(values.out ?? '');
    process.stdout.write(`made ${values.out}\n`);
    return;
  }
  if (verb !== 'rotate') throw new UsageError('root-key create|rotate');
  const { values } = readOptions(args, options, ['config', 'new']);
  const next = softwareRootKey(readRootKey({ file: values.new ?? '' }));
  await withStore(values.config ?? '', async ({ rootKey, changes, clock, entry }) => {
    const ofService = (operation: string, change: Record<string, unknown>) => entry('', operation, change);
    const count = await rotateRootKey(changes, { from: rootKey, to: next, now: seconds(clock), entry: ofService });
    process.stdout.write(`${count} secrets sealed again: name the new root key in the configuration, and restart\n`);
  });
}
