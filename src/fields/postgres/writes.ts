/** Writing statements: which values are sealed, and what they are bound to. */

import type { Field, TableDefinition } from '../define.ts';
import { sourceOf } from './changes.ts';
import { movesRow, onConflict } from './conflicts.ts';
import { expand, isAlone, type ValueToSpread } from './expansion.ts';
import { InsertedRow } from './inserted-row.ts';
import { asKind, type Inside, type Item, itemOf, kindOf, list, locationOf, type Node, namesIn } from './nodes.ts';
import { type RowSource, refusal, type SearchGroup, type Source } from './plan.ts';
import type { Ctes, Output, Queries } from './queries.ts';
import { conjuncts, identityColumns, type Relation, resolve, type Scope } from './scope.ts';
import { fieldsByColumn, sealItem } from './seal-item.ts';
import { quoted } from './sql-text.ts';

/** What a write hands out by its `RETURNING`. */
export interface Written {
  readonly scope: Scope;
  readonly targets: readonly (Output | 'star' | undefined)[];
  readonly outputs: readonly Output[];
  readonly groups: readonly SearchGroup[];
}

/** Analyses `INSERT`, `UPDATE` and `DELETE`. */
export function analyseWrite(queries: Queries, node: Node, given: Ctes): Written {
  const kind = kindOf(node);
  const inside = node[kind] ?? {};
  const ctes = queries.ctes(inside['withClause'], given);
  const relation = queries.relation(inside['relation'] as Inside, ctes);
  const relations = [relation];
  const scope: Scope = { relations, outer: undefined, ctes };
  if (kind === 'InsertStmt') insert(queries, inside, relation, scope);
  else {
    const joined: { readonly node: unknown; readonly inner: boolean }[] = [];
    for (const item of [...list(inside['fromClause']), ...list(inside['usingClause'])]) {
      queries.from(item, undefined, ctes, relations, joined, true);
    }
    for (const join of joined) queries.condition(join.node, scope, undefined);
    if (kind === 'UpdateStmt') update(queries, inside, relation, scope);
    queries.condition(inside['whereClause'], scope, undefined);
  }
  const returning = asKind({ ReturningClause: inside['returningClause'] as Inside }, 'ReturningClause');
  // PostgreSQL 18: the row before and after, which have one key.
  const { table, columns } = relation;
  const versions = ['old', 'new'].map((alias) => ({ alias, table, columns }));
  const seen: Scope = { ...scope, relations: [...relations, ...versions] };
  const targets = list(returning?.['exprs'] ?? inside['returningList']).map((target) => queries.target(target, seen));
  return { scope, targets, outputs: queries.outputsOf(targets, scope), groups: [] };
}

function insert(queries: Queries, inside: Inside, relation: Relation, scope: Scope): void {
  const { table } = relation;
  const select = asKind(inside['selectStmt'], 'SelectStmt');
  const columns = list(inside['cols']).map((node) => String(asKind(node, 'ResTarget')?.['name']));
  const fields = fieldsByColumn(table);
  const rows = list(select?.['valuesLists']).map((row) => list(asKind(row, 'List')?.['items']));
  const encrypted = columns.filter((name) => fields.has(name));
  if (table !== undefined && select !== undefined && columns.length === 0) {
    throw refusal(`INSERT into ${table.key} without the names of its columns`, 'Name the columns');
  }
  if (rows.length === 0) {
    if (encrypted.length > 0)
      throw refusal(
        'INSERT … SELECT would copy a value that is bound to its row',
        'Insert values, or leave the column out',
        fields.get(encrypted[0] as string),
      );
    if (select !== undefined) refuseOutputs(queries.select(select, undefined, scope.ctes).outputs);
  }
  // `INSERT INTO … WITH … VALUES … LIMIT …`
  const values: Scope = { relations: [], outer: undefined, ctes: queries.ctes(select?.['withClause'], scope.ctes) };
  for (const name of ['sortClause', 'limitOffset', 'limitCount']) queries.walk(select?.[name], values, false, name);
  const places = rows.map((items, i) =>
    table === undefined ? undefined : new InsertedRow(queries, table, columns, items, i),
  );
  for (const [i, items] of rows.entries()) {
    for (const [j, item] of items.entries()) {
      const field = fields.get(columns[j] as string);
      if (field === undefined) queries.walk(item, values, false, 'VALUES');
      else sealItem(queries, field, item, () => places[i] as InsertedRow);
    }
  }
  if (table !== undefined && select !== undefined)
    drawMissing(
      queries,
      table,
      inside,
      columns,
      places.filter((place) => place !== undefined),
    );
  const conflict = inside['onConflictClause'] as Inside | undefined;
  if (conflict !== undefined) onConflict(queries, conflict, relation, scope, places[0], rows.length);
}

function refuseOutputs(outputs: readonly Output[]): void {
  const field = outputs.find(({ origin }) => origin.field !== undefined)?.origin.field;
  if (field !== undefined)
    throw refusal(
      'INSERT … SELECT would copy a value that is bound to its row',
      'Select it, and insert what was opened',
      field,
    );
}

