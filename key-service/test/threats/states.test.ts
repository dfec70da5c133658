// Threats: versions that are destroyed or compromised, and a database that is changed or put back to an older state.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wrapOffline } from '../reference-client/client.ts';
import type { Item } from '../reference-client/documents.ts';
import { answers, asAlice, ending, type Key, only, World } from './support/world.ts';

const worlds: World[] = [];
const newWorld = async (): Promise<World> => {
  const world = await World.start();
  worlds.push(world);
  return world;
};

afterAll(async () => {
  for (const world of worlds) await world.remove();
});

describe('a compromised version', () => {
  let world: World;
  let key: Key;
  let items: Item[];

  beforeAll(async () => {
    world = await newWorld();
    key = await world.createKey();
    const alice = world.client('alice@north');
    const { wrapped_key } = await only(alice, 'generate-data-key', {}, key.key_id);
    const document = await alice.publicKey(key.key_id);
    items = [{ version: 1, wrapped_key }, wrapOffline(document, {}, randomBytes(32))];
    const marked = await world.change(key.key_id, 'mark-compromised', { version: 1 });
    expect(marked).toMatchObject({ newest_version: 2, versions: [{ state: 'compromised' }, { state: 'active' }] });
    items.push(wrapOffline(document, {}, randomBytes(32)));
  });

  it('unwraps nothing, wrapped by the service or offline, before or after', async () => {
    for (const item of items) expect(await asAlice(world, 'unwrap', item, key.key_id)).toBe('423 version-unavailable');
  });

  it('is rewrapped by the permission for it alone', async () => {
    for (const item of items) {
      expect(await asAlice(world, 'rewrap', item, key.key_id)).toBe('423 version-unavailable');
      const recoverer = world.client('recoverer@north');
      const { version, wrapped_key } = await only(recoverer, 'rewrap', { ...item, key: key.key_id });
      expect(version).toBe(2);
      expect(await asAlice(world, 'unwrap', { version: 2, wrapped_key }, key.key_id)).toBe('ok');
      expect(await asAlice(world, 'unwrap', item, key.key_id, 'recoverer@north')).toBe('403 not-allowed');
    }
  });

  it('there is no way back', async () => {
    const change = (verb: string, body: object): Promise<string> => ending(world.change(key.key_id, verb, body));
    expect(await change('enable', { version: 1 })).toBe('409 state-conflict');
    expect(await change('cancel-deletion', {})).toBe('409 state-conflict');
    await change('disable', { version: 1 });
    await change('enable', { version: 1 });
    await world.change(key.key_id, 'disable');
    await world.change(key.key_id, 'enable');
    await world.change(key.key_id, 'schedule-deletion', { days: 7, version: 1 });
    await world.change(key.key_id, 'approve-deletion', { version: 1, days: 7 }, 'approver@north');
    await world.change(key.key_id, 'cancel-deletion');
    expect((await world.client('admin@north').call<Key>('GET', `/v1/keys/${key.key_id}`)).versions[0]?.state).toBe(
      'compromised',
    );
  });

  it('is not told to those who may not unwrap', async () => {
    const [item] = items;
    expect(await asAlice(world, 'unwrap', item ?? {}, key.key_id, 'alice@south')).toBe('403 not-allowed');
    expect(await asAlice(world, 'unwrap', item ?? {}, key.key_id, 'admin@north')).toBe('403 not-allowed');
  });
});

