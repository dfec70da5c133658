// A database that goes back while the service runs: whole, as a failover to a standby that lags, or the rows of one key; and the checkpoint outside it.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditLogs } from '../../src/audit/logs.ts';
import { nextPublication } from '../../src/audit/publications.ts';
import { encodeEntry } from '../../src/model/entry.ts';
import { appendLeaf, emptyFrontier } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import type { Queries } from '../../src/store/engine.ts';
import { StoreError } from '../../src/store/errors.ts';
import { SqlStore } from '../../src/store/sql-store.ts';
import type { TestClient } from '../support/client.ts';
import { engineOf } from '../support/fixtures.ts';
import { type Harness, newDatabase, type StoreKind, startHarness, storeKinds } from '../support/harness.ts';
import { adminRoles, userRoles } from '../support/issuer.ts';
import { putBack, type Row, type Snapshot, snapshotOf, withSql } from '../support/tamper.ts';

const tables = [
  ...['states', 'heads', 'publications', 'secrets', 'keys', 'key_versions', 'aliases', 'answers'],
  ...['log_leaves', 'log_nodes'],
];

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

interface World {
  readonly harness: Harness;
  readonly admin: TestClient;
  readonly checkpoint: string;
  snapshot(only?: readonly string[]): Promise<Snapshot>;
  putBack(rows: Snapshot): Promise<void>;
  newKey(): Promise<string>;
  /** What an unwrap of the key is answered with. */
  unwrap(at?: Harness): Promise<string>;
}

async function start(kind: StoreKind): Promise<World & { readonly key: string }> {
  const database = await newDatabase(kind);
  const checkpoint = join(database.folder, 'checkpoint');
  const harness = await startHarness({ database, config: { checkpoint_file: checkpoint } });
  cleanUp.push(
    () => database.remove(),
    () => harness.stop(),
  );
  const admin = await harness.client(adminRoles);
  const newKey = async () => (await admin.call('POST', '/v1/keys', {})).body.key_id;
  const key = await newKey();
  const user = await harness.client(userRoles);
  const made = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
  const items = [{ version: 1, wrapped_key: made.body.results[0].wrapped_key }];
  return {
    ...{ harness, admin, checkpoint, key, newKey },
    snapshot: (only = tables) => snapshotOf(database, only),
    putBack: (rows) => putBack(database, rows),
    async unwrap(at = harness) {
      const caller = at === harness ? user : await at.client(userRoles);
      const { body } = await caller.call('POST', `/v1/keys/${key}/unwrap`, { items });
      return body.code ?? body.results[0].problem?.code ?? 'released';
    },
  };
}

const sizeIn = (file: string): number => Number(readFileSync(file, 'utf8').split('\n')[1]);

