// One patient is forgotten: the key service refuses her data keys for ever, on the word of two people, and its log has the receipt.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFieldEncryption, defineFields, encrypted } from 'bulla/fields';
import { encryptedPool, fieldsSql, postgresCells, postgresDataKeyStore, withTenant } from 'bulla/fields/postgres';
import { serviceKeyring } from 'bulla/keyrings/service';
import {
  createKeyServiceClient,
  dataKeyRevocations,
  developmentToken,
  type KeyServiceClient,
  keyManagement,
} from 'bulla/service';
import type pg from 'pg';
import { startService } from '../../test/support/key-service.ts';
import { readAudit } from '../demo/page/audit.ts';

/** Each patient has data keys of her own. */
const fields = defineFields({
  visit: { row: 'id', tenant: 'clinic', subject: 'patient', columns: { diagnosis: encrypted.string() } },
});

/** Shreds a patient on a database, with a key service that this starts and removes again. */
export async function shredPatient(openPool: () => pg.Pool): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-example-'));
  const service = await startService(folder);
  const pool = openPool();
  try {
    const { url, pin } = service;
    await shred(openPool, pool, (user) => createKeyServiceClient({ url, pin, tokenSource: developmentToken(user) }));
  } finally {
    await pool.end();
    const stopped = new Promise((resolve) => service.child.once('exit', resolve));
    service.child.kill();
    await stopped;
    rmSync(folder, { recursive: true });
  }
}

async function shred(
  openPool: () => pg.Pool,
  pool: pg.Pool,
  clientOf: (user: string) => KeyServiceClient,
): Promise<void> {
  const admin = clientOf('admin@north');
  const { key_id: keyId } = await keyManagement(admin).create();
  const processOf = (user: string) => {
    const client = clientOf(user);
    const keyring = (tenant: string) => serviceKeyring({ client, keyId, keyContext: { use: 'bulla-fields', tenant } });
    return createFieldEncryption({ fields, keyring, dataKeys: postgresDataKeyStore(pool) });
  };
  const visits = encryptedPool(openPool(), processOf('alice@north'));
  await pool.query('CREATE TABLE visit (id int PRIMARY KEY, clinic text, patient int, diagnosis bytea)');
  for (const statement of fieldsSql(fields)) await pool.query(statement);
  const query = (text: string, values: unknown[]) => withTenant('north', () => visits.query(text, values));
  for (const [id, patient] of [7, 7, 8].entries()) {
    const values = [id, 'north', patient, `the diagnosis of visit ${id}`];
    await query('INSERT INTO visit (id, clinic, patient, diagnosis) VALUES ($1, $2, $3, $4)', values);
  }
  const read = (patient: number) =>
    query('SELECT diagnosis FROM visit WHERE patient = $1', [patient]).then(
      ({ rows }) => rows.map(({ diagnosis }) => diagnosis).join(', '),
      ({ code }: { code: string }) => code,
    );

  const subject = { tenant: 'north', subject: '7', cells: postgresCells(pool) };
  const asked = await processOf('revoker@north').shred(subject);
  const [revocation] = asked.receipts;
  if (revocation === undefined) throw new Error('no data key was found');
  console.log(`revoker@north asks for patient 7: ${asked.state}, data keys: ${revocation.dataKeys}, ${revocation.id}`);
  await dataKeyRevocations(clientOf('revocations@north')).approve(revocation.id, revocation.dataKeys);
  console.log('revocations@north, another person, approves: the key service refuses those data keys from now on');
  const done = await processOf('revoker@north').shred(subject);
  console.log(`shredded: ${done.rows} rows replaced, their wrapped keys erased`);
  console.log(`a program reads the visits of patient 7: ${await read(7)}`);
  console.log(`and those of patient 8: ${await read(8)}`);
  await visits.end();

  const nothingKept = { getItem: () => null, setItem: () => {} } as Partial<Storage> as Storage;
  const { entries, size } = await readAudit(admin, 'north', nothingKept);
  const receipt = entries.find(({ index }) => index === done.receipts[0]?.leaf);
  console.log(
    `receipt: leaf ${receipt?.index} of ${size} of the signed log, proved to be in it: ${receipt?.operation} by ${receipt?.principal}`,
  );
}
