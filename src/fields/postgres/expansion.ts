/** `UPDATE` of rows that it does not name: their keys are selected first, then each row gets records of its own. `docs/fields.md` §6.6. */

import type { Field, TableDefinition } from '../define.ts';
import { asKind, type Inside, itemOf, kindOf, list, type Node } from './nodes.ts';
import { refusal, type Source } from './plan.ts';
import type { Queries } from './queries.ts';
import { identityColumns, type Relation } from './scope.ts';
import { quoted } from './sql-text.ts';

/** The most rows that one statement seals values for. */
export const maxExpanded = 10_000;
/** What stands between the columns of a key. */
export const keySeparator = '\x1f';

/** The values of a `SET`, of which each row gets records of its own. */
export interface ValueToSpread {
  readonly field: Field;
  readonly val: Node;
  readonly others: ReadonlyMap<string, Source>;
}

/** Plans such an update: its `SET` takes records out of parameters by the key of the row. */
export function expand(queries: Queries, inside: Inside, relation: Relation, values: readonly ValueToSpread[]): void {
  const table = relation.table as TableDefinition;
  const { changes, text, catalog } = queries;
  const where = asKind(inside['whereClause'], 'CurrentOfExpr');
  if (inside['withClause'] !== undefined || where !== undefined) throw notNamed(values);
  const clauses = text.updateClauses();
  const columns = identityColumns(table).map((name) => quoted(relation.alias, name));
  const select = [
    `SELECT ${table.row.length === 0 ? 'DISTINCT ' : ''}${columns.join(', ')} FROM `,
    ...text.between(clauses.table),
    ...(clauses.from === undefined ? [] : [', ', ...text.between(clauses.from)]),
    ...(clauses.where === undefined ? [] : [' WHERE ', ...text.between(clauses.where)]),
    ` LIMIT ${maxExpanded + 1}`,
  ];
  const key = columns.map((column) => `${column}::text`).join(` || '${keySeparator}' || `);
  let first: string | undefined;
  for (const { field, val, others } of values) {
    const item = itemOf(val);
    if (item?.kind !== 'param' && item?.kind !== 'constant')
      throw refusal('it is written with something else than a value', 'Give the value as a parameter', field);
    changes.spread(field, item, others, (param) => {
      first ??= param;
      return `decode(${param}::jsonb ->> (${key}), 'hex')`;
    });
  }
  const types = { integer: 'bigint', uuid: 'uuid', text: 'text', any: 'text' } as const;
  changes.expandBy(table, select, catalog.rowColumns(table).length, (params) => {
    const named = catalog.rowColumns(table).map(({ name, type }, i) => {
      return `${quoted(relation.alias, name)} = ANY(${params[i]}::${types[type]}[])`;
    });
    const guard = `${[...named, `${first}::jsonb ? (${key})`].join(' AND ')}`;
    if (clauses.where === undefined) text.replace(clauses.end, clauses.end, ` WHERE ${guard} `);
    else {
      text.replace(clauses.where.start, clauses.where.start, '(');
      text.replace(clauses.where.end, clauses.where.end, `) AND ${guard} `);
    }
  });
}

/** Whether a statement is one that can be expanded: it stands by itself, and not in a `WITH`. */
export function isAlone(queries: Queries, inside: Inside): boolean {
  return (
    queries.top === inside &&
    !list(inside['targetList']).some((node) => kindOf(asKind(node, 'ResTarget')?.['val']) === 'MultiAssignRef')
  );
}

function notNamed([value]: readonly ValueToSpread[]): Error {
  return refusal(
    'UPDATE does not say by = which row its value is bound to',
    'Select the keys of the rows first, and update each by its primary key',
    value?.field,
  );
}
