/** The SQL of a migration from a plaintext column to an encrypted one, and of a change of indexes: `docs/fields.md` §10. */

import { assert } from '../../lib/assert.ts';
import { oneOf, optional, type ReadersOf, takeBoolean, takeOptions, takeText } from '../../lib/options.ts';
import { type Field, type Fields, type TableDefinition, tablesOf } from '../define.ts';
import { writtenSlots } from '../seal-cells.ts';
import { checkConstraint, checkSql, columnSql, dataKeyTables, indexColumns, indexSql, tableName } from './ddl.ts';
import { dropGuard, guardSql } from './guard.ts';
import { textSettings } from './jobs/plain-text.ts';
import { jobTables } from './jobs/tables.ts';
import { identityColumns } from './scope.ts';
import { dollarQuoted, literal, quoted, shortened } from './sql-text.ts';

/** A step of a migration that changes the database. `tables` makes the tables of data keys and jobs, `rotate` the index columns of new schema versions. */
export type MigrationStep = 'tables' | 'expand' | 'switch' | 'contract' | 'rotate';

/** Options of {@link migrationSql}. */
export interface MigrationSqlOptions {
  /** The step. */
  readonly step: MigrationStep;
  /** The field, such as `patient.email`; not for `tables`. Default: none. */
  readonly field?: string | undefined;
  /** Whether to take the step back: `expand` or `switch`. Default: `false`. */
  readonly back?: boolean | undefined;
}

const readers = {
  step: oneOf('tables', 'expand', 'switch', 'contract', 'rotate'),
  field: optional(takeText),
  back: optional(takeBoolean, false),
} satisfies ReadersOf<MigrationSqlOptions>;

/**
 * The statements of one step of a migration, to be put into one migration of the database, in one transaction. Throws a `TypeError` that names a wrong option, and for a field without `plain` where the step is about
 * the plaintext column.
 *
 * @example
 * const statements = migrationSql(fields, { step: 'expand', field: 'patient.email' });
 */
export function migrationSql(fields: Fields, options: MigrationSqlOptions): readonly string[] {
  return statementsOf(tablesOf(fields), options);
}

/** The same for checked tables. */
export function statementsOf(
  tables: ReadonlyMap<string, TableDefinition>,
  options: MigrationSqlOptions,
): readonly string[] {
  const { step, field: path, back } = takeOptions(options, readers);
  assert(
    !back || step === 'expand' || step === 'switch',
    'back',
    'of expand or switch: there is no way back from others',
  );
  if (step === 'tables') return [...dataKeyTables, ...jobTables];
  const field = fieldAt(tables, path);
  if (step === 'expand') return back ? undoExpand(field) : expand(field);
  if (step === 'rotate') return rotate(field);
  const plain = plainOf(field);
  if (step === 'contract') return contract(field, plain);
  return back ? [`ALTER TABLE ${tableName(field.table)} DROP CONSTRAINT ${bothName(field)}`] : switchOver(field, plain);
}

/** A field by its path. Throws a `TypeError` that names those there are. */
export function fieldAt(tables: ReadonlyMap<string, TableDefinition>, path: string | undefined): Field {
  const all = [...tables.values()].flatMap(({ fields }) => [...fields.values()]);
  const found = all.find((field) => pathOf(field) === path);
  assert(found !== undefined, 'field', `one of ${all.map(pathOf).join(', ')}`);
  return found;
}

/** What a field is called in calls: the names of its properties. */
export function pathOf({ table, key }: Field): string {
  return `${table.key}.${key}`;
}

/** The names of the trigger and of its function; the trigger fires last. */
export function triggerOf({ table, column }: Field): { readonly name: string; readonly functionName: string } {
  const name = shortened(`~bulla_${column}`);
  return { name, functionName: quoted(table.schema, shortened(`bulla_${table.table}_${column}`)) };
}

/** The name of the check that `switch` adds, unquoted. */
export function bothConstraint({ table, column }: Field): string {
  return `${table.table}_${column}_both`;
}

