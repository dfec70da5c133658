// Threats: rows that somebody changes in the database: states, floors, owners, material, transport keys, kept answers (§11.2).

import { generateKeyPairSync } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Discovery, Item } from '../reference-client/documents.ts';
import { b64, pointOf, thumbprint, unb64 } from '../reference-client/encodings.ts';
import { answers, type Key, only, World } from './support/world.ts';

const worlds: World[] = [];
const newWorld = async (): Promise<World> => {
  const world = await World.start();
  worlds.push(world);
  return world;
};

afterAll(async () => {
  for (const world of worlds) await world.remove();
});

describe('§11.2 rows that somebody changed', () => {
  let world: World;
  let good: string;
  const ids = { compromised: '', low: '', disabled: '', foreign: '', plain: '' };
  const items = new Map<string, Item>();

  beforeAll(async () => {
    world = await newWorld();
    for (const name of Object.keys(ids) as (keyof typeof ids)[]) {
      const tenant = name === 'foreign' ? 'south' : 'north';
      const { key_id } = await world.createKey({ alias: name }, tenant);
      ids[name] = key_id;
      const { wrapped_key } = await only(world.client(`alice@${tenant}`), 'generate-data-key', {}, key_id);
      items.set(name, { version: 1, wrapped_key });
    }
    await world.change(ids.compromised, 'mark-compromised', { version: 1 });
    await world.change(ids.low, 'rotate', { from_version: 1 });
    await world.change(ids.low, 'raise-floor', { floor: 2 });
    await world.change(ids.disabled, 'disable');
    await world.stop();
    good = world.copyDatabase('good.sqlite');
  }, 30_000);

  const edits: [string, keyof typeof ids, string][] = [
    [
      'a compromised version made active',
      'compromised',
      "update key_versions set state = 'active' where key_id = :compromised and version = 1",
    ],
    [
      'a compromised version made decrypt-only',
      'compromised',
      "update key_versions set state = 'decrypt-only' where key_id = :compromised and version = 1",
    ],
    ['a lower floor', 'low', 'update keys set floor = 1 where id = :low'],
    ['a disabled key enabled', 'disabled', 'update keys set disabled = 0 where id = :disabled'],
    ['a key of another tenant', 'foreign', "update keys set tenant = 'north' where id = :foreign"],
    [
      'a public key of the attacker, for offline wraps',
      'plain',
      'update key_versions set point = (select point from key_versions where key_id = :foreign and version = 1) where key_id = :plain',
    ],
    ['another newest version', 'low', 'update keys set newest = 1 where id = :low'],
    ['fewer versions', 'low', 'delete from key_versions where key_id = :low and version = 2'],
    [
      'a MAC of another row',
      'disabled',
      'update keys set disabled = 0, mac = (select mac from keys where id = :plain) where id = :disabled',
    ],
    ['no MAC', 'disabled', "update keys set disabled = 0, mac = '' where id = :disabled"],
    ['an older epoch', 'plain', 'update state set epoch = epoch - 1'],
    ['a key less', 'plain', 'delete from keys where id = :plain'],
    ['a fresh state', 'plain', "update state set epoch = 0, revisions = 0, size = 0, frontier = '[]', mac = ''"],
  ];

  it.each(edits)(
    '%s: nothing opens that did not',
    async (_, name, sql) => {
      world.putDatabase(good);
      world.database((database) => {
        database.exec('pragma foreign_keys = off');
        const used = Object.entries(ids).filter(([each]) => sql.includes(`:${each}`));
        database.prepare(sql).run(Object.fromEntries(used));
      });
      const calls: [string, Item, string][] = [
        ['unwrap', items.get(name) ?? {}, ids[name]],
        ['generate-data-key', {}, ids[name]],
      ];
      for (const each of await answers(world, calls))
        expect(each).toMatch(/^(refused|503 unavailable|403 not-allowed)/);
      expect(world.run('audit verify').status).toBe(1);
    },
    30_000,
  );

  it('an alias that points to another key', async () => {
    world.putDatabase(good);
    world.database((database) => {
      database.prepare("update aliases set key_id = ? where name = 'plain'").run(ids.low);
    });
    expect((await answers(world, [['generate-data-key', {}, 'alias:plain']]))[0]).toMatch(/^(refused|503 unavailable)/);
    expect(world.run('audit verify').status).toBe(1);
  }, 30_000);

  const swapMaterial = (database: DatabaseSync): void => {
    const foreign = 'select material from key_versions where key_id = ? and version = 1';
    database.prepare(`update key_versions set material = (${foreign}) where key_id = ?`).run(ids.foreign, ids.plain);
  };

  it('the material of another key under the id of ours: opens nothing', async () => {
    world.putDatabase(good);
    world.database(swapMaterial);
    const [answer] = await answers(world, [['unwrap', items.get('plain') ?? {}, ids.plain]]);
    expect(answer).toMatch(/^(refused|503 unavailable)/);
  }, 30_000);

  it('the material of another key under the id of ours: audit verify finds it', () => {
    world.putDatabase(good);
    world.database(swapMaterial);
    expect(world.run('audit verify').status).toBe(1);
  });

  it('the same database unchanged is whole', async () => {
    world.putDatabase(good);
    expect(await answers(world, [['unwrap', items.get('plain') ?? {}, ids.plain]])).toEqual(['ok']);
    expect(world.run('audit verify').status).toBe(0);
  }, 30_000);
});

