/** `ON CONFLICT`: a value must not get into another row than the one that it was sealed for. */

import type { Field, TableDefinition } from '../define.ts';
import { indexColumn } from '../search.ts';
import type { InsertedRow } from './inserted-row.ts';
import { asKind, type Inside, itemOf, list, locationOf, type Node, namesIn } from './nodes.ts';
import { refusal } from './plan.ts';
import type { Queries } from './queries.ts';
import { identityColumns, type Relation, resolve, type Scope } from './scope.ts';
import { fieldsByColumn, sealItem } from './seal-item.ts';
import { quoted } from './sql-text.ts';

/** See the head of this file. */
export function onConflict(
  queries: Queries,
  conflict: Inside,
  relation: Relation,
  scope: Scope,
  first: InsertedRow | undefined,
  count: number,
): void {
  const { table } = relation;
  const infer = conflict['infer'] as Inside | undefined;
  const target = list(infer?.['indexElems']).map((node) => String(asKind(node, 'IndexElem')?.['name'] ?? ''));
  const fields = fieldsByColumn(table);
  for (const name of target) {
    const field = fields.get(name);
    if (field !== undefined) nameIndex(queries, conflict, field, target);
  }
  queries.walk(infer?.['whereClause'], scope, false, 'ON CONFLICT');
  if (conflict['action'] !== 'ONCONFLICT_UPDATE') return;
  const excluded: Relation = { alias: 'excluded', table: undefined, columns: relation.columns };
  const both: Scope = { ...scope, relations: [relation, excluded] };
  const byKey = table === undefined || table.row.every(({ name }) => target.includes(name));
  let sealed = false;
  for (const node of list(conflict['targetList'])) {
    const { name, val } = asKind(node, 'ResTarget') ?? {};
    const field = fields.get(String(name));
    if (field === undefined) {
      if (
        table !== undefined &&
        identityColumns(table).includes(String(name)) &&
        !(byKey && isExcluded(val, String(name), both))
      )
        throw movesRow(table, String(name));
      queries.walk(val, both, false, 'SET');
      continue;
    }
    const item = itemOf(val);
    if (item?.kind === 'null' || item?.kind === 'default') continue;
    if (
      !byKey ||
      (field.table.row.length === 0 && field.table.tenant !== undefined && !target.includes(field.table.tenant))
    ) {
      throw refusal(
        'ON CONFLICT would put a value into another row than it is bound to',
        'Let the conflict be on the primary key, or update in a statement of its own',
        field,
      );
    }
    sealed = true;
    if (isExcluded(val, String(name), both)) continue;
    if (count !== 1 || first === undefined)
      throw refusal('ON CONFLICT of several rows writes a value', `Write excluded.${quoted(String(name))}`, field);
    sealItem(queries, field, val as Node, () => first);
  }
  queries.condition(conflict['whereClause'], both, undefined);
  if (sealed) guardConflict(queries, conflict, relation, target);
}

/** The target of a conflict is an encrypted column: its unique index is on the column of its tags. */
function nameIndex({ text }: Queries, conflict: Inside, field: Field, target: readonly string[]): void {
  const unique = [...field.definition.schemas.values()].flat().filter(({ unique }) => unique);
  const columns = new Set(unique.filter(({ others }) => others.length === 0).map((slot) => indexColumn(field, slot)));
  const [column] = columns;
  if (column === undefined || columns.size > 1)
    throw refusal(
      'ON CONFLICT names it, and not one unique index is on it',
      'Name the columns of a unique index',
      field,
    );
  const { tenant } = field.table;
  const names = tenant === undefined || target.includes(tenant) ? [column] : [tenant, column];
  const at = text.nameAfter(field.column, locationOf(conflict));
  text.replace(at.start, at.end, names.map((name) => quoted(name)).join(', '));
}

/** A row with the same key may be of another tenant or subject: it is left as it is, and nothing of ours is put into it. */
function guardConflict(
  { text }: Queries,
  conflict: Inside,
  { alias, table }: Relation,
  target: readonly string[],
): void {
  const names = [table?.tenant, table?.subject].filter(
    (name) => name !== undefined && !target.includes(name),
  ) as string[];
  if (names.length === 0) return;
  if (conflict['whereClause'] !== undefined)
    throw refusal(
      'ON CONFLICT has a WHERE, and the row may be of another tenant',
      'Name the tenant in the target of the conflict',
    );
  const end = text.keywordAfter('returning', locationOf(conflict)) ?? text.end;
  const same = names.map((name) => `${quoted(alias, name)} = ${quoted('excluded', name)}`);
  text.replace(end, end, ` WHERE ${same.join(' AND ')} `);
}

function isExcluded(node: unknown, column: string, scope: Scope): boolean {
  const reference = asKind(node, 'ColumnRef');
  const names = namesIn(reference?.['fields']);
  return (
    reference !== undefined &&
    names.length === 2 &&
    names[0] === 'excluded' &&
    names[1] === column &&
    resolve(reference, scope).kind === 'column'
  );
}

/** Refuses to change what cells are bound to. */
export function movesRow(table: TableDefinition, column: string): Error {
  return refusal(
    `${table.key}.${column} is changed, and cells are bound to it`,
    'Insert a new row with the opened values, and delete the old one',
  );
}