const bothName = (field: Field) => quoted(bothConstraint(field));

function plainOf(field: Field): string {
  const { plain } = field.definition;
  assert(plain !== undefined, `plain of ${pathOf(field)}`, 'the name of its plaintext column');
  return plain;
}

/** §10.2 */
function expand(field: Field): readonly string[] {
  const { table, column, definition } = field;
  const indexes = indexColumns(field);
  const added = [
    `ADD COLUMN ${quoted(column)} bytea`,
    ...indexes.map((index) => `ADD ${columnSql(index)}`),
    `ADD ${checkSql(field)} NOT VALID`,
  ];
  return [
    `ALTER TABLE ${tableName(table)}\n  ${added.join(',\n  ')}`,
    ...indexes.map((index) => indexSql(field, index)),
    ...guardSql(field),
    ...(definition.plain === undefined ? [] : triggerSql(field, clearing(field, definition.plain))),
  ];
}

function undoExpand(field: Field): readonly string[] {
  const { table, column, definition } = field;
  const dropped = [...indexColumns(field).map(({ name }) => name), column];
  return [
    ...(definition.plain === undefined ? [] : dropTrigger(field)),
    ...dropGuard(field),
    `ALTER TABLE ${tableName(table)}\n  ${dropped.map((name) => `DROP COLUMN ${quoted(name)}`).join(',\n  ')}`,
  ];
}

/** §10.3 */
function triggerSql(field: Field, body: string): readonly string[] {
  const { name, functionName } = triggerOf(field);
  const target = tableName(field.table);
  return [
    functionSql(field, body),
    `CREATE TRIGGER ${quoted(name)} BEFORE INSERT OR UPDATE ON ${target} FOR EACH ROW EXECUTE FUNCTION ${functionName}()`,
    `ALTER TABLE ${target} ENABLE ALWAYS TRIGGER ${quoted(name)}`,
  ];
}

function functionSql(field: Field, body: string): string {
  const settings = [['search_path', 'pg_catalog, pg_temp'] as const, ...textSettings];
  const set = settings.map(([name, value]) => `SET ${name} = ${name === 'search_path' ? value : literal(value)}`);
  return `CREATE OR REPLACE FUNCTION ${triggerOf(field).functionName}() RETURNS trigger LANGUAGE plpgsql
${set.join(' ')} AS ${dollarQuoted(`\nBEGIN\n${body}\n  RETURN NEW;\nEND `)}`;
}

function dropTrigger(field: Field): readonly string[] {
  const { name, functionName } = triggerOf(field);
  return [`DROP TRIGGER ${quoted(name)} ON ${tableName(field.table)}`, `DROP FUNCTION ${functionName}()`];
}

function otherPlain({ table, definition }: Field): readonly string[] {
  const slots = [...definition.schemas.values()].flat();
  return slots.flatMap((slot) => slot.others.flatMap((other) => table.fields.get(other)?.definition.plain ?? []));
}

const differs = (name: string) =>
  `NEW.${quoted(name)}::text COLLATE "C" IS DISTINCT FROM OLD.${quoted(name)}::text COLLATE "C"`;

/**
 * A record is stale once its plaintext changes, what it is bound to, or the plaintext of what its tags are of. A shredded cell has no tags, and stays where its plaintext goes.
 */
function clearing(field: Field, plain: string, gone?: string): string {
  const column = quoted(field.column);
  const others = otherPlain(field).filter((name) => name !== gone);
  const isRecord = `octet_length(NEW.${column}) > 3`;
  const stale = [
    ...identityColumns(field.table).map(differs),
    `(${isRecord} OR NEW.${quoted(plain)} IS NOT NULL) AND ${differs(plain)}`,
    ...[...new Set(others)].map((name) => `${isRecord} AND ${differs(name)}`),
  ];
  return `  IF TG_OP = 'UPDATE' THEN
    IF NEW.${column} IS NOT DISTINCT FROM OLD.${column} AND (
      ${stale.join('\n      OR ')}
    ) THEN
      NEW.${column} := NULL;
    END IF;
  END IF;`;
}