describe.each(storeKinds)('§11.7 %s', (kind) => {
  it('a whole database that was put back is refused at once, and never signed over', async () => {
    const { harness, admin, checkpoint, key, snapshot, putBack, newKey, unwrap } = await start(kind);
    const before = await snapshot();
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    for (let i = 0; i < 3; i += 1) await newKey();
    expect(await unwrap()).toBe('key-disabled');
    await harness.service.changes.publish();
    const kept = readFileSync(checkpoint, 'utf8');
    const after = await snapshot();

    await putBack(before);
    expect(await unwrap()).toBe('unavailable');
    expect((await admin.call('POST', '/v1/keys', {})).status).toBe(503);
    await expect(harness.service.changes.export()).rejects.toThrow(/went back|older/);
    await expect(harness.service.logs.of('north').checkpoint()).rejects.toThrow(/went back|older/);
    expect(readFileSync(checkpoint, 'utf8')).toBe(kept);
    const { database, rootKey, issuer } = harness;
    const another = startHarness({ database, rootKey, issuer, config: { checkpoint_file: checkpoint } });
    await expect(another).rejects.toThrow(/older than the checkpoint/);

    // The node that has the lost tail is back.
    await putBack(after);
    expect(await unwrap()).toBe('key-disabled');
    await newKey();
    await harness.service.changes.publish();
    expect(sizeIn(checkpoint)).toBeGreaterThan(Number(kept.split('\n')[1]));
  });

  it('a fork that others went on with is refused by who remembers, and by the checkpoint', async () => {
    const { harness, admin, checkpoint, key, snapshot, putBack, newKey, unwrap } = await start(kind);
    const before = await snapshot();
    await admin.call('POST', `/v1/keys/${key}/disable`, {});
    await newKey();
    await harness.service.changes.publish();
    await putBack(before);
    const { database, rootKey, issuer } = harness;
    const other = await startHarness({ database, rootKey, issuer });
    const theirs = await other.client(adminRoles);
    for (let i = 0; i < 12; i += 1) expect((await theirs.call('POST', '/v1/keys', {})).status).toBe(201);
    // That one remembers nothing, and nobody shows it a checkpoint.
    expect(await unwrap(other)).toBe('released');
    await other.stop();
    const kept = readFileSync(checkpoint, 'utf8');
    const leaves = () => withSql(database, (sql) => sql("select count(*) as n from log_leaves where log = 'north'"));
    const size = await leaves();
    expect(await unwrap()).toBe('unavailable');
    expect(await leaves()).toEqual(size);
    await expect(harness.service.changes.publish()).rejects.toThrow(/fork|went back/);
    const config = { checkpoint_file: checkpoint };
    await expect(startHarness({ database, rootKey, issuer, config })).rejects.toThrow(
      /changed or forked|older than the checkpoint/,
    );
    expect(readFileSync(checkpoint, 'utf8')).toBe(kept);
  });

  it('a state and keys that were put back under the log of now halt their tenant at the next start, and are not published', async () => {
    const { harness, admin, checkpoint, key, unwrap } = await start(kind);
    const { database, rootKey, issuer } = harness;
    await harness.service.changes.publish();
    const [state, row] = await withSql(database, async (sql) => [
      ...(await sql("select epoch, revisions, mac from states where tenant = 'north'")),
      ...(await sql('select disabled, revision, mac from keys where id = ?', key)),
    ]);
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    await harness.service.changes.publish();
    await withSql(database, async (sql) => {
      const set = (values: Row) => Object.keys(values).map((name) => `${name} = ?`);
      await sql(`update states set ${set(state as Row)} where tenant = 'north'`, ...Object.values(state as Row));
      await sql(`update keys set ${set(row as Row)} where id = '${key}'`, ...Object.values(row as Row));
    });
    const reason = expect.objectContaining({ message: expect.stringMatching(/north went back/) });
    const refused = new Map([['north', reason]]);
    expect(await harness.service.changes.publish()).toEqual(refused);
    // Who remembers nothing.
    const store = openStore({ store: database.config });
    cleanUp.push(() => store.close());
    await openSecrets(store, rootKey);
    const now = Date.now();
    expect((await store.publish(nextPublication(now), now)).refused).toEqual(refused);
    const another = await startHarness({ database, rootKey, issuer, config: { checkpoint_file: checkpoint } });
    cleanUp.push(() => another.stop());
    expect(await unwrap(another)).toBe('unavailable');
    expect(another.logs.join('')).toMatch(/the tenant is halted/);
    const south = await another.client(adminRoles, { tenant: 'south' });
    expect((await south.call('POST', '/v1/keys', {})).status).toBe(201);
  });

  it('the rows of one key that were put back are refused at their next use', async () => {
    const { admin, key, snapshot, putBack, newKey, unwrap } = await start(kind);
    const ofKeys = ['key_versions', 'keys'];
    const enabled = await snapshot(ofKeys);
    await admin.call('POST', `/v1/keys/${key}/disable`, {});
    expect(await unwrap()).toBe('key-disabled');
    const disabled = await snapshot(ofKeys);
    await putBack(enabled);
    // Another key changes, which is when keys are read again.
    await newKey();
    expect(await unwrap()).toBe('unavailable');
    expect((await admin.call('GET', `/v1/keys/${key}`)).status).toBe(503);
    expect((await admin.call('POST', `/v1/keys/${key}/enable`, {})).status).toBe(503);
    await putBack(disabled);
    await newKey();
    expect(await unwrap()).toBe('key-disabled');
  });
});

