/** What of an encrypted column is refused where, in words; and small questions about nodes. */

import { asKind, type Inside, list, type Node, namesIn } from './nodes.ts';
import { refusal } from './plan.ts';
import { hasFields, type Origin, type Relation, type Resolved, resolve, type Scope, type TableNames } from './scope.ts';

/** The arguments of an `OR`, whatever brackets stand between; the node itself where there is none. */
export function alternatives(node: Node): readonly Node[] {
  const bool = asKind(node, 'BoolExpr');
  return bool?.['boolop'] === 'OR_EXPR' ? list(bool['args']).flatMap(alternatives) : [node];
}

/** Whether a node is a column of an encrypted table by itself. */
export function isDirect(node: unknown, scope: Scope): boolean {
  const reference = asKind(node, 'ColumnRef');
  return reference !== undefined && resolve(reference, scope).kind === 'column';
}

/** Whether a call is `count` of all values. */
export function isCount(inside: Inside): boolean {
  return (
    namesIn(inside['funcname']).at(-1) === 'count' &&
    inside['agg_distinct'] !== true &&
    inside['agg_filter'] === undefined &&
    inside['agg_order'] === undefined
  );
}

/** Throws where an encrypted column is handed out. */
export function assertNone(outputs: readonly { readonly origin: Origin }[], what: string): void {
  const field = outputs.find(({ origin }) => origin.field !== undefined)?.origin.field;
  if (field !== undefined) throw refusal(what, 'Select encrypted columns by themselves, in the outermost query', field);
}

/** The refusal of a whole row. */
export function wholeRow({ alias }: Relation): Error {
  return refusal(`the whole row of ${alias} is used, and with it encrypted columns`, 'Name the columns');
}

const clauses: Readonly<Record<string, string>> = {
  sortClause: 'ORDER BY would sort what is encrypted',
  groupClause: 'GROUP BY would compare what is encrypted',
  distinctClause: 'DISTINCT would compare what is encrypted',
  havingClause: 'HAVING would compare what is encrypted',
};

/** Throws for a reference to an encrypted column. */
export function refuseColumn(found: Resolved, where: string): void {
  if (found.kind === 'row') throw wholeRow(found.relation);
  if (found.kind === 'star' && !found.relations.some(hasFields)) return;
  const field = found.kind === 'column' ? found.origin.field : undefined;
  if (found.kind === 'other' || (found.kind === 'column' && field === undefined)) return;
  throw refusal(
    clauses[where] ?? `it is used in ${where}`,
    'Select the column by itself, and do this after opening',
    field,
  );
}

/** What may stand anywhere: `IS NULL` and `count` of an encrypted column. */
export function isAllowed(kind: string, inside: Inside, scope: Scope): boolean {
  if (kind === 'NullTest') return isDirect(inside['arg'], scope);
  return kind === 'FuncCall' && isCount(inside) && list(inside['args']).every((arg) => isDirect(arg, scope));
}

/** Whether an encrypted table stands anywhere in a node. */
export function mentions(node: unknown, names: TableNames): boolean {
  if (typeof node !== 'object' || node === null) return false;
  const range = asKind(node, 'RangeVar') ?? ('relname' in node ? (node as Record<string, unknown>) : undefined);
  if (range !== undefined && names.find(range) !== undefined) return true;
  return Object.values(node).some((value) => mentions(value, names));
}

/** The refusal of `SELECT … INTO`. */
export function intoRefused(): Error {
  return refusal('SELECT … INTO would copy records out of their rows', 'Use SELECT, INSERT, UPDATE and DELETE');
}
