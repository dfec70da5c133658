// A subject shredded from end to end: PostgreSQL, the key service, and every process that knew the keys; docs/fields.md §7.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { encryptedPool, fieldsSql, postgresCells, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import {
  blindIndex,
  type CellStore,
  createFieldEncryption,
  type DataKeyStore,
  defineFields,
  encrypted,
  type FieldEncryptionOptions,
} from '../../src/fields.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import {
  createKeyServiceClient,
  dataKeyRevocations,
  developmentToken,
  type KeyServiceClient,
  keyManagement,
} from '../../src/service.ts';
import { failureOf } from '../fields/support.ts';
import { startService } from '../support/key-service.ts';

const fields = defineFields({
  visit: {
    row: 'id',
    tenant: 'clinic',
    subject: 'patient',
    columns: {
      diagnosis: encrypted.string({ index: [blindIndex()] }),
      note: encrypted.string({ key: 'field' }),
    },
  },
  letter: { row: 'id', tenant: 'clinic', subject: 'patient', columns: { text: encrypted.string() } },
  clinic: { row: 'id', columns: { motto: encrypted.string() } },
});

let folder: string;
let service: Awaited<ReturnType<typeof startService>>;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
let keyId: string;
let approvals: ReturnType<typeof dataKeyRevocations>;
const clients = new Map<string, KeyServiceClient>();
const clientOf = (user: string): KeyServiceClient => {
  const { url, pin } = service;
  const known = clients.get(user) ?? createKeyServiceClient({ url, pin, tokenSource: developmentToken(user) });
  clients.set(user, known);
  return known;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-shredding-'));
  service = await startService(folder);
  database = await createDatabase(inject('postgresUrl'));
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
  await pool.query(`create table visit (id int primary key, clinic text, patient int, diagnosis bytea, note bytea);
    create table letter (id int primary key, clinic text, patient text, text bytea);
    create table clinic (id int primary key, motto bytea)`);
  for (const statement of fieldsSql(fields)) await pool.query(statement);
  keyId = (await keyManagement(clientOf('admin@north')).create()).key_id;
  approvals = dataKeyRevocations(clientOf('revocations@north'));
});
afterAll(async () => {
  await pool.end();
  await database.drop();
  const stopped = new Promise((resolve) => service.child.once('exit', resolve));
  service.child.kill();
  await stopped;
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await pool.query('truncate visit, letter, clinic, bulla_data_keys');
});

type Options = Partial<FieldEncryptionOptions<typeof fields>>;
/** A process of its own: with nothing in its caches. */
const processOf = (user: string, options: Options = {}) =>
  createFieldEncryption({
    fields,
    keyring: (tenant) => serviceKeyring({ client: clientOf(user), keyId, keyContext: { use: 'bulla-fields', tenant } }),
    dataKeys: postgresDataKeyStore(pool),
    tenant: 'north',
    ...options,
  });

/** Rows of two patients, stored. */
async function fill(application = processOf('alice@north')) {
  const visits = [1, 2, 3].map((id) => ({
    ...{ id, clinic: 'north', patient: id === 3 ? 8 : 7, diagnosis: `d${id}`, note: `n${id}` },
  }));
  for (const row of await application.seal('visit', visits)) {
    const values = [row.id, row.clinic, row.patient, Buffer.from(row.diagnosis), Buffer.from(row.note)];
    await pool.query('insert into visit values ($1, $2, $3, $4, $5)', values);
  }
  const letters = [
    { id: 1, clinic: 'north', patient: '7', text: 'of seven' },
    { id: 2, clinic: 'north', patient: '8', text: 'of eight' },
  ];
  for (const row of await application.seal('letter', letters)) {
    await pool.query('insert into letter values ($1, $2, $3, $4)', [
      row.id,
      'north',
      row.patient,
      Buffer.from(row.text),
    ]);
  }
  const [clinic] = await application.seal('clinic', [{ id: 1, motto: 'of the house' }]);
  await pool.query('insert into clinic values (1, $1)', [Buffer.from(clinic?.motto ?? [])]);
  return application;
}

