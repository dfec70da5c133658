/** `audit verify`, `audit checkpoint` and `audit resume`. */

import { writeFileSync } from 'node:fs';
import { readCheckpointFile } from '../audit/checkpoint-file.ts';
import { OperatorError } from '../errors.ts';
import { isAnythingOfService, resumeService } from '../operations/resume-service.ts';
import { verifyLogs } from '../operations/verify-logs.ts';
import { verifySecrets } from '../secrets/sealed-rows.ts';
import { readOptions, UsageError } from './options.ts';
import { withStore } from './with-store.ts';

export async function auditCommand([verb, ...args]: string[]): Promise<void> {
  if (verb === 'resume') return resume(args);
  const options = { config: { type: 'string' }, checkpoint: { type: 'string' }, out: { type: 'string' } } as const;
  if (verb !== 'verify' && verb !== 'checkpoint') throw new UsageError('audit verify|checkpoint|resume');
  const { values } = readOptions(args, options, ['config']);
  await withStore(values.config ?? '', async ({ logs, changes, store, rootKey }) => {
    if (verb === 'checkpoint') {
      await changes.publish();
      const { note } = await logs.service.checkpoint();
      if (values.out === undefined) process.stdout.write(note);
      else writeFileSync(values.out, note);
      return;
    }
    const note = values.checkpoint === undefined ? undefined : readCheckpointFile(values.checkpoint);
    if (values.checkpoint !== undefined && note === undefined) throw new OperatorError('There is no such checkpoint');
    const checkpoint = note === undefined ? undefined : (await logs.named(note)).open(note);
    const size = await verifyLogs(store, logs, checkpoint);
    await verifySecrets(store, rootKey);
    process.stdout.write(
      `the logs are whole: ${size} entries${note === undefined ? '' : ', continuing the checkpoint'}\n`,
    );
  });
}

async function resume(args: string[]): Promise<void> {
  const options = { config: { type: 'string' }, 'accept-rollback': { type: 'boolean' } } as const;
  const { values } = readOptions(args, options, ['config']);
  const acceptRollback = values['accept-rollback'] === true;
  const result = await withStore(
    values.config ?? '',
    ({ changes, entry }) =>
      resumeService({ changes, acceptRollback, entry: (operation, change) => entry('', operation, change) }),
    { rolledBack: true },
  );
  if (!isAnythingOfService(result.lost)) throw new OperatorError("Nothing of the service's own log was lost");
  if (!result.resumed) process.exitCode = 1;
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}