/** Writes what is drawn into the statement: it stands there for all rows that seal, or for none. */
function drawMissing(
  queries: Queries,
  table: TableDefinition,
  inside: Inside,
  columns: readonly string[],
  rows: readonly InsertedRow[],
): void {
  const { text, catalog, changes } = queries;
  for (const column of new Set(rows.flatMap(({ drawn }) => [...drawn]))) {
    const draw = catalog.drawOf(table, column);
    if (draw === undefined) continue;
    const isNew = !columns.includes(column);
    const given = rows.map((row) => row.item(column));
    if (given.some((item) => item?.kind !== 'default'))
      throw refusal(
        `${table.key}.${column} is given in some rows and not in others`,
        'Give it in all of them or in none',
      );
    if (isNew) {
      const last =
        list(inside['cols'])
          .map((node) => asKind(node, 'ResTarget') ?? {})
          .at(-1) ?? {};
      const end = text.nameEnd(locationOf(last));
      text.replace(end, end, `, ${quoted(column)}`);
    }
    const values = Math.min(...rows.map((row) => firstLocation(row.items)));
    if (draw.always && inside['override'] !== 'OVERRIDING_USER_VALUE')
      text.replace(
        text.keywordBefore('values', values),
        text.keywordBefore('values', values),
        'OVERRIDING SYSTEM VALUE ',
      );
    const places = rows.map((row, i) => (param: string) => {
      if (isNew) {
        const end = text.closing(firstLocation(row.items.slice(-1)));
        text.replace(end, end, `, ${param}`);
      } else {
        const { at } = given[i] as Extract<Item, { kind: 'default' }>;
        text.replace(at, text.literalEnd(at), param);
      }
    });
    changes.draw({ table, column, draw }, places);
  }
}

/** The first place in the text that a node or several stand at. */
function firstLocation(node: unknown): number {
  if (typeof node !== 'object' || node === null) return Number.POSITIVE_INFINITY;
  return Math.min(
    ...Object.entries(node).map(([name, value]) =>
      name === 'location' && typeof value === 'number' && value >= 0 ? value : firstLocation(value),
    ),
    Number.POSITIVE_INFINITY,
  );
}

function update(queries: Queries, inside: Inside, relation: Relation, scope: Scope): void {
  const { table } = relation;
  const fields = fieldsByColumn(table);
  const set = list(inside['targetList']).map((node) => asKind(node, 'ResTarget') ?? {});
  const others = othersOf(set, fields);
  const spread: ValueToSpread[] = [];
  const isNamed = table === undefined || namesRow(table, pinned(inside['whereClause'], relation, scope));
  for (const { name, val } of set) {
    const field = fields.get(String(name));
    if (field === undefined) {
      if (table !== undefined && identityColumns(table).includes(String(name))) throw movesRow(table, String(name));
      queries.walk(val, scope, false, 'SET');
    } else if (isNamed || !isAlone(queries, inside) || !isValue(val)) {
      const pins = pinned(inside['whereClause'], relation, scope);
      sealItem(queries, field, val as Node, () => ({ place: () => updatedRow(field, pins), others: () => others }));
    } else spread.push({ field, val: val as Node, others });
  }
  if (spread.length > 0) expand(queries, inside, relation, spread);
}

function isValue(node: unknown): boolean {
  const item = itemOf(node);
  return item?.kind === 'param' || item?.kind === 'constant';
}

/** The values of encrypted columns in a `SET`, by property. */
function othersOf(set: readonly Inside[], fields: ReadonlyMap<string, Field>): ReadonlyMap<string, Source> {
  const others = new Map<string, Source>();
  for (const { name, val } of set) {
    const field = fields.get(String(name));
    if (field === undefined) continue;
    const item = itemOf(val);
    const isGiven = item?.kind === 'param' || item?.kind === 'constant';
    others.set(field.key, isGiven ? sourceOf(item) : { kind: 'constant', value: null });
  }
  return others;
}

/** Whether a condition says all that the cells of a row are bound to: the row that has this key may be of another tenant or subject. */
function namesRow(table: TableDefinition, pins: ReadonlyMap<string, Source>): boolean {
  return identityColumns(table).every((column) => pins.has(column));
}

function updatedRow({ table, id }: Field, pins: ReadonlyMap<string, Source>): RowSource {
  const pin = (column: string): Source => {
    const source = pins.get(column);
    if (source !== undefined) return source;
    throw refusal(
      `${id}: UPDATE does not say by ${column} = … which row its value is bound to`,
      'Select the keys of the rows first, and update each by its primary key',
    );
  };
  return {
    table,
    row: table.row.map(({ name }) => pin(name)),
    tenant: table.tenant === undefined ? undefined : pin(table.tenant),
    subject: table.subject === undefined ? undefined : pin(table.subject),
  };
}

/** Columns that a condition says the one value of. */
function pinned(where: unknown, relation: Relation, scope: Scope): ReadonlyMap<string, Source> {
  const pins = new Map<string, Source>();
  for (const node of conjuncts(where)) {
    const { kind, name, lexpr, rexpr } = asKind(node, 'A_Expr') ?? {};
    if (namesIn(name).join() !== '=' || (kind !== 'AEXPR_OP' && kind !== 'AEXPR_IN')) continue;
    const reference = asKind(lexpr, 'ColumnRef') ?? asKind(rexpr, 'ColumnRef');
    const found = reference && resolve(reference, scope);
    const items =
      kind === 'AEXPR_IN' ? list(asKind(rexpr, 'List')?.['items']) : [asKind(lexpr, 'ColumnRef') ? rexpr : lexpr];
    const item = items.length === 1 ? itemOf(items[0]) : undefined;
    const isOwn = found?.kind === 'column' && found.relation === relation && found.origin.field === undefined;
    if (isOwn && (item?.kind === 'param' || item?.kind === 'constant')) pins.set(found.origin.column, sourceOf(item));
  }
  return pins;
}