const visitsOf = async (patient: number) =>
  (await pool.query('select id, clinic, patient, diagnosis, note from visit where patient = $1 order by id', [patient]))
    .rows;
const codeOf = async (work: Promise<unknown>) => (await failureOf(work)).code;
const keyRows = async () =>
  (
    await pool.query(
      'select subject, state, wrapped is null as gone, receipt from bulla_data_keys order by subject, id',
    )
  ).rows;
const seven = { tenant: 'north', subject: '7' };

async function approve(receipts: readonly { readonly id: string; readonly dataKeys: number }[]): Promise<number[]> {
  const leaves: number[] = [];
  for (const { id, dataKeys } of receipts) leaves.push((await approvals.approve(id, dataKeys)).leaf ?? -1);
  return leaves;
}

describe('§7.4 a subject', () => {
  test('is marked, refused once another person approved it, erased, and leaves the indexes', async () => {
    const application = await fill();
    const erasure = processOf('revoker@north');
    const cells = postgresCells(pool);
    const asked = await erasure.shred({ ...seven, cells });
    expect(asked).toMatchObject({ state: 'requested', receipts: [{ state: 'requested', dataKeys: 2 }], rows: 0 });
    expect(asked.dataKeys).toHaveLength(2);
    // Nothing is gone yet, and nobody seals for the subject any more.
    expect((await keyRows()).filter(({ subject }) => subject === '7')).toEqual(
      [0, 1].map(() => ({ subject: '7', state: 'shredded', gone: false, receipt: null })),
    );
    const late = processOf('alice@north');
    expect(await codeOf(late.seal('visit', [{ id: 9, clinic: 'north', patient: 7, diagnosis: 'x', note: 'x' }]))).toBe(
      'ERR_FIELD_SHREDDED',
    );
    expect(await erasure.shred({ ...seven, cells })).toEqual(asked);

    const [leaf] = await approve(asked.receipts);
    const done = await erasure.shred({ ...seven, cells });
    const receipts = asked.receipts.map((receipt) => ({ ...receipt, state: 'revoked', leaf }));
    expect(done).toEqual({
      state: 'shredded',
      dataKeys: asked.dataKeys,
      receipts,
      unrevoked: [],
      rows: 3,
      remaining: [],
    });
    expect((await keyRows()).filter(({ subject }) => subject === '7')).toMatchObject(
      [0, 1].map(() => ({ state: 'shredded', gone: true, receipt: expect.stringContaining(`"leaf":${leaf}`) })),
    );
    const { rows } = await pool.query('select diagnosis, note, diagnosis_idx from visit where patient = 7');
    const cell = Buffer.from([0xf9, 0x80, 1]);
    expect(rows).toEqual([0, 1].map(() => ({ diagnosis: cell, note: cell, diagnosis_idx: null })));
    // Again it is the same, and nothing is left to replace.
    expect(await processOf('revoker@north').shred({ ...seven, cells })).toEqual({ ...done, rows: 0 });

    for (const reader of [application, processOf('alice@north')]) {
      const [visit] = await visitsOf(8);
      expect((await reader.open('visit', [visit]))[0]).toMatchObject({ diagnosis: 'd3', note: 'n3' });
      const { rows: letters } = await pool.query("select * from letter where patient = '8'");
      expect((await reader.open('letter', letters))[0]).toMatchObject({ text: 'of eight' });
    }
    expect(await codeOf(processOf('alice@north').open('visit', await visitsOf(7)))).toBe('ERR_FIELD_SHREDDED');
  });

  test('§4.9 every process knows of it within rowMaxAge, warm ones too', async () => {
    const application = await fill(processOf('alice@north', { rowMaxAge: 50 }));
    const before = await visitsOf(7);
    await application.open('visit', before);
    const erasure = processOf('revoker@north');
    await erasure.shred(seven);
    const isShredded = async () => {
      const failure = await application.open('visit', before).then(
        () => undefined,
        (error: { code?: string }) => error.code,
      );
      return failure === 'ERR_FIELD_SHREDDED';
    };
    while (!(await isShredded())) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await codeOf(application.seal('letter', [{ id: 5, clinic: 'north', patient: '7', text: 'x' }]))).toBe(
      'ERR_FIELD_SHREDDED',
    );
  });

  test('through the seam of the driver, in every process', async () => {
    const application = await fill();
    const sealed = encryptedPool(new pg.Pool({ connectionString: database.url, max: 1 }), application);
    const ask = () => sealed.query('select id, diagnosis from visit where patient = 7');
    expect((await ask()).rows).toHaveLength(2);
    const erasure = processOf('revoker@north');
    const cells = postgresCells(pool);
    await approve((await erasure.shred({ ...seven, cells })).receipts);
    await erasure.shred({ ...seven, cells });
    expect(await codeOf(ask())).toBe('ERR_FIELD_SHREDDED');
    const found = await sealed.query("select id from visit where clinic = 'north' and diagnosis = $1", ['d1']);
    expect(found.rows).toEqual([]);
    await sealed.end();
  });
});

