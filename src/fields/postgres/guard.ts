/** What keeps cells of a shredded subject out of a database: a trigger that looks at their data keys, `docs/fields.md` §7.9. */

import { FieldError } from '../../errors.ts';
import type { Field } from '../define.ts';
import { tableName } from './ddl.ts';
import { sqlStateOf } from './jobs/database.ts';
import { dollarQuoted, literal, quoted, shortened } from './sql-text.ts';

const constraint = 'bulla_shredded';

/** The names of the trigger, unquoted, and of its function. */
export function guardOf({ table, column }: Field): { readonly name: string; readonly functionName: string } {
  const name = shortened(`~bulla~key_${column}`);
  return { name, functionName: quoted(table.schema, shortened(`bulla_${table.table}.${column}`)) };
}

/**
 * The statements that guard a column whose data keys belong to subjects. The row of the data key is locked as a foreign key would lock it: shredding waits for transactions that have written cells of the subject, and
 * comes before all others.
 */
export function guardSql(field: Field): readonly string[] {
  const { table, column, id } = field;
  if (table.subject === undefined) return [];
  const { name, functionName } = guardOf(field);
  const cell = `NEW.${quoted(column)}`;
  const message = literal(`${id}: the data keys of the subject were destroyed`);
  const body = `
DECLARE gone boolean;
BEGIN
  IF TG_OP = 'UPDATE' AND ${cell} IS NOT DISTINCT FROM OLD.${quoted(column)} THEN
    RETURN NEW;
  END IF;
  IF octet_length(${cell}) >= 60 THEN
    SELECT k.state = 'shredded' INTO gone FROM bulla_data_keys k
      WHERE k.id = substring(${cell} FROM 4 + 12 * (get_byte(${cell}, 1) & 3) FOR 16) FOR KEY SHARE;
    IF gone THEN
      RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = '${constraint}', MESSAGE = ${message};
    END IF;
  END IF;
  RETURN NEW;
END `;
  return [
    `CREATE OR REPLACE FUNCTION ${functionName}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS ${dollarQuoted(body)}`,
    `CREATE OR REPLACE TRIGGER ${quoted(name)} BEFORE INSERT OR UPDATE OF ${quoted(column)} ON ${tableName(table)} FOR EACH ROW EXECUTE FUNCTION ${functionName}()`,
  ];
}

/** The statements that remove the guard of a column, before the column is dropped. */
export function dropGuard(field: Field): readonly string[] {
  if (field.table.subject === undefined) return [];
  const { name, functionName } = guardOf(field);
  return [
    `DROP TRIGGER IF EXISTS ${quoted(name)} ON ${tableName(field.table)}`,
    `DROP FUNCTION IF EXISTS ${functionName}()`,
  ];
}

/** Whether a database refused a cell because its subject was shredded. */
export function isGuarded(error: unknown): boolean {
  return sqlStateOf(error) === '23514' && (error as { constraint?: unknown }).constraint === constraint;
}

/** The same refusal as an error of fields. */
export function shreddedMeanwhile(): FieldError {
  const message = 'The statement writes cells of a subject that was shredded: its data keys were destroyed';
  return new FieldError('ERR_FIELD_SHREDDED', message);
}
