// What an ORM sends, on the encrypted database and on its twin: answered alike, or refused with the reason. A third outcome fails.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Clinic, openClinic } from './clinic.ts';

/** Something that an application does with its ORM, and what it gets. */
export type Work<Orm> = (orm: Orm) => Promise<unknown>;

/** An ORM on one of the two databases. */
export interface OpenOrm<Orm> {
  readonly orm: Orm;
  close(): Promise<unknown>;
}

/** What the tests of one ORM are made of. */
export interface OrmCases<Orm> {
  open(on: Clinic, isSealed: boolean): Promise<OpenOrm<Orm>>;
  /** Answered as without encryption, the rows that are left included. */
  readonly right: Readonly<Record<string, Work<Orm>>>;
  /** `ERR_FIELD_QUERY`, and nothing is changed. */
  readonly refused: Readonly<Record<string, Work<Orm>>>;
}

const seed = `insert into patient (id, name, email, note, visits, born, active, weight, price, record, picture)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11), ($12, $13, $14, $15, $16, null, null, null, null, null, null),
    ($17, $18, null, $19, null, null, null, null, null, null, null)`;
const people = [
  ...[1, 'Alice', 'alice@example', 'pollen', '7', new Date('2000-01-02T03:04:05.678Z'), true, 61.5, '12.50'],
  ...['{"blood":"A"}', Buffer.from([0, 0xf9, 255])],
  ...[2, 'Bob', 'bob@example', 'it’s "quoted"', '7', 3, 'Eve', 'nuts'],
];
const visits = `insert into visit (id, clinic, patient, day, diagnosis) values
  ('0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f', 'north', 1, '2026-01-02', $1),
  ('0190a3c2-7f6e-7cc3-98c4-dc0c0c073990', 'north', 2, '2026-01-03', $2)`;

/** Puts the same rows into both databases. */
export async function fill(on: Clinic): Promise<void> {
  for (const pool of [on.sealed, on.plain]) {
    await pool.query('truncate patient, visit restart identity');
    await pool.query(seed, people);
    await pool.query(visits, ['hay fever', 'gout']);
    await pool.query(`select setval(pg_get_serial_sequence('patient', 'id'), 3)`);
  }
}

/** All rows of a database, as `pg` reads them. */
export async function everything(pool: Clinic['sealed']): Promise<unknown> {
  const patients = await pool.query('select * from patient order by id');
  // The database makes ids of visits: they differ.
  const made = await pool.query('select clinic, patient, day, diagnosis from visit order by patient, day, clinic');
  return [patients.rows, made.rows];
}

/** Tests of one ORM. */
export function ormTests<Orm>(name: string, { open, right, refused }: OrmCases<Orm>): void {
  describe(name, () => {
    let on: Clinic;
    let sealed: OpenOrm<Orm>;
    let plain: OpenOrm<Orm>;
    beforeAll(async () => {
      on = await openClinic();
      [sealed, plain] = [await open(on, true), await open(on, false)];
    });
    afterAll(async () => {
      await Promise.all([sealed?.close(), plain?.close()]);
      await on?.close();
    });
    beforeEach(() => fill(on));

    test.each(Object.entries(right))('%s', async (_, work) => {
      const expected = await work(plain.orm);
      expect(plainObjects(await work(sealed.orm))).toEqual(plainObjects(expected));
      expect(await everything(on.sealed)).toEqual(await everything(on.plain));
    });

    test.each(Object.entries(refused))('%s is refused', { timeout: 30_000 }, async (_, work) => {
      const outcome = await work(sealed.orm).then(
        (value) => ({ answered: plainObjects(value) }),
        (error: unknown) => ({ codes: codesOf(error) }),
      );
      expect(outcome).toEqual({
        codes: expect.arrayContaining([expect.stringMatching(/^ERR_FIELD_(QUERY|ROW_UNKNOWN|OPAQUE)$/)]),
      });
      expect(await everything(on.sealed)).toEqual(await everything(on.plain));
    });
  });
}

/** All that a stream gives. */
export async function rowsOf(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of stream) rows.push(row);
  return rows;
}

/** The codes of an error and of those that it wraps. */
function codesOf(error: unknown): readonly unknown[] {
  const codes: unknown[] = [];
  for (const name of ['cause', 'parent', 'original', 'driverError', 'previous']) {
    const inner = (error as Record<string, unknown> | undefined)?.[name];
    if (inner instanceof Error && inner !== error) codes.push(...codesOf(inner));
  }
  const { code, message } = error as { code?: unknown; message?: string };
  // Where an ORM keeps the text of an error alone, that has the reason.
  return [...codes, code ?? message];
}

/** What an ORM gave, without its classes; of a result of `pg`, what it is about. */
function plainObjects(value: unknown): unknown {
  const text = JSON.stringify(value ?? null, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return `${inner}n`;
    if (typeof inner !== 'object' || inner === null || !('rowAsArray' in inner)) return inner;
    const { command, rowCount, rows } = inner as unknown as Record<string, unknown>;
    return { command, rowCount, rows };
  });
  return JSON.parse(text);
}