describe('a destroyed version, and its return', () => {
  let world: World;
  let key: Key;
  let item: Item;
  let before: string;

  const materials = (): unknown[] =>
    world.database((database) =>
      database.prepare('select material from key_versions where key_id = ? order by version').all(key.key_id),
    );

  beforeAll(async () => {
    world = await newWorld();
    key = await world.createKey();
    const { wrapped_key } = await only(world.client('alice@north'), 'generate-data-key', {}, key.key_id);
    item = { version: 1, wrapped_key };
    await world.change(key.key_id, 'rotate', { from_version: 1 });
    await world.change(key.key_id, 'schedule-deletion', { days: 7, version: 1 });
    await world.change(key.key_id, 'approve-deletion', { version: 1, days: 7 }, 'approver@north');
    before = world.copyDatabase('before.sqlite');
    await world.stop();
    await world.later(8, () => (materials()[0] as { material: unknown }).material === null);
    await world.start();
  });

  it('§5.2 §11.6 opens nothing for anybody, and its material is gone from the database', async () => {
    for (const [operation, user] of [
      ['unwrap', 'alice@north'],
      ['rewrap', 'alice@north'],
      ['rewrap', 'recoverer@north'],
    ] as const) {
      expect(await asAlice(world, operation, item, key.key_id, user), operation).toBe('423 version-unavailable');
    }
    expect(materials()).toEqual([{ material: null }, { material: expect.any(Uint8Array) }]);
    const { versions } = await world.client('admin@north').call<Key>('GET', `/v1/keys/${key.key_id}`);
    expect(versions.map(({ state }) => state)).toEqual(['destroyed', 'active']);
  });

  it('§5.2 cannot be brought back by any change', async () => {
    const change = (verb: string, body: object): Promise<string> => ending(world.change(key.key_id, verb, body));
    expect(await change('enable', { version: 1 })).toBe('409 state-conflict');
    expect(await change('cancel-deletion', {})).toBe('409 state-conflict');
    expect(await change('mark-compromised', { version: 1 })).toBe('409 state-conflict');
    expect(await asAlice(world, 'unwrap', item, key.key_id)).toBe('423 version-unavailable');
  });

  it('§11.5 the database of before is refused at the start, and audit verify tells why', async () => {
    await world.stop();
    const now = world.copyDatabase('now.sqlite');
    world.putDatabase(before);
    expect(await world.refusal()).toMatch(/older than the checkpoint/);
    const { status, output } = world.run('audit verify', '--checkpoint', world.path('checkpoint'));
    expect(status).toBe(1);
    expect(output).toMatch(/cut|older/);
    world.putDatabase(now);
    await world.start();
  });

  it('§11.2 nor the rows of before alone in the database of now', async () => {
    await world.stop();
    const now = world.copyDatabase('whole.sqlite');
    copyFileSync(world.path('checkpoint'), world.path('whole.checkpoint'));
    const putBack = (): void => {
      world.putDatabase(now);
      copyFileSync(world.path('whole.checkpoint'), world.path('checkpoint'));
    };
    const old = new DatabaseSync(before, { readOnly: true });
    const version = old.prepare('select * from key_versions where key_id = ? and version = 1').get(key.key_id) ?? {};
    const row = old.prepare('select * from keys where id = ?').get(key.key_id) ?? {};
    old.close();
    const put = (database: DatabaseSync, table: string, values: Record<string, unknown>): void => {
      const names = Object.keys(values);
      const sql = `insert or replace into ${table} (${names.join()}) values (${names.map(() => '?').join()})`;
      database.prepare(sql).run(...(Object.values(values) as string[]));
    };
    for (const work of [
      (database: DatabaseSync) => put(database, 'key_versions', version),
      (database: DatabaseSync) => {
        database.exec('pragma foreign_keys = off');
        put(database, 'keys', row);
        put(database, 'key_versions', version);
      },
    ]) {
      putBack();
      world.database(work);
      expect((await answers(world, [['unwrap', item, key.key_id]]))[0]).toMatch(/^(refused|503 unavailable)/);
    }
    putBack();
    await world.start();
  });
});

describe('§11.5 a database that went another way', () => {
  it('a fork that has grown longer than the checkpoint is refused, by the service and by audit verify', async () => {
    const world = await newWorld();
    await world.createKey();
    await world.stop();
    const common = world.copyDatabase('common.sqlite');
    await world.start();
    const { key_id } = await world.createKey();
    await world.change(key_id, 'mark-compromised', { version: 1 });
    await world.stop();
    copyFileSync(world.path('checkpoint'), world.path('kept'));

    // Without its checkpoint the service cannot know: that is why it is kept outside.
    world.putDatabase(common);
    rmSync(world.path('checkpoint'));
    await world.start();
    for (let i = 0; i < 6; i++) await world.createKey();
    await world.stop();
    copyFileSync(world.path('kept'), world.path('checkpoint'));
    expect(await world.refusal()).toMatch(/does not continue the checkpoint/);
    const { status, output } = world.run('audit verify', '--checkpoint', world.path('kept'));
    expect([status, output]).toEqual([1, expect.stringMatching(/does not continue the checkpoint/)]);
  });

  it('an older backup is not restored beside a newer checkpoint, unless the operator says so', async () => {
    const world = await newWorld();
    const { key_id } = await world.createKey();
    const [bulla, keyFile] = [
      fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url)),
      world.path('recovery.key'),
    ];
    const cli = (...args: string[]) =>
      spawnSync(process.execPath, ['-C', 'bulla-source', bulla, ...args], { encoding: 'utf8' });
    const made = cli('keygen', '--output', keyFile);
    const [recipient = ''] = /bullapk1\.\S+/.exec(made.stdout + made.stderr) ?? [];
    expect(recipient).not.toBe('');
    const backup = world.run('backup', '--recipient', recipient, '--out', world.path('backup'));
    expect(backup.status, backup.output).toBe(0);
    await world.change(key_id, 'mark-compromised', { version: 1 });
    await world.stop();
    const restore = (...more: string[]) => {
      world.removeDatabase();
      return world.run('restore', '--in', world.path('backup'), '--key-file', keyFile, ...more);
    };
    const refused = restore();
    expect([refused.status, refused.output]).toEqual([1, expect.stringMatching(/older than the checkpoint/)]);
    expect(await world.refusal()).not.toBe('');
    const accepted = restore('--accept-rollback');
    expect(accepted.status, accepted.output).toBe(0);
  });
});