test('§7.6 a restored dump of cells and key rows from before does not open', async () => {
  await fill();
  const [visits, { rows: keys }] = [await visitsOf(7), await pool.query('select * from bulla_data_keys')];
  const erasure = processOf('revoker@north');
  const cells = postgresCells(pool);
  const [leaf] = await approve((await erasure.shred({ ...seven, cells })).receipts);
  await erasure.shred({ ...seven, cells });

  const restored = await createDatabase(inject('postgresUrl'));
  const other = new pg.Pool({ connectionString: restored.url, max: 2 });
  for (const statement of fieldsSql(defineFields({ x: { row: 'id', columns: { y: encrypted.string() } } }))) {
    if (statement.startsWith('CREATE')) await other.query(statement);
  }
  for (const row of keys) {
    const columns = Object.keys(row);
    const marks = columns.map((_, i) => `$${i + 1}`);
    await other.query(`insert into bulla_data_keys (${columns}) values (${marks})`, Object.values(row));
  }
  const reader = processOf('alice@north', { dataKeys: postgresDataKeyStore(other) });
  expect(await codeOf(reader.open('visit', visits))).toBe('ERR_FIELD_SHREDDED');
  expect(await codeOf(reader.seal('letter', [{ id: 5, clinic: 'north', patient: '7', text: 'x' }]))).toBe(
    'ERR_FIELD_SHREDDED',
  );
  expect((await reader.open('visit', await visitsOf(8)))[0]).toMatchObject({ diagnosis: 'd3' });
  // Shredding it there again finds the same revocation.
  const again = await processOf('revoker@north', { dataKeys: postgresDataKeyStore(other) }).shred(seven);
  expect(again).toMatchObject({ state: 'shredded', receipts: [{ leaf }], unrevoked: [] });
  await other.end();
  await restored.drop();
});

