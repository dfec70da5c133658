/** What a database lacks of what fields need, and where a migration stands: `docs/fields.md` §10. */

import type { Field } from '../../define.ts';
import { checkConstraint, indexColumns, tableName } from '../ddl.ts';
import { guardOf } from '../guard.ts';
import { bothConstraint, pathOf, triggerOf } from '../migration.ts';
import { quoted } from '../sql-text.ts';
import { inTransaction, type JobClient, type JobPool } from './database.ts';

/** Something you should know about a field in a database. */
export interface Finding {
  /** `error`: jobs or programs would fail. `warning`: something to decide. */
  readonly level: 'error' | 'warning';
  /** The field, such as `patient.email`; empty for what concerns all. */
  readonly field: string;
  readonly message: string;
}

/** Where a field stands. */
export interface FieldState {
  /** The field, such as `patient.email`. */
  readonly field: string;
  /** `missing`: there is no encrypted column. `plain`: the database is prepared, and reads go to the plaintext column. `switched`: plaintext without a record is refused. `sealed`: there is no plaintext column. */
  readonly phase: 'missing' | 'plain' | 'switched' | 'sealed';
  /** Whether the check of the encrypted column was validated for rows from before. */
  readonly validated: boolean;
}

interface Look {
  readonly columns: ReadonlyMap<string, string>;
  readonly checks: ReadonlyMap<string, boolean>;
  readonly triggers: ReadonlyMap<string, string>;
  readonly hasKey: boolean;
}

const lookSql = `SELECT
  (SELECT jsonb_object_agg(attname, format_type(atttypid, NULL)) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
  (SELECT coalesce(jsonb_object_agg(conname, convalidated), '{}') FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c') AS checks,
  (SELECT coalesce(jsonb_object_agg(tgname, tgenabled), '{}') FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) AS triggers,
  EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary) AS has_key
FROM pg_class c WHERE c.oid = to_regclass($1)`;

async function lookAt(client: JobClient, { table }: Field): Promise<Look | undefined> {
  const [row] = (await client.query(lookSql, [tableName(table)])).rows;
  if (row === undefined) return undefined;
  const map = <Value>(name: string) => new Map(Object.entries(row[name] as Record<string, Value>));
  const [columns, checks, triggers] = [map<string>('columns'), map<boolean>('checks'), map<string>('triggers')];
  return { columns, checks, triggers, hasKey: row['has_key'] === true };
}

/** Names longer than 63 bytes are cut by PostgreSQL. */
const stored = (name: string) => Buffer.from(name).subarray(0, 63).toString();

/** Where fields stand. */
export async function fieldStates(client: JobClient, fields: readonly Field[]): Promise<readonly FieldState[]> {
  const states: FieldState[] = [];
  for (const field of fields) {
    const look = await lookAt(client, field);
    const check = stored(checkConstraint(field));
    states.push({ field: pathOf(field), phase: phaseOf(field, look), validated: look?.checks.get(check) === true });
  }
  return states;
}

function phaseOf(field: Field, look: Look | undefined): FieldState['phase'] {
  const { plain } = field.definition;
  if (look === undefined || !look.columns.has(field.column)) return 'missing';
  if (plain === undefined || !look.columns.has(plain)) return 'sealed';
  return look.checks.get(stored(bothConstraint(field))) === true ? 'switched' : 'plain';
}

/** What is missing, and what needs a decision. */
export async function findingsOf(pool: JobPool, fields: readonly Field[]): Promise<readonly Finding[]> {
  return inTransaction(pool, async (client) => {
    const findings: Finding[] = [];
    const tables = await client.query(
      `SELECT to_regclass('bulla_data_keys') IS NOT NULL AND to_regclass('bulla_field_schemas') IS NOT NULL
  AND to_regclass('bulla_jobs') IS NOT NULL AND to_regclass('bulla_job_shards') IS NOT NULL AS found`,
    );
    if (tables.rows[0]?.['found'] !== true) {
      findings.push({
        level: 'error',
        field: '',
        message: 'the tables of data keys and jobs are missing: step tables',
      });
    }
    for (const field of fields) {
      const look = await lookAt(client, field);
      const found = look === undefined ? [error('the table is not there')] : structureOf(field, look);
      const isReady = look?.columns.has(field.definition.plain ?? '') === true;
      const all = [...found, ...(isReady ? await cardinalityOf(client, field) : [])];
      findings.push(...all.map((finding) => ({ ...finding, field: pathOf(field) })));
    }
    return findings;
  });
}

