/** What names mean in a statement: relations, and which of their columns are encrypted. */

import type { Field, TableDefinition } from '../define.ts';
import { asKind, type Inside, list, type Node, namesIn } from './nodes.ts';
import type { Shadows } from './shadows.ts';

/** A table, or a subquery that hands columns of tables through. */
export interface Relation {
  /** By what its columns are named. */
  readonly alias: string;
  /** Its encrypted table, where it is one itself. */
  readonly table: TableDefinition | undefined;
  /** What its columns are: an encrypted one, or one of an encrypted table that a row is told by. */
  readonly columns: ReadonlyMap<string, Origin>;
}

/** A column of an encrypted table, wherever it is seen. */
export interface Origin {
  readonly table: TableDefinition;
  /** The column's name in the database. */
  readonly column: string;
  readonly field: Field | undefined;
  /** The relation of the table itself. */
  readonly source: object;
}

/** Names that can be seen at a place: the relations of the query, and those around it. */
export interface Scope {
  readonly relations: readonly Relation[];
  readonly outer: Scope | undefined;
  readonly ctes: ReadonlyMap<string, ReadonlyMap<string, Origin>>;
}

/** Finds encrypted tables by their names in a statement. */
export class TableNames {
  readonly #byName = new Map<string, TableDefinition[]>();
  readonly shadows: Shadows;

  constructor(tables: Iterable<TableDefinition>, shadows: Shadows) {
    this.shadows = shadows;
    for (const table of tables) this.#byName.set(table.table, [...(this.#byName.get(table.table) ?? []), table]);
  }

  /** The encrypted table of a `RangeVar`. Without a schema it is believed to be the one that has the name; `ambiguous` where several have. */
  find({ relname, schemaname }: Inside): TableDefinition | 'ambiguous' | undefined {
    const named = this.#byName.get(String(relname)) ?? [];
    if (schemaname !== undefined) return named.find(({ schema }) => schema === schemaname);
    return named.length > 1 ? 'ambiguous' : named[0];
  }
}

/** The columns of an encrypted table by their names in the database: its fields, and what its rows are told by. */
export function tableColumns(table: TableDefinition, source: object): ReadonlyMap<string, Origin> {
  const columns = new Map<string, Origin>();
  for (const name of identityColumns(table)) columns.set(name, { table, column: name, field: undefined, source });
  for (const field of table.fields.values()) {
    columns.set(field.column, { table, column: field.column, field, source });
  }
  return columns;
}

/** The columns that cells of a table are bound by. */
export function identityColumns({ row, tenant, subject }: TableDefinition): readonly string[] {
  const names = [...row.map(({ name }) => name), tenant, subject].filter((name) => name !== undefined);
  return [...new Set(names)];
}

/** What a column reference means. */
export type Resolved =
  | { readonly kind: 'column'; readonly relation: Relation; readonly origin: Origin }
  /** A whole row of a relation that has encrypted columns. */
  | { readonly kind: 'row'; readonly relation: Relation }
  | { readonly kind: 'star'; readonly relations: readonly Relation[] }
  | { readonly kind: 'other' };

const other = { kind: 'other' } as const;

/** Resolves a `ColumnRef`. Where it is not certain that a name is of no encrypted column, it is one. */
export function resolve(reference: Inside, scope: Scope): Resolved {
  const names = namesIn(reference['fields']);
  const name = names.at(-1) ?? '';
  const qualifier = names.at(-2);
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const relations = qualifier === undefined ? at.relations : at.relations.filter(({ alias }) => alias === qualifier);
    if (name === '*') {
      if (qualifier === undefined || relations.length > 0) return { kind: 'star', relations };
      continue;
    }
    for (const relation of relations) {
      const origin = relation.columns.get(name);
      if (origin !== undefined) return { kind: 'column', relation, origin };
    }
    if (qualifier !== undefined && relations.length > 0) return other;
    const whole = names.length === 1 ? at.relations.find(({ alias }) => alias === name) : undefined;
    if (whole !== undefined) return hasFields(whole) ? { kind: 'row', relation: whole } : other;
  }
  return other;
}

/** Whether an encrypted column can be seen in a relation. */
export function hasFields({ columns }: Relation): boolean {
  return [...columns.values()].some(({ field }) => field !== undefined);
}

/** The alias of a relation, and the names that it gives to its columns. */
export function aliasOf(inside: Inside): { readonly alias: string | undefined; readonly columns: readonly string[] } {
  const alias = inside['alias'] as Inside | undefined;
  return { alias: alias?.['aliasname'] as string | undefined, columns: namesIn(alias?.['colnames']) };
}

/** Every conjunct of a condition. */
export function conjuncts(node: unknown): readonly Node[] {
  if (node === undefined || node === null) return [];
  const bool = asKind(node, 'BoolExpr');
  return bool?.['boolop'] === 'AND_EXPR' ? list(bool['args']).flatMap(conjuncts) : [node as Node];
}