describe('§7.4 after a crash', () => {
  type Step = 'mark' | 'marked' | 'asked' | 'erase' | 'erased' | 'cells' | 'done';
  /** An erasure that ends at a step. */
  function crashing(at: Step) {
    const store = postgresDataKeyStore(pool);
    const crash = (step: Step): void => {
      if (step === at) throw new Error(`crashed at ${step}`);
    };
    const dataKeys: DataKeyStore = {
      ...store,
      async shred(...args) {
        crash('mark');
        const rows = await store.shred(...args);
        crash('marked');
        return rows;
      },
      async erase(...args) {
        crash('erase');
        await store.erase(...args);
        crash('erased');
      },
    };
    const postgres = postgresCells(pool);
    const cells: CellStore = {
      ...postgres,
      async shred(...args) {
        crash('cells');
        const rows = await postgres.shred(...args);
        crash('done');
        return rows;
      },
    };
    const keyring: Options['keyring'] = (tenant) => {
      const inner = serviceKeyring({
        ...{ client: clientOf('revoker@north'), keyId },
        keyContext: { use: 'bulla-fields', tenant },
      });
      return {
        ...inner,
        async revokeDataKeys(...args) {
          const asked = (await inner.revokeDataKeys?.(...args)) ?? [];
          crash('asked');
          return asked;
        },
      };
    };
    return { encryption: processOf('revoker@north', { dataKeys, keyring }), cells };
  }

  test.each(['mark', 'marked', 'asked', 'erase', 'erased', 'cells', 'done'] as const)(
    'at the step %s another call finishes it',
    async (step) => {
      await fill();
      const { encryption, cells } = crashing(step);
      const first = await encryption.shred({ ...seven, cells }).then(
        ({ receipts }) => receipts,
        (error: Error) => expect(error.message).toBe(`crashed at ${step}`),
      );
      const plain = { ...seven, cells: postgresCells(pool) };
      const asked = await processOf('revoker@north').shred(plain);
      expect(asked).toMatchObject({ state: 'requested', receipts: [{ dataKeys: 2 }] });
      if (Array.isArray(first)) expect(asked.receipts).toEqual(first);
      const [leaf] = await approve(asked.receipts);
      const outcome = await encryption.shred({ ...seven, cells }).then(
        () => 'finished',
        (error: Error) => error.message,
      );
      expect(outcome).toBe(`crashed at ${step}`);
      const done = await processOf('revoker@north').shred(plain);
      expect(done).toMatchObject({ state: 'shredded', dataKeys: asked.dataKeys, receipts: [{ leaf }], unrevoked: [] });
      expect((await keyRows()).filter(({ subject }) => subject === '7').every(({ gone }) => gone)).toBe(true);
      const { rows } = await pool.query('select octet_length(diagnosis) as length from visit where patient = 7');
      expect(rows).toEqual([{ length: 3 }, { length: 3 }]);
      expect((await processOf('alice@north').open('visit', await visitsOf(8)))[0]).toMatchObject({ note: 'n3' });
    },
  );
});

describe('§7.3 postgresCells', () => {
  test('replaces what was sealed under the data keys, and no other cell of the row', async () => {
    await fill();
    const [before] = await visitsOf(7);
    const ids = [before.note.subarray(3, 19)];
    const columns = ['diagnosis', 'note'].map((name) => ({ name, plain: undefined, version: 1 }));
    const whose = { tenant: 'clinic', isTenants: undefined, subject: 'patient' };
    const tables = [{ schema: 'public', table: 'visit', ...whose, columns }];
    const of = (subject: string, dataKeys = ids) => ({ tenant: 'north', subject, dataKeys });
    const cells = postgresCells(pool);
    expect(await cells.shred(tables, of('8'))).toBe(0);
    expect(await cells.shred(tables, of('007'))).toBe(0);
    expect(await cells.shred(tables, of('seven'))).toBe(0);
    expect(await cells.shred(tables, of('7', []))).toBe(0);
    const note = { table: 'public.visit', column: 'note', holds: 'records' };
    expect(await cells.find(tables, of('7'))).toEqual([{ ...note, rows: 2 }]);
    expect(await cells.find(tables, of('seven'))).toEqual([]);
    expect(await cells.shred(tables, of('7'))).toBe(2);
    expect(await cells.find(tables, of('7'))).toEqual([]);
    const [after] = await visitsOf(7);
    expect([after.note.length, after.diagnosis]).toEqual([3, before.diagnosis]);
    const missing = [{ ...(tables[0] as (typeof tables)[0]), table: 'none' }];
    await expect(cells.shred(missing, of('7'))).rejects.toThrow(/none/);
  });
});

test('§7.5 a receipt that somebody wrote is not taken for one', async () => {
  await fill();
  const erasure = processOf('revoker@north');
  for (const receipt of ['not json', '{}', '[1, null, {"service": 1}]', '[{"service":"s","id":"i","dataKeys":1}]']) {
    await pool.query(
      "update bulla_data_keys set state = 'shredded', wrapped = null, receipt = $1 where subject = '7'",
      [receipt],
    );
    const shredded = await erasure.shred(seven);
    expect(shredded).toMatchObject({ state: 'shredded', receipts: [] });
    expect(shredded.unrevoked).toEqual(shredded.dataKeys);
    expect(shredded.unrevoked).toHaveLength(2);
  }
});
