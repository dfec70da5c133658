/** A value of an encrypted column in a statement. */

import type { Field, TableDefinition } from '../define.ts';
import { itemOf, type Node } from './nodes.ts';
import { type RowSource, refusal, type Source } from './plan.ts';
import type { Queries } from './queries.ts';

/** Seals a value, or lets NULL and DEFAULT pass. */
export function sealItem(
  queries: Queries,
  field: Field,
  node: Node,
  rowOf: () => { place(): RowSource; others(): ReadonlyMap<string, Source> },
): void {
  const item = itemOf(node);
  if (item?.kind === 'null' || item?.kind === 'default') return;
  if (item === undefined)
    throw refusal('it is written with something else than a value', 'Give the value as a parameter', field);
  if (item.kind === 'param') queries.changes.uses(item.number);
  const row = rowOf();
  queries.changes.seal(field, item, row.place(), row.others());
}

/** The encrypted columns of a table by their names in the database. */
export function fieldsByColumn(table: TableDefinition | undefined): ReadonlyMap<string, Field> {
  return new Map([...(table?.fields.values() ?? [])].map((field) => [field.column, field]));
}
