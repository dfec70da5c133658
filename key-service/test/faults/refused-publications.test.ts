/** Publications that are refused are told to the operator, whatever the entries are and whatever becomes of the checkpoint, on both stores; `docs/key-service.md` §11.5 and §11.7. */

import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckpointFile } from '../../src/audit/checkpoint-file.ts';
import { signCheckpoint } from '../../src/audit/note.ts';
import { assertPublished, nextPublication } from '../../src/audit/publications.ts';
import { IntegrityError } from '../../src/errors.ts';
import { serviceLog } from '../../src/model/entry.ts';
import { openStore } from '../../src/open-store.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import { StoreError } from '../../src/store/errors.ts';
import { newDatabase, type StoreKind, startHarness, storeKinds } from '../support/harness.ts';
import { putBack, snapshotOf, type Value, withSql } from '../support/tamper.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

async function start(kind: StoreKind) {
  const database = await newDatabase(kind);
  const checkpoint = join(database.folder, 'checkpoints', 'newest');
  mkdirSync(dirname(checkpoint));
  const harness = await startHarness({ database, config: { checkpoint_file: checkpoint, publication_seconds: 60 } });
  const other = openStore({ store: database.config });
  cleanUp.push(
    () => database.remove(),
    () => harness.stop(),
    () => other.close(),
  );
  const { changes, metrics, logs } = harness.service;
  const secrets = await openSecrets(other, harness.rootKey);
  return {
    ...{ database, checkpoint, other, secrets, changes, logs },
    publishByOther: () => other.publish(nextPublication(Date.now()), Date.now()),
    alarms: async () => [
      (await fetch(`${harness.url}/readyz`)).status,
      (await metrics.publicationRefused.get()).values[0]?.value,
      changes.refusal !== undefined,
    ],
  };
}

const quiet = [200, 0, false];
const loud = [503, 1, true];
const publication = (fields: object): string =>
  JSON.stringify({ v: 1, time: 1, tenant: '', operation: 'publish', change: { tenants: 2, root: 'AA' }, ...fields });

describe.each(storeKinds)('§11.7 %s: a publication that is refused is told to the operator', (kind) => {
  it.each([
    ...['null', '1', '[]', '{}', '{', '\u00ff'].map((text) => [text]),
    [publication({ time: { valueOf: 1, toString: 1 } })],
    [publication({ operation: { toString: 1 } })],
    ...[null, 'x', { root: { toString: 1 } }, { tenants: { toString: 1 }, root: 'AA' }].map((change) => [
      publication({ change }),
    ]),
  ])('because an entry that it has not seen yet reads %s', async (text) => {
    const { database, other, changes, logs, publishByOther, alarms } = await start(kind);
    await publishByOther();
    const idx = (await other.head(serviceLog)).tree.size - 1;
    const [before] = await other.entries(serviceLog, idx, idx + 1);
    const write = (bytes: Value) =>
      withSql(database, (sql) => sql("update log_leaves set entry = ? where log = '' and idx = ?", bytes, idx));
    await write(Buffer.from(text, 'latin1'));
    await expect(changes.publish()).rejects.toThrow(IntegrityError);
    expect(await alarms()).toEqual(loud);
    await expect(assertPublished(other, logs.service)).rejects.toThrow(IntegrityError);
    await write(before?.entry ?? null);
    await changes.publish();
    expect(await alarms()).toEqual(quiet);
  });

  it('though the checkpoint cannot be written, either', async () => {
    const { database, checkpoint, changes, alarms } = await start(kind);
    const published = ['heads', 'publications'];
    await changes.publish();
    const before = await snapshotOf(database, published);
    await changes.publish();
    const newest = await snapshotOf(database, published);
    await putBack(database, before);
    rmSync(dirname(checkpoint), { recursive: true });
    await expect(changes.publish()).rejects.toThrow(StoreError);
    expect(await alarms()).toEqual(loud);
    await putBack(database, newest);
    await expect(changes.publish()).rejects.toThrow(StoreError);
    expect(await alarms()).toEqual(quiet);
  });

  it('and one that was made is not called refused because the checkpoint contradicts the log', async () => {
    const { checkpoint, changes, other, secrets, logs, alarms } = await start(kind);
    const { origin } = logs.service;
    const note = signCheckpoint({ origin, size: 1, root: new Uint8Array(32) }, secrets.log);
    new CheckpointFile(checkpoint).replace(note);
    const { size } = (await other.head(serviceLog)).tree;
    await expect(changes.publish()).rejects.toThrow(/forked/);
    expect((await other.head(serviceLog)).tree.size).toBe(size + 1);
    expect(await alarms()).toEqual(quiet);
    await expect(changes.tick()).rejects.toThrow(IntegrityError);
  });
});