describe.each(storeKinds)('§11.7 %s: what a replica has noticed', (kind) => {
  it('of rows of a key that were put back is known to those that have never read the key', async () => {
    const { harness, admin, snapshot, putBack, newKey } = await start(kind);
    const { database, rootKey, issuer } = harness;
    const other = await startHarness({ database, rootKey, issuer });
    cleanUp.push(() => other.stop());
    const key = await newKey();
    const ofKeys = ['key_versions', 'keys'];
    const enabled = await snapshot(ofKeys);
    await admin.call('POST', `/v1/keys/${key}/disable`, {});
    const disabled = await snapshot(ofKeys);
    await putBack(enabled);
    const generate = async (at: Harness): Promise<string> => {
      const user = await at.client(userRoles);
      const { body } = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
      return body.results[0].problem?.code ?? 'released';
    };
    expect(await generate(harness)).toBe('unavailable');
    await harness.store.shareMemory();
    await other.store.shareMemory();
    expect(await generate(other)).toBe('unavailable');
    await putBack(disabled);
    // Another key changes, which is when keys are read again.
    await newKey();
    expect(await generate(other)).toBe('key-disabled');
    await putBack(enabled);
    await newKey();
    expect(await generate(other)).toBe('unavailable');
  });

  it('is told though the transaction that tells it is rolled back, or fails', async () => {
    const { harness, snapshot, putBack, newKey } = await start(kind);
    const engine = engineOf(harness.database);
    // The change, and then what tells of the rollback.
    const script = ['run', 'roll back and run', 'fail', 'run'];
    const store = new SqlStore({
      ...engine,
      async write(work, options) {
        const step = script.shift() ?? 'run';
        const undone = (tx: Queries): Promise<never> => work(tx).then(() => Promise.reject(new StoreError('undone')));
        if (step !== 'run') await engine.write(undone, options).catch(() => undefined);
        if (step === 'fail') throw new StoreError('undone');
        return engine.write(work, options);
      },
    });
    cleanUp.push(() => store.close());
    await openSecrets(store, harness.rootKey);
    const before = await snapshot();
    await newKey();
    const entry = encodeEntry({ time: 1, tenant: 'north', principal: 'x', operation: 'y', status: 200 });
    await store.change('north', async (change) => change.append(entry));
    await putBack(before);
    const told = async (): Promise<unknown[]> =>
      (await snapshot(['remembered'])).get('remembered')?.filter(({ replica }) => replica === 'a command') ?? [];
    await expect(store.head('north')).rejects.toThrow(/went back/);
    await store.shareMemory();
    expect(await told()).toHaveLength(1);
    await withSql(harness.database, (sql) => sql('delete from remembered'));
    await expect(store.head('north')).rejects.toThrow(/went back/);
    await expect(store.shareMemory()).rejects.toThrow('undone');
    expect(await told()).toHaveLength(0);
    await store.shareMemory();
    expect(await told()).toHaveLength(1);
  });
});

