/** `ORDER BY 1`, `GROUP BY alias`: a clause that names a column of the select list. */

import { asKind, type Inside, kindOf, list, type Node, namesIn } from './nodes.ts';
import { refusal } from './plan.ts';
import type { Origin } from './scope.ts';

/** A target of a select list, as far as it is of importance here. */
export type NamedTarget = { readonly name: string; readonly origin: Origin } | 'star' | undefined;

const clauses = ['sortClause', 'groupClause', 'distinctClause'];

/** Throws `ERR_FIELD_QUERY` where such a clause means an encrypted column, or may mean one. */
export function assertNoneNamed(select: Inside, targets: readonly NamedTarget[], starHasFields: boolean): void {
  for (const clause of clauses) {
    for (const node of list(select[clause]).flatMap(parts)) {
      const target = meant(node, targets, starHasFields);
      if (target === undefined) continue;
      const field = target === 'star' ? undefined : target.origin.field;
      throw refusal(`${words(clause)} an encrypted column by its place or its alias`, 'Do this after opening', field);
    }
  }
}

function words(clause: string): string {
  return clause === 'sortClause' ? 'ORDER BY names' : 'GROUP BY or DISTINCT names';
}

/** The expressions of an element, in the sets of a `GROUP BY` as well. */
function parts(node: Node): readonly Node[] {
  const sort = asKind(node, 'SortBy');
  if (sort !== undefined) return [sort['node'] as Node];
  const set = asKind(node, 'GroupingSet');
  return set === undefined ? [node] : list(set['content']).flatMap(parts);
}

function meant(node: Node, targets: readonly NamedTarget[], starHasFields: boolean): NamedTarget {
  if (kindOf(node) === 'ColumnRef') {
    const names = namesIn(asKind(node, 'ColumnRef')?.['fields']);
    return targets.find((target) => isField(target) && names.length === 1 && target.name === names[0]);
  }
  const number = (asKind(node, 'A_Const')?.['ival'] as Inside | undefined)?.['ival'];
  if (typeof number !== 'number') return undefined;
  // A star stands for any number of columns.
  if (starHasFields && targets.slice(0, number).includes('star')) return 'star';
  const target = targets[number - 1];
  return isField(target) ? target : undefined;
}

function isField(target: NamedTarget): target is Exclude<NamedTarget, 'star' | undefined> {
  return target !== undefined && target !== 'star' && target.origin.field !== undefined;
}
