/** `identity show` and `identity rotate`. */

import { AuditLog } from '../audit/audit-log.ts';
import { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import { openSecrets, replacementSecrets } from '../root-key/secrets.ts';
import { createIdentity } from '../transport/identity.ts';
import { readOptions, UsageError } from './options.ts';
import { checkpointFile, type OpenedStore, operatorEntry, withStore } from './with-store.ts';

export async function identityCommand([verb, ...args]: string[]): Promise<void> {
  if (verb !== 'show' && verb !== 'rotate') throw new UsageError('identity show|rotate');
  const { values } = readOptions(args, { config: { type: 'string' } }, ['config']);
  await withStore(values.config ?? '', async (opened) => {
    const thumbprint = verb === 'show' ? await thumbprintOf(opened) : await rotate(opened);
    process.stdout.write(`identity ${thumbprint}\n`);
    if (verb === 'rotate') process.stdout.write('restart every replica, and give clients the new thumbprint to pin\n');
  });
}

async function thumbprintOf({ secrets }: Pick<OpenedStore, 'secrets'>): Promise<string> {
  return (await createIdentity(secrets.identity)).thumbprint;
}

/** `docs/key-service.md` §12.4: everything anew but the KEKs and the root key. */
async function rotate(opened: OpenedStore): Promise<string> {
  const { config, store, rootKey, secrets, log } = opened;
  const file = checkpointFile(config);
  file?.prepare();
  await store.change(async (change) => {
    const { verifierKey } = log;
    const next = await replacementSecrets(rootKey, secrets, { verifierKey, size: change.size });
    await change.replaceSecrets(next.rows, next.rowMac);
    change.append(operatorEntry('', 'rotate-identity', { from: await thumbprintOf(opened), log: verifierKey }));
  });
  const renewed = await openSecrets(store, rootKey);
  const changes = new CheckpointedChanges(store, new AuditLog(store, renewed, config.service_id), file);
  await changes.export();
  changes.close();
  return thumbprintOf({ secrets: renewed });
}
