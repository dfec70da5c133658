// What a large result costs outside of this process: queries for data keys, and requests that the key service has in its log; docs/fields.md §4.9.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { encryptedPool, fieldsSql, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import { createFieldEncryption, defineFields, encrypted } from '../../src/fields.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../src/service.ts';
import { startService } from '../support/key-service.ts';

const fields = defineFields({
  visit: { row: 'id', tenant: 'clinic', subject: 'patient', columns: { note: encrypted.string() } },
});

let folder: string;
let service: Awaited<ReturnType<typeof startService>>;
let database: Awaited<ReturnType<typeof createDatabase>>;

/** What was sent for data keys. */
const queries: string[] = [];
class WatchedClient extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: it has eight overloads
  override query(...args: any[]): any {
    queries.push(String(typeof args[0] === 'string' ? args[0] : args[0].text));
    return super.query(...(args as [never]));
  }
}
let keyPool: pg.Pool;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-requests-'));
  service = await startService(folder);
  database = await createDatabase(inject('postgresUrl'));
  keyPool = new pg.Pool({ connectionString: database.url, max: 2, Client: WatchedClient });
  await keyPool.query('create table visit (id int primary key, clinic text, patient int, note bytea)');
  for (const statement of fieldsSql(fields)) await keyPool.query(statement);
});
afterAll(async () => {
  await keyPool.end();
  await database.drop();
  const stopped = new Promise((resolve) => service.child.once('exit', resolve));
  service.child.kill();
  await stopped;
  rmSync(folder, { recursive: true, force: true });
});

const clientOf = (user: string) => {
  const { url, pin } = service;
  return createKeyServiceClient({ url, pin, tokenSource: developmentToken(user) });
};

/** Requests of an operation that are in the service's log, with how many items each had. */
async function logged(operation: string): Promise<number[]> {
  const { entries } = await clientOf('admin@north').request({ method: 'GET', path: '/v1/audit/entries/0/1000' });
  return (entries as { entry: string }[]).flatMap(({ entry }) => {
    const leaf = JSON.parse(Buffer.from(entry, 'base64url').toString()) as {
      operation: string;
      items?: { n: number }[];
    };
    return leaf.operation === operation ? [(leaf.items ?? []).reduce((sum, { n }) => sum + n, 0)] : [];
  });
}

test('§4.9 1,000 rows of 300 subjects: one query for data keys and one request to the key service; none when warm', async () => {
  const { key_id: keyId } = await keyManagement(clientOf('admin@north')).create();
  /** A process with nothing in its caches. */
  const processOf = () => {
    const client = clientOf('alice@north');
    return createFieldEncryption({
      fields,
      keyring: (tenant) => serviceKeyring({ client, keyId, keyContext: { use: 'bulla-fields', tenant } }),
      dataKeys: postgresDataKeyStore(keyPool),
      tenant: 'north',
    });
  };
  const rows = Array.from({ length: 1_000 }, (_, id) => ({ id, clinic: 'north', patient: id % 300, note: `n${id}` }));
  const sealed = await processOf().seal('visit', rows);
  const insert = 'insert into visit select * from unnest($1::int[], $2::text[], $3::int[], $4::bytea[])';
  const column = <Name extends keyof (typeof sealed)[0]>(name: Name) => sealed.map((row) => row[name]);
  const notes = column('note').map((note) => Buffer.from(note));
  await keyPool.query(insert, [column('id'), column('clinic'), column('patient'), notes]);

  const pool = encryptedPool(new pg.Pool({ connectionString: database.url, max: 1 }), processOf());
  try {
    const read = async () => {
      queries.length = 0;
      const found = await pool.query('select id, clinic, patient, note from visit order by id');
      expect(found.rows).toEqual(rows);
      return queries.filter((text) => text.includes('bulla_data_keys')).length;
    };
    const before = await logged('unwrap');
    expect(await read()).toBe(1);
    expect(await logged('unwrap')).toEqual([...before, 300]);
    expect(await read()).toBe(0);
    expect(await logged('unwrap')).toEqual([...before, 300]);
  } finally {
    await pool.end();
  }
});
