/** Comparisons of several encrypted columns, joined by `AND`, which become one of the column of a compound index. */

import type { Field } from '../define.ts';
import { answering } from '../search.ts';
import type { Value } from './changes.ts';
import { comparedColumn, namesOf, type Statement } from './comparisons.ts';
import { asKind, itemOf, locationOf, type Node, namesIn } from './nodes.ts';
import type { SearchGroup } from './plan.ts';
import type { Scope } from './scope.ts';
import type { Part } from './sql-text.ts';

/** `column = $1` */
interface Equality extends Part {
  readonly node: Node;
  readonly field: Field;
  readonly source: object;
  readonly value: Value;
  readonly column: Part & { readonly alias: string };
}

/** Searches by compound indexes all of whose columns are compared in conjuncts, and gives those conjuncts. */
export function searchCompounds(
  { text, changes }: Statement,
  conjuncts: readonly Node[],
  scope: Scope,
  groups: SearchGroup[] | undefined,
): ReadonlySet<Node> {
  const taken = new Set<Node>();
  const equalities = conjuncts.flatMap((node) => equalityOf(node, scope, text));
  for (const first of equalities) {
    for (const index of namesOf(first.field, ({ kind }) => kind === 'compound')) {
      const slots = answering(first.field, index);
      if (slots === undefined) continue;
      const absorbed = (slots[0]?.others ?? []).flatMap((name) => {
        const found = equalities.find(({ field, source }) => field.key === name && source === first.source);
        return found === undefined || taken.has(found.node) ? [] : [{ ...found, name }];
      });
      if (taken.has(first.node) || absorbed.length !== slots[0]?.others.length) continue;
      const group = groups && { source: first.source };
      if (group) groups?.push(group);
      for (const { node, value } of [first, ...absorbed]) {
        taken.add(node);
        if (value.kind === 'param') changes.uses(value.number);
      }
      const { field, value, column, end } = first;
      changes.search({
        ...{ field, slots, values: [value], isArray: false, finds: 'equal', absorbed, operator: undefined },
        ...{ group, column, end },
      });
    }
  }
  return taken;
}

function equalityOf(node: Node, scope: Scope, text: Statement['text']): readonly Equality[] {
  const inside = asKind(node, 'A_Expr');
  const found = comparedColumn(node, scope);
  if (inside?.['kind'] !== 'AEXPR_OP' || namesIn(inside['name']).join() !== '=' || found?.relation.table === undefined)
    return [];
  const reference = asKind(inside['lexpr'], 'ColumnRef') ?? asKind(inside['rexpr'], 'ColumnRef');
  const value = itemOf(asKind(inside['lexpr'], 'ColumnRef') === undefined ? inside['lexpr'] : inside['rexpr']);
  const { field, source } = found.origin;
  if (reference === undefined || field === undefined) return [];
  if (value?.kind !== 'param' && value?.kind !== 'constant') return [];
  if (value.cast) return [];
  const start = locationOf(reference);
  const column = { start, end: text.nameEnd(start), alias: found.relation.alias };
  const valueEnd = text.literalEnd(value.at);
  return [
    {
      ...{ node, field, source, value, column },
      ...{ start: Math.min(start, value.at), end: Math.max(column.end, valueEnd) },
    },
  ];
}
