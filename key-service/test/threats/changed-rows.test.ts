// Threats: transport keys and kept answers that somebody changes in the database; keys, states and the log are in test/store/tampering.test.ts.

import { generateKeyPairSync } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import type { Discovery } from '../reference-client/documents.ts';
import { b64, pointOf, thumbprint, unb64 } from '../reference-client/encodings.ts';
import { type Key, World } from './support/world.ts';

const worlds: World[] = [];
const newWorld = async (): Promise<World> => {
  const world = await World.start();
  worlds.push(world);
  return world;
};

afterAll(async () => {
  for (const world of worlds) await world.remove();
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

  it.each(edits)('%s: never signed into a discovery document', async (_, edit) => {
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
  });
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
  });
});
