/** `root-key create`, `root-key rotate` and `root-key reseal`. */

import { seconds } from '../lib/clock.ts';
import { resealSecrets } from '../operations/reseal.ts';
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
  if (verb === 'reseal') return reseal(args);
  if (verb !== 'rotate') throw new UsageError('root-key create|rotate|reseal');
  const { values } = readOptions(args, options, ['config', 'new']);
  const next = softwareRootKey(readRootKey({ file: values.new ?? '' }));
  await withStore(values.config ?? '', async ({ rootKey, changes, clock, entry }) => {
    const ofService = (operation: string, change: Record<string, unknown>) => entry('', operation, change);
    const count = await rotateRootKey(changes, { from: rootKey, to: next, now: seconds(clock), entry: ofService });
    process.stdout.write(`${count} secrets sealed again: name the new root key in the configuration, and restart\n`);
  });
}

async function reseal(args: string[]): Promise<void> {
  const { values } = readOptions(args, { config: { type: 'string' } }, ['config']);
  const result = await withStore(values.config ?? '', ({ store, changes, rootKey, clock, entry }) => {
    const ofService = (operation: string, change: Record<string, unknown>) => entry('', operation, change);
    return resealSecrets({ store, changes, rootKey, clock, entry: ofService });
  });
  // What is under another root key needs that one.
  if (Object.keys(result.left).length > 0 || result.others.length > 0) process.exitCode = 1;
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}
