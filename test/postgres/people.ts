// Four people and a visit in a database with encrypted columns and in its twin, put there again before each test.

import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { type Clinic, openClinic } from './clinic.ts';

/** The databases of the tests of one file. */
export let on: Clinic;

/** Opens them for a file, and fills them before each of its tests. */
export function withPeople(): void {
  beforeAll(async () => {
    on = await openClinic();
  });
  afterAll(() => on?.close());
  beforeEach(fill);
}

const people = [
  [1, 'Alice', 'alice@example', 'pollen', 7n],
  [2, 'Bob', 'bob@example', null, 7n],
  [3, 'Eve', null, 'nuts', -1n],
  [4, 'Zoë', 'zoë@example', 'it’s \\ "quoted"', null],
] as const;
const insert = 'insert into patient (id, name, email, note, visits) values ($1, $2, $3, $4, $5)';

async function fill(): Promise<void> {
  for (const pool of [on.sealed, on.plain]) {
    await pool.query('truncate patient, visit restart identity');
    for (const person of people) await pool.query(insert, [...person]);
    await pool.query(`select setval(pg_get_serial_sequence('patient', 'id'), 4)`);
    await pool.query(
      "insert into visit (id, clinic, patient, day, diagnosis) values ('0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f', 'north', 1, '2026-01-02', 'hay fever')",
    );
  }
}

/** What both answer alike. */
export async function same(text: string, values: readonly unknown[] = []): Promise<void> {
  const [sealed, plain] = [await on.sealed.query(text, [...values]), await on.plain.query(text, [...values])];
  expect(sealed.rows).toEqual(plain.rows);
  expect([sealed.rowCount, sealed.command]).toEqual([plain.rowCount, plain.command]);
  expect(sealed.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual(
    plain.fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
  );
}

/** All rows, as both see them. */
export async function sameAfter(): Promise<void> {
  await same('select id, name, email, note, born, visits, weight, active, price from patient order by id');
}
