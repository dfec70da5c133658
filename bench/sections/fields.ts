// Encrypted columns: records against the bare calls and a peer, by processor time; single statements through Prisma, and equality on many rows, against a database without encryption.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { decryptString, encryptString, generateKey, parseKeySync } from '@47ng/cloak';
import { blindIndex, createFieldEncryption, defineFields, encrypted, memoryDataKeyStore } from 'bulla/fields';
import { fieldsSql, postgresDataKeyStore } from 'bulla/fields/postgres';
import pg from 'pg';
import { startPostgres } from '../../key-service/test/support/postgres.ts';
import { type Measured, summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';
import { keyring, note, patients, processorMilliseconds } from './fields-common.ts';
import { againstPrismaPeer, singleStatements } from './fields-prisma.ts';

/** Of `additional data` (docs/fields.md §1.6), for this table. */
const additionalLength = 112;

/** All of it. */
export async function fields(quick: boolean): Promise<Section[]> {
  const sections = await records(quick);
  const server = await startPostgres({ own: true, hasty: true });
  try {
    const pool = new pg.Pool({ connectionString: server.url, max: 2 });
    sections.push(
      ...(await singleStatements(server.url, pool, quick)),
      ...(await againstPrismaPeer(server.url, pool, quick)),
    );
    sections.push(await equality(pool, quick));
    await pool.end();
  } finally {
    await server.stop();
  }
  return sections;
}

interface Way {
  readonly name: string;
  readonly kind: Measured['kind'];
  readonly run: () => unknown;
}

/** Runs each in turn, and gives what each took in every round. */
async function inTurn(ways: readonly Way[], rounds: number, clock: () => number): Promise<Measured[]> {
  const seen = ways.map(() => [] as number[]);
  for (let round = -2; round < rounds; round++) {
    for (const [i, { run }] of ways.entries()) {
      globalThis.gc?.();
      const begun = clock();
      await run();
      if (round >= 0) seen[i]?.push(clock() - begun);
    }
  }
  return ways.map(({ name, kind }, i) => ({ name, kind, ...summary(seen[i] ?? []) }));
}

async function records(quick: boolean): Promise<Section[]> {
  const count = 10_000;
  const encryption = createFieldEncryption({
    fields: patients,
    keyring,
    dataKeys: memoryDataKeyStore(),
    tenant: 'north',
  });
  const rows = Array.from({ length: count }, (_, id) => ({ id, note }));
  const sealed = await encryption.seal('patient', rows);
  const [key, aad, plaintext] = [randomBytes(32), randomBytes(additionalLength), Buffer.from(`\x01${note}`)];
  const seal = () => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
    return { nonce, sealed: Buffer.concat([cipher.update(plaintext), cipher.final()]), tag: cipher.getAuthTag() };
  };
  const bare = Array.from({ length: count }, seal);
  const open = ({ nonce, sealed: bytes, tag }: ReturnType<typeof seal>) => {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(aad).setAuthTag(tag);
    return Buffer.concat([decipher.update(bytes), decipher.final()]).toString('utf8', 1);
  };
  const cloak = parseKeySync(generateKey());
  const cloaked = await Promise.all(rows.map(() => encryptString(note, cloak)));
  const each = async (work: () => unknown) => {
    for (let i = 0; i < count; i++) await work();
  };
  const rounds = quick ? 3 : 9;
  const about = { unit: 'ms of processor time', lessIsBetter: true };
  const title = `Node ${process.versions.node}: ${count} records of 100 B`;
  return [
    {
      ...{ id: 'fields/seal', title: `${title}, seal`, ...about },
      rows: await inTurn(
        [
          { name: 'bulla', kind: 'bulla', run: () => encryption.seal('patient', rows) },
          { name: 'bare calls', kind: 'limit', run: () => Array.from({ length: count }, seal) },
          { name: '@47ng/cloak', kind: 'peer', run: () => each(() => encryptString(note, cloak)) },
        ],
        rounds,
        processorMilliseconds,
      ),
    },
    {
      ...{ id: 'fields/open', title: `${title}, open`, ...about },
      rows: await inTurn(
        [
          { name: 'bulla', kind: 'bulla', run: () => encryption.open('patient', sealed) },
          { name: 'bare calls', kind: 'limit', run: () => bare.map(open) },
          {
            ...{ name: '@47ng/cloak', kind: 'peer' },
            run: async () => {
              for (const text of cloaked) await decryptString(text, cloak);
            },
          },
        ],
        rounds,
        processorMilliseconds,
      ),
    },
  ];
}

