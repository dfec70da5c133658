// Encrypted columns under Prisma and Drizzle on a PostgreSQL that this starts and removes again: `npm run example:fields`.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { createFieldEncryption } from 'bulla/fields';
import {
  createFieldJobs,
  encryptedPool,
  keepTenantsApart,
  migrationSql,
  postgresDataKeyStore,
  withTenant,
} from 'bulla/fields/postgres';
import { aesKeyring } from 'bulla/keyrings/aes';
import { eq, like } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { startPostgres } from '../../key-service/test/support/postgres.ts';
import { fields, migrated, patients, table } from './clinic.ts';
import { shredPatient } from './shredding.ts';

// biome-ignore lint/suspicious/noExplicitAny: the types of the client are generated with it
type Prisma = any;

const title = (text: string) => console.log(`\n${text}\n${'-'.repeat(text.length)}`);
const short = (value: unknown) => {
  const text = Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : JSON.stringify(value);
  return text.length > 66 ? `${text.slice(0, 60)}… ${Buffer.isBuffer(value) ? `${value.byteLength} B` : ''}` : text;
};
const show = (row: object | undefined) => {
  for (const [name, value] of Object.entries(row ?? {})) console.log(`  ${name.padEnd(18)} ${short(value)}`);
};

console.log('Starting PostgreSQL and generating the Prisma client …');
const server = await startPostgres({ own: true, hasty: true });
// The server ends connections when it stops, and that may be told late.
const openPool = () => new pg.Pool({ connectionString: server.url, max: 4 }).on('error', () => {});
const raw = openPool();
try {
  await tour();
  title('One patient is forgotten, with a receipt');
  await shredPatient(openPool);
  console.log('\nDone: the servers are stopped, and their files are removed.');
} finally {
  await raw.end();
  await server.stop();
}

async function tour(): Promise<void> {
  // Of two keys that wrap data keys, the newer one is for a rotation later. Use a key service where it matters.
  const kek = [1, 2].map(() => crypto.getRandomValues(new Uint8Array(32)));
  const keyringOf = (version: number) => (tenant: string) =>
    aesKeyring({
      keyId: `fields-${version}`,
      key: kek[version - 1] as Uint8Array,
      keyContext: { use: 'bulla-fields', tenant },
    });
  const dataKeys = postgresDataKeyStore(raw);
  const encryption = createFieldEncryption({ fields, keyring: keyringOf(1), dataKeys });
  const pool = encryptedPool(openPool(), encryption);

  await raw.query(table);
  // A program of long ago left its telephone numbers as they are.
  await raw.query(`INSERT INTO patient (id, clinic, phone)
    SELECT 1000 + i, 'north', '+49 30 ' || 100000 + i FROM generate_series(1, 2000) i`);
  for (const statement of migrationSql(fields, { step: 'tables' })) await raw.query(statement);
  for (const field of ['patient.email', 'patient.diagnosis', 'patient.born', 'patient.phone']) {
    for (const statement of migrationSql(fields, { step: 'expand', field })) await raw.query(statement);
  }
  const prisma = await openPrisma(pool);
  const db = drizzle(pool);
  try {
    await withTenant('north', async () => {
      await bothSides(prisma);
      await search(prisma, db);
      await attack(db);
      await migratePhone(db);
      await rotate(keyringOf);
    });
  } finally {
    await prisma.$disconnect();
    await pool.end();
  }
  async function migratePhone(db: Drizzle): Promise<void> {
    title('An old plaintext column, migrated while programs go on');
    const jobs = createFieldJobs({ encryption, pool: raw });
    const backfill = await jobs.start({ kind: 'backfill', field: 'patient.phone' });
    const sealed = await jobs.run(backfill.id, { workers: 2 });
    console.log(`backfill: ${sealed.rows} rows looked at, ${sealed.written} sealed, ${sealed.faults} faults`);
    await raw.query(`UPDATE patient SET phone = '+49 30 999999' WHERE id = 1001`);
    const { rows } = await raw.query('SELECT phone, phone_sealed FROM patient WHERE id = 1001');
    console.log('An old program changes a number: the trigger clears the record, so nothing stale is left.');
    show(rows[0]);
    const again = await jobs.run((await jobs.start({ kind: 'backfill', field: 'patient.phone' })).id);
    const verify = await jobs.run((await jobs.start({ kind: 'verify', field: 'patient.phone' })).id);
    console.log(
      `backfill again: ${again.written} sealed; verify: ${verify.rows} rows opened and compared, ${verify.faults} faults`,
    );
    for (const step of ['switch', 'contract'] as const) {
      await raw.query(jobs.sql({ step, field: 'patient.phone' }).join(';\n'));
    }
    console.log('The column phone is gone. The database now sees, of row 1001:');
    show((await raw.query('SELECT * FROM patient WHERE id = 1001')).rows[0]);
    const found = await db
      .select({ id: patients.id, phone: patients.phoneSealed })
      .from(patients)
      .where(eq(patients.phoneSealed, '(4930) 999-999'));
    console.log('Drizzle finds it by its digits:', JSON.stringify(found));
  }

  async function rotate(keyrings: typeof keyringOf): Promise<void> {
    title('Key rotation');
    const rewrapping = createFieldJobs({ encryption, pool: raw, rewrapTo: keyrings(2) });
    const rewrap = await rewrapping.run((await rewrapping.start({ kind: 'rewrap' })).id);
    console.log(`rewrap: ${rewrap.written} data keys are under the new key; no row of a patient was touched`);
    const next = createFieldEncryption({
      fields: migrated,
      keyring: keyrings(2),
      dataKeys,
      notBefore: new Date(Date.now() + 1),
    });
    const jobs = createFieldJobs({ encryption: next, pool: raw });
    const before = await idsInUse();
    for (const field of ['patient.email', 'patient.phone'])
      console.log(
        `reencrypt ${field}: ${(await jobs.run((await jobs.start({ kind: 'reencrypt', field })).id)).written} cells`,
      );
    const after = await idsInUse();
    console.log(`data keys of the e-mail addresses before: ${before.join()}, after: ${after.join()}`);
    const [row] = await next.open(
      'patient',
      (await raw.query('SELECT id, clinic, email FROM patient WHERE id = 1')).rows,
    );
    console.log(`and Alice is still ${(row as unknown as { email: string }).email}`);
  }

  async function idsInUse(): Promise<readonly string[]> {
    const text = `SELECT DISTINCT encode(substring(email FROM 16 FOR 4), 'hex') AS id FROM patient WHERE email IS NOT NULL`;
    return (await raw.query(text)).rows.map(({ id }) => `${id}…`);
  }
}

