/** `root-key create` and `root-key rotate`. */

import { OperatorError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { SecretName } from '../root-key/root-key.ts';
import { softwareRootKey } from '../root-key/software.ts';
import { createRootKeyFile, readRootKey } from '../root-key/sources.ts';
import { liveSeconds, type SeenReplica } from '../store/replicas.ts';
import type { SealedSecret } from '../store/store.ts';
import { readOptions, UsageError } from './options.ts';
import { operatorEntry, withStore } from './with-store.ts';

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
  await withStore(values.config ?? '', async ({ store, rootKey, changes }) => {
    const now = Math.floor(((await store.time()) ?? Date.now()) / 1000);
    const reseal = async ({ kind, name, sealed }: SealedSecret): Promise<Bytes> => {
      const secretName = { kind, name } as SecretName;
      const secret = await rootKey.open(secretName, sealed);
      const resealed = await next.seal(secretName, secret);
      secret.fill(0);
      return resealed;
    };
    const change = { from: rootKey.id, to: next.id };
    const count = await changes.run(async (transaction) => {
      assertNoneServes(await transaction.replicas(), now);
      await transaction.retireReplicas();
      transaction.append(operatorEntry('', 'rotate-root-key', change));
      return transaction.reseal(reseal);
    });
    process.stdout.write(`${count} secrets sealed anew: name the new root key in the configuration, and restart\n`);
  });
}

// A replica would go on sealing under the old root key, and what it makes would be lost with it.
function assertNoneServes(replicas: readonly SeenReplica[], now: number): void {
  const live = replicas.filter(({ seen }) => now - seen < liveSeconds);
  if (live.length === 0) return;
  const names = live.map(({ name, seen }) => `${name} (seen ${Math.max(0, now - seen)} s ago)`).join(', ');
  throw new OperatorError(
    `Replicas serve this database: ${names}. Stop all of them first; one that was killed counts for ${liveSeconds} s`,
  );
}