/** Rows found by a tag and by the plaintext, each by its index. */
async function equality(pool: pg.Pool, quick: boolean): Promise<Section> {
  const count = quick ? 100_000 : 1_000_000;
  const many = defineFields({
    person: { row: 'id', columns: { email: encrypted.string({ index: [blindIndex({ unique: true })] }) } },
  });
  await pool.query('create table person (id int primary key, email bytea)');
  await pool.query('create table plain_person (id int primary key, email text unique)');
  for (const statement of fieldsSql(many)) {
    if (!/bulla_/.test(statement)) await pool.query(statement);
  }
  const encryption = createFieldEncryption({
    ...{ fields: many, keyring, dataKeys: postgresDataKeyStore(pool), tenant: 'north' },
  });
  const mail = (id: number) => `person${(id * 7919) % count}@example`;
  for (let from = 0; from < count; from += 10_000) {
    const rows = Array.from({ length: 10_000 }, (_, i) => ({ id: from + i, email: mail(from + i) }));
    const sealed = await encryption.seal('person', rows);
    const ids = rows.map(({ id }) => id);
    const insert = (table: string, type: string) =>
      `insert into ${table} select * from unnest($1::int[], $2::${type}[])`;
    await pool.query(insert('person', 'bytea'), [ids, sealed.map(({ email }) => Buffer.from(email))]);
    await pool.query(insert('plain_person', 'text'), [ids, rows.map(({ email }) => email)]);
  }
  await pool.query('vacuum analyze person, plain_person');
  const lookups = quick ? 1_000 : 5_000;
  const asked = Array.from({ length: lookups }, (_, i) => mail((i * 104_729) % count));
  const tags: Uint8Array[] = [];
  for (const email of asked) {
    const { tags: found } = await encryption.index('person.email', email, { tenant: 'north' });
    tags.push(Buffer.from(found[0]?.tag ?? []));
  }
  const ways = [
    { name: 'bulla', kind: 'bulla', text: 'select id from person where email_idx = $1', values: tags },
    { name: 'without encryption', kind: 'limit', text: 'select id from plain_person where email = $1', values: asked },
  ] as const;
  const plans = [];
  for (const { text, values } of ways) {
    const { rows } = await pool.query(`explain ${text}`, [values[0]]);
    plans.push(rows.map((row) => row['QUERY PLAN']).join(' '));
  }
  if (!plans.every((plan) => /Index (Only )?Scan/.test(plan))) throw new Error(`no index is used: ${plans.join('; ')}`);
  const seen = ways.map(() => [] as number[]);
  const client = await pool.connect();
  for (let i = 0; i < lookups; i++) {
    for (const which of i % 2 === 0 ? [0, 1] : [1, 0]) {
      const { name, text, values } = ways[which] as (typeof ways)[number];
      const begun = performance.now();
      const { rows } = await client.query({ name, text, values: [values[i]] });
      if (rows.length !== 1) throw new Error(`${name} found ${rows.length} rows`);
      if (i >= 100) seen[which]?.push(performance.now() - begun);
    }
  }
  client.release();
  return {
    id: 'fields/equality',
    title: `PostgreSQL 18: a row of ${count} found by its index, by the tag and by the plaintext`,
    ...{ unit: 'ms', lessIsBetter: true },
    rows: ways.map(({ name, kind }, i) => ({ name, kind, ...summary(seen[i] ?? []) })),
  };
}