describe('§2.3 §4.6 transport keys that somebody changed in the database', () => {
  const attacker = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
  const kid = thumbprint(attacker.export({ format: 'jwk' }));
  const point = pointOf(attacker);
  const columns = 'serial, sealed, created, expires';
  const edits: [string, (database: DatabaseSync) => void][] = [
    ['another point', (database) => void database.prepare('update transport_keys set point = ?').run(point)],
    [
      'another key',
      (database) => void database.prepare('update transport_keys set point = ?, kid = ?').run(point, kid),
    ],
    [
      'one more, newer',
      (database) => {
        const newer = columns.replace('serial', 'serial + 1');
        const sql = `insert into transport_keys (kid, point, ${columns}) select ?, ?, ${newer} from transport_keys`;
        database.prepare(sql).run(kid, point);
      },
    ],
    ['a longer life', (database) => database.exec('update transport_keys set expires = expires + 864000')],
  ];

  it.each(edits)(
    '%s: never signed into a discovery document',
    async (_, edit) => {
      const world = await newWorld();
      await world.client('alice@north').discover();
      await world.stop();
      world.database(edit);
      if ((await world.refusal()) !== '') return;
      const { url } = await world.start();
      const { document = '' } = (await (await fetch(`${url}/.well-known/bulla-key-service`)).json()) as {
        document?: string;
      };
      if (document === '') return;
      const claims: Discovery = JSON.parse(unb64(document.split('.')[1] ?? '').toString());
      for (const published of claims.transport_keys) {
        expect(published.key).not.toBe(b64(point));
        expect(published.exp * 1000 - Date.now()).toBeLessThanOrEqual(86_400_000);
      }
    },
    20_000,
  );
});

describe('what the service keeps to answer again', () => {
  it('§7.2 an answer for an idempotency key that was changed in the database is not given out', async () => {
    const world = await newWorld();
    const create = (): Promise<Key> =>
      world.client('admin@north').call('POST', '/v1/keys', {}, { 'idempotency-key': 'the-same-one' });
    const { key_id } = await create();
    const { key_id: other } = await world.createKey();
    world.database((database) => {
      database.prepare('update answers set body = replace(body, ?, ?)').run(key_id, other);
    });
    expect(await create().then((key) => (key.key_id === other ? 'believed' : key.key_id), String)).not.toBe('believed');
  }, 20_000);
});