type Drizzle = ReturnType<typeof drizzle>;

async function openPrisma(pool: pg.Pool): Promise<Prisma> {
  const { resolve } = createRequire(import.meta.url);
  // The engine of `migrate` is not needed, and would be downloaded.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath };
  const args = ['generate', '--schema', 'examples/fields/schema.prisma'];
  execFileSync(process.execPath, [resolve('prisma/build/index.js'), ...args], { env, stdio: 'pipe' });
  const client: string = '../../node_modules/.bulla/example/index.js';
  const { PrismaClient } = (await import(client)) as { PrismaClient: new (options: object) => Prisma };
  return keepTenantsApart(new PrismaClient({ adapter: new PrismaPg(pool) }));
}

async function bothSides(prisma: Prisma): Promise<void> {
  title('What the program sees, and what the database sees');
  const people = [
    { email: 'Alice@Example.org', diagnosis: 'J45.0 asthma', born: new Date('1985-04-12') },
    { email: 'bob@example.org', diagnosis: 'M10.0 gout', born: new Date('1971-11-02') },
  ];
  for (const [i, person] of people.entries())
    await prisma.patient.create({ data: { id: i + 1, clinic: 'north', ...person } });
  console.log('Prisma, through the encrypted pool:');
  show(await prisma.patient.findUnique({ where: { id: 1 } }));
  console.log('psql, a backup, the write-ahead log:');
  show((await raw.query('SELECT * FROM patient WHERE id = 1')).rows[0]);
}

async function search(prisma: Prisma, db: Drizzle): Promise<void> {
  title('Search by a blind index');
  const found = await prisma.patient.findUnique({ where: { email: '  alice@example.ORG ' } });
  console.log('Prisma, findUnique by e-mail:', JSON.stringify(found.diagnosis));
  const rows = await db.select({ id: patients.id }).from(patients).where(eq(patients.email, 'BOB@example.org'));
  console.log('Drizzle, eq:', JSON.stringify(rows));
  const { rows: plan } = await raw.query(
    `EXPLAIN SELECT id FROM patient WHERE clinic = 'north' AND email_idx = '\\x00'`,
  );
  console.log('The database uses its index:', plan[0]['QUERY PLAN'].split('  ')[0]);
  const pattern = db.select().from(patients).where(like(patients.email, 'alice%'));
  const refused = await pattern.then(
    () => undefined,
    ({ cause }: { cause?: Error }) => cause,
  );
  console.log('What a blind index cannot answer is refused:', refused?.message);
  const twice = await prisma.patient
    .create({ data: { clinic: 'north', email: 'ALICE@example.org' } })
    .catch(({ code }: { code: string }) => code);
  console.log('A second Alice is refused by the unique index:', twice);
}

async function attack(db: Drizzle): Promise<void> {
  title('Someone with the rights of the database');
  const write = (text: string) =>
    raw.query(text).then(
      () => 'done',
      ({ code }) => `refused (${code})`,
    );
  console.log('writes plaintext:', await write(`UPDATE patient SET diagnosis = 'healthy' WHERE id = 1`));
  const { rows } = await raw.query('SELECT diagnosis FROM patient WHERE id = 1');
  console.log(
    "moves Bob's diagnosis to Alice:",
    await write('UPDATE patient SET diagnosis = (SELECT diagnosis FROM patient WHERE id = 2) WHERE id = 1'),
  );
  const read = db.select().from(patients).where(eq(patients.id, 1));
  console.log(
    'and the program reads:',
    await read.then(
      () => 'Bob’s',
      (error: { cause?: { code?: string } }) => error.cause?.code,
    ),
  );
  await raw.query('UPDATE patient SET diagnosis = $1 WHERE id = 1', [rows[0].diagnosis]);
}