describe.each(storeKinds)('§8.3 %s: a head', (kind) => {
  /** A process that remembers nothing. */
  const stranger = async ({ database, rootKey }: Harness): Promise<AuditLogs> => {
    const store = openStore({ store: database.config });
    cleanUp.push(() => store.close());
    return new AuditLogs(store, await openSecrets(store, rootKey), 'bulla-test');
  };

  it('that the leaves do not lead to is not signed', async () => {
    const { harness } = await start(kind);
    await withSql(harness.database, (sql) =>
      sql("update states set frontier = ? where tenant = 'north'", Buffer.alloc(64, 7)),
    );
    await expect((await stranger(harness)).of('north').checkpoint()).rejects.toThrow(/changed or forked/);
    await expect(harness.service.logs.of('north').checkpoint()).rejects.toThrow(/changed or forked/);
    expect((await harness.service.logs.of('south').checkpoint()).size).toBe(1);
    await withSql(harness.database, (sql) =>
      sql("update log_leaves set hash = ? where log = '' and idx = 0", Buffer.alloc(32, 7)),
    );
    await expect((await stranger(harness)).service.checkpoint()).rejects.toThrow(/changed or forked/);
  });

  it('that does not continue the one that was published is not signed, nor published', async () => {
    const { harness, newKey } = await start(kind);
    await newKey();
    await harness.service.changes.publish();
    await withSql(harness.database, async (sql) => {
      const [first] = await sql("select hash from log_leaves where log = 'north' and idx = 0");
      await sql("delete from log_leaves where log = 'north' and idx > 0");
      await sql("update states set size = 1, frontier = ? where tenant = 'north'", first?.['hash'] as Uint8Array);
    });
    const logs = await stranger(harness);
    await expect(logs.of('north').checkpoint()).rejects.toThrow(/older than the checkpoint/);
    expect([...(await harness.service.changes.publish()).keys()]).toEqual(['north']);
    expect((await logs.of('south').checkpoint()).size).toBe(1);
  });

  it('that continues what this process has signed, but not what was published since, is not signed', async () => {
    const { harness, newKey } = await start(kind);
    const logs = await stranger(harness);
    const { size } = await logs.of('north').checkpoint();
    const grown = harness.store.entries('north', 0, size);
    for (let i = 0; i < 3; i += 1) await newKey();
    await harness.service.changes.publish();
    const hashes = [...(await grown), ...(await harness.store.entries('north', size, size + 1))].map(
      ({ hash }) => hash,
    );
    const tree = hashes.reduce((before, hash) => appendLeaf(before, hash).frontier, emptyFrontier);
    await withSql(harness.database, async (sql) => {
      await sql("delete from log_leaves where log = 'north' and idx > ?", size);
      const frontier = Buffer.concat(tree.hashes);
      await sql("update states set size = ?, frontier = ? where tenant = 'north'", tree.size, frontier);
    });
    await expect(logs.of('north').checkpoint()).rejects.toThrow(/older than the checkpoint/);
  });
});

describe('§11.5 checkpoint_file', () => {
  it('that cannot be written stops changes before they are committed, and nothing else', async () => {
    const database = await newDatabase('sqlite');
    cleanUp.push(() => database.remove());
    const folder = join(database.folder, 'outside');
    writeFileSync(join(database.folder, 'x'), '');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(folder);
    const checkpoint = join(folder, 'checkpoint');
    const harness = await startHarness({ database, config: { checkpoint_file: checkpoint } });
    cleanUp.push(() => harness.stop());
    const [admin, user] = [await harness.client(adminRoles), await harness.client(userRoles)];
    const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    renameSync(folder, `${folder}-gone`);
    for (let i = 0; i < 3; i += 1) {
      expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(503);
      expect((await admin.call('POST', '/v1/keys', {})).status).toBe(503);
    }
    expect((await admin.call('GET', '/v1/keys')).body.keys.map(({ state }: { state: string }) => state)).toEqual([
      'enabled',
    ]);
    expect((await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] })).status).toBe(200);
    renameSync(`${folder}-gone`, folder);
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    await harness.service.changes.publish();
    expect(sizeIn(checkpoint)).toBe((await harness.store.head('')).tree.size);
  });

  it('is never replaced by a log that does not continue it, whatever this process has signed', async () => {
    const { harness, checkpoint, newKey } = await start('sqlite');
    await newKey();
    const other = await startHarness({ kind: 'sqlite', rootKey: harness.rootKey });
    cleanUp.push(() => other.stop());
    const foreign = (await other.service.logs.service.checkpoint()).note;
    writeFileSync(checkpoint, foreign);
    await expect(harness.service.changes.export()).rejects.toThrow(/checkpoint/);
    expect(readFileSync(checkpoint, 'utf8')).toBe(foreign);
    expect(existsSync(checkpoint)).toBe(true);
  });
});
