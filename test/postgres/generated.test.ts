// Generated statements: each answered as by the twin without encryption, or refused. BULLA_STATEMENTS says how many, BULLA_SEED which.

import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clinic, openClinic } from './clinic.ts';
import { type Generated, Grammar } from './grammar.ts';
import { everything, fill } from './orm.ts';

const count = Number(process.env['BULLA_STATEMENTS'] ?? 400);
const seed = Number(process.env['BULLA_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

let on: Clinic;
beforeAll(async () => {
  on = await openClinic();
  await fill(on);
});
afterAll(() => on?.close());

interface Outcome {
  readonly code?: unknown;
  readonly seen?: unknown;
}

/** What a statement answers and leaves behind; what it did is taken back. */
async function outcomeOf(client: pg.PoolClient, { text, values }: Generated): Promise<Outcome> {
  await client.query('begin');
  try {
    const { rows, rowCount, command, fields } = await client.query(text, [...values]);
    const types = fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID}`);
    // Without ORDER BY the server may give rows in any order.
    if (!text.includes('order by')) rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    return { seen: { rows, rowCount, command, types, after: await everything(client as never) } };
  } catch (error) {
    return { code: (error as { code?: unknown }).code ?? String(error) };
  } finally {
    await client.query('rollback');
    await client.query(`select setval(pg_get_serial_sequence('patient', 'id'), 3)`);
  }
}

/** Plans of a server are about the table as it is: they differ by design. */
const isPlan = ({ text }: Generated) => text.startsWith('explain');

test(`${count} statements of seed ${seed}`, { timeout: 3_600_000 }, async () => {
  const grammar = new Grammar(seed);
  const [sealed, plain] = [await on.sealed.connect(), await on.plain.connect()];
  const counts = { right: 0, refused: 0, wrongInBoth: 0 };
  try {
    for (let i = 0; i < count; i++) {
      const statement = grammar.next();
      const [got, expected] = [await outcomeOf(sealed, statement), await outcomeOf(plain, statement)];
      if (got.code === 'ERR_FIELD_QUERY') counts.refused++;
      else if (expected.code !== undefined && got.code !== undefined) counts.wrongInBoth++;
      else {
        const about = `statement ${i} of seed ${seed}: ${statement.text} ${JSON.stringify(statement.values)}`;
        if (isPlan(statement)) expect(got.code, about).toBeUndefined();
        else expect(got, about).toEqual(expected);
        counts.right++;
      }
    }
  } finally {
    sealed.release(true);
    plain.release(true);
  }
  console.log(`seed ${seed}: ${JSON.stringify(counts)}`);
  expect(counts.right).toBeGreaterThan(count / 3);
  expect(counts.refused).toBeGreaterThan(count / 20);
});