/** §10.7 */
function switchOver(field: Field, plain: string): readonly string[] {
  const target = tableName(field.table);
  const check = `CHECK (${quoted(plain)} IS NULL OR ${quoted(field.column)} IS NOT NULL)`;
  return [
    `ALTER TABLE ${target} ADD CONSTRAINT ${bothName(field)} ${check} NOT VALID`,
    `ALTER TABLE ${target} VALIDATE CONSTRAINT ${bothName(field)}`,
  ];
}

/** §10.8 */
function contract(field: Field, plain: string): readonly string[] {
  const { table, column } = field;
  const target = tableName(table);
  const left = otherPlain(field);
  assert(
    left.length === 0,
    `the parts of ${pathOf(field)}`,
    `contracted first, and then defined without plain: ${left.join(', ')}`,
  );
  return [
    functionSql(field, refusing(field, plain)),
    `DO ${dollarQuoted(`
BEGIN
  IF EXISTS (SELECT FROM ${target} WHERE ${quoted(plain)} IS NOT NULL AND ${quoted(column)} IS NULL) THEN
    RAISE EXCEPTION USING MESSAGE = ${literal(`${pathOf(field)} has plaintext without a record: run backfill and verify again`)};
  END IF;
  IF NOT coalesce((${verifiedSql(pathOf(field))}), false) THEN
    RAISE EXCEPTION USING MESSAGE = ${literal(`${pathOf(field)} is not verified: run bulla fields verify ${pathOf(field)}`)};
  END IF;
END `)}`,
    `ALTER TABLE ${target} VALIDATE CONSTRAINT ${quoted(checkConstraint(field))}`,
    ...dropTrigger(field),
    ...watchingLess(field, plain),
    `ALTER TABLE ${target} DROP CONSTRAINT IF EXISTS ${bothName(field)}, DROP COLUMN ${quoted(plain)}`,
  ];
}

/** The triggers of fields whose tags are of this one, without its plaintext column. */
function watchingLess({ table }: Field, gone: string): readonly string[] {
  return [...table.fields.values()].flatMap((field) => {
    const { plain } = field.definition;
    return plain === undefined || !otherPlain(field).includes(gone)
      ? []
      : [functionSql(field, clearing(field, plain, gone))];
  });
}

function refusing({ column }: Field, plain: string): string {
  const name = quoted(plain);
  const message = literal(`${plain} is no longer written: ${column} has its values, encrypted`);
  return `  IF NEW.${name} IS NOT NULL THEN
    IF TG_OP = 'INSERT' THEN
      RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = ${message};
    ELSIF ${differs(plain)} THEN
      RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = ${message};
    END IF;
  END IF;`;
}

/** Whether the last `verify` found nothing, and began after the last `backfill` had ended. */
function verifiedSql(path: string): string {
  const field = literal(path);
  return `SELECT (SELECT sum(s.faults) = 0 FROM bulla_job_shards s WHERE s.job = v.id)
      AND NOT EXISTS (SELECT FROM bulla_jobs b WHERE b.kind = 'backfill' AND b.field = v.field AND coalesce(b.ended, 'infinity') > v.created)
    FROM bulla_jobs v WHERE v.kind = 'verify' AND v.field = ${field} AND v.state = 'done' ORDER BY v.id DESC LIMIT 1`;
}

/** §10.9: those that are there and those that are new, in one statement, with the constraints that keep duplicates out. */
function rotate(field: Field): readonly string[] {
  const indexes = indexColumns(field);
  assert(writtenSlots(field).length > 0, 'field', 'one with an index');
  const changed = [
    ...indexes.map(({ name }) => `DROP COLUMN IF EXISTS ${quoted(name)}`),
    ...indexes.map((index) => `ADD ${columnSql(index)}`),
  ];
  return [
    `ALTER TABLE ${tableName(field.table)}\n  ${changed.join(',\n  ')}`,
    ...indexes.map((index) => indexSql(field, index)),
  ];
}