type Unnamed = Omit<Finding, 'field'>;
const error = (message: string): Unnamed => ({ level: 'error', message });
const warning = (message: string): Unnamed => ({ level: 'warning', message });

function structureOf(field: Field, { columns, checks, triggers, hasKey }: Look): readonly Unnamed[] {
  const { column, definition } = field;
  const { plain, type } = definition;
  const trigger = triggers.get(stored(triggerOf(field).name));
  const found: Unnamed[] = [];
  if (!hasKey) found.push(error('the table has no primary key, which jobs walk by'));
  if (!columns.has(column)) return [...found, error(`column ${column} is not there yet: step expand`)];
  if (columns.get(column) !== 'bytea') found.push(error(`column ${column} must be of the type bytea`));
  for (const { name } of indexColumns(field)) {
    if (!columns.has(name)) found.push(error(`index column ${name} is not there: step rotate`));
  }
  const check = checks.get(stored(checkConstraint(field)));
  if (check === undefined) found.push(warning('no check keeps plaintext out of the encrypted column'));
  if (check === false) found.push(warning('the check of the encrypted column is not validated yet: step contract'));
  if (field.table.subject !== undefined && !triggers.has(stored(guardOf(field).name)))
    found.push(warning('no trigger keeps cells of shredded subjects out: fieldsSql and step expand make it'));
  if (plain === undefined) return found;
  if (!columns.has(plain)) return [...found, error(`column ${plain} is not there: define the field without plain`)];
  if (trigger === undefined)
    found.push(error('the trigger of step expand is missing: old programs leave stale records'));
  else if (trigger !== 'A') found.push(error('the trigger of step expand is not ENABLE ALWAYS'));
  const plainType = columns.get(plain) as string;
  if (type === 'number' && /^(numeric|bigint)$/.test(plainType)) {
    found.push(warning(`${plain} is ${plainType}: a number keeps 15 digits; decimal or bigint keep all`));
  }
  if (type === 'date' && plainType.startsWith('timestamp')) {
    found.push(warning(`${plain} is ${plainType}: what is below the millisecond is cut off`));
  }
  return found;
}

const sampleSize = 10_000;

/** Few different values, or a frequent one, show through an index. */
async function cardinalityOf(client: JobClient, { table, definition }: Field): Promise<readonly Unnamed[]> {
  const slots = [...definition.schemas.values()].flat();
  if (!slots.some(({ kind, of }) => kind === 'equal' && of === undefined)) return [];
  const plain = quoted(definition.plain as string);
  const [row] = (
    await client.query(`SELECT count(*)::int AS found, coalesce(sum(n), 0)::int AS rows, coalesce(max(n), 0)::int AS most FROM (
  SELECT count(*) AS n FROM (SELECT ${plain}::text COLLATE "C" AS value FROM ${tableName(table)}
    WHERE ${plain} IS NOT NULL LIMIT ${sampleSize}) AS sampled GROUP BY value) AS counted`)
  ).rows;
  const [found, rows, most] = [Number(row?.['found']), Number(row?.['rows']), Number(row?.['most'])];
  if (rows < 100) return [];
  if (most > rows / 100) return [warning(`one value is in ${most} of ${rows} rows: its tag tells which they are`)];
  return found < Math.min(1_000, rows / 2)
    ? [warning(`${found} different values in ${rows} rows: their tags can be guessed`)]
    : [];
}
