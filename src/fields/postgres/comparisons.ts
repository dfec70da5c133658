/** Comparisons of encrypted columns with values, which become comparisons of their index columns. */

import type { Field } from '../define.ts';
import type { Slot } from '../indexes.ts';
import { answering, versionsToAsk } from '../search.ts';
import { type Changes, lastOf, type Value } from './changes.ts';
import { asKind, type Inside, itemOf, itemOfPattern, list, locationOf, type Node, namesIn } from './nodes.ts';
import { refusal, type SearchGroup, type SearchStep } from './plan.ts';
import { type Resolved, resolve, type Scope } from './scope.ts';
import type { Part, SqlText } from './sql-text.ts';

/** A statement that is about to be changed. */
export interface Statement {
  readonly text: SqlText;
  readonly changes: Changes;
}

/** A column that a reference means. */
export type ResolvedColumn = Extract<Resolved, { kind: 'column' }>;

/** The encrypted column that is compared with something, or `undefined`. */
export function comparedColumn(node: Node, scope: Scope): ResolvedColumn | undefined {
  const expression = asKind(node, 'A_Expr');
  if (expression === undefined) return undefined;
  for (const side of [readAsText(expression) ?? expression['lexpr'], expression['rexpr']]) {
    const reference = asKind(side, 'ColumnRef');
    const found = reference && resolve(reference, scope);
    if (found?.kind === 'column' && found.origin.field !== undefined) return found;
  }
  return undefined;
}

/** What `LIKE` reads as text by a cast, as Prisma writes it: `column::text LIKE $1`. */
function readAsText(expression: Inside): unknown {
  const cast = asKind(expression['lexpr'], 'TypeCast');
  if (cast === undefined || !isBeginning(expression)) return undefined;
  const type = namesIn((cast['typeName'] as Inside | undefined)?.['names']);
  return type.join() === 'text' ? cast['arg'] : undefined;
}

/** `column = $1`, `column IN ($1, …)`, `column = ANY ($1)`. */
export function compare(
  { text, changes }: Statement,
  inside: Inside,
  scope: Scope,
  group: SearchGroup | undefined,
): void {
  const { kind, rexpr } = inside;
  const uncast = readAsText(inside);
  const lexpr = uncast ?? inside['lexpr'];
  const [column, other] = isField(lexpr, scope) ? [lexpr, rexpr] : [rexpr, lexpr];
  const reference = asKind(column, 'ColumnRef') ?? {};
  const found = resolve(reference, scope) as ResolvedColumn;
  const { field } = found.origin;
  if (field === undefined) return;
  const isEqual = namesIn(inside['name']).join() === '=';
  const isIn = kind === 'AEXPR_IN' && isEqual;
  const isAny = kind === 'AEXPR_OP_ANY' && isEqual;
  const isLike = field.definition.type === 'string' && column === lexpr && isBeginning(inside);
  if (!isLike && (!isEqual || !(isIn || isAny || kind === 'AEXPR_OP'))) {
    throw refusal('only =, IN, = ANY and LIKE with a beginning can search by it', 'Compare after opening', field);
  }
  if (found.relation.table === undefined)
    throw refusal(
      'it is compared outside of the subquery that reads it',
      'Move the comparison into the subquery',
      field,
    );
  const { slots, finds } = isLike ? beginnings(field, inside) : equals(field);
  const items = isIn
    ? list(asKind(other, 'List')?.['items']).map(itemOf)
    : [isLike ? itemOfPattern(other) : itemOf(other)];
  const values = items.map((item) => {
    if (item === undefined || item.kind === 'null' || item.kind === 'default')
      throw isLike
        ? refusal('LIKE can search for a beginning alone', 'Give the pattern as a parameter', field)
        : refusal(
            'it is compared with something else than a value',
            'Give the value as a parameter; ask for NULL by IS NULL',
            field,
          );
    if (item.cast) throw refusal('a cast stands beside a value of an encrypted column', 'Leave the cast out', field);
    if (item.kind === 'param') changes.uses(item.number);
    return item;
  });
  if (isAny && values[0]?.kind !== 'param')
    throw refusal('ANY needs a parameter', 'Give the array as a parameter', field);
  const start = locationOf(reference);
  const end = uncast === undefined ? text.nameEnd(start) : text.textCastEnd(text.nameEnd(start));
  if (end === undefined) throw refusal('a cast stands beside it', 'Write it as column::text, or leave it out', field);
  changes.search({
    field,
    slots,
    values,
    isArray: isAny,
    finds,
    absorbed: [],
    operator: isLike ? text.operatorAt(locationOf(inside)) : undefined,
    group,
    column: { start, end, alias: found.relation.alias },
    end: comparisonEnd(text, inside, { start, end }, values.at(-1)),
  });
}

/** Behind the side that stands last, and the brackets around it. */
function comparisonEnd(text: SqlText, inside: Inside, column: Part, last: Value | undefined): number {
  const isCall = inside['kind'] === 'AEXPR_IN' || inside['kind'] === 'AEXPR_OP_ANY';
  const valueEnd = last === undefined ? column.end : text.literalEnd(lastOf(last));
  if (isCall) return text.closing(valueEnd) + 1;
  let end = Math.max(valueEnd, column.end);
  const opened = text.bracketsBetween(locationOf(inside), Math.max(last?.at ?? 0, column.start));
  for (let i = 0; i < opened; i++) end = text.closing(end) + 1;
  return end;
}

function isField(node: unknown, scope: Scope): boolean {
  const found = resolve(asKind(node, 'ColumnRef') ?? {}, scope);
  return found.kind === 'column' && found.origin.field !== undefined;
}

/** `LIKE` and `ILIKE`, without their negations and without `ESCAPE`. */
function isBeginning({ kind, name }: Inside): boolean {
  const isOne = kind === 'AEXPR_LIKE' || kind === 'AEXPR_ILIKE' || kind === 'AEXPR_OP';
  return isOne && ['~~', '~~*'].includes(namesIn(name).join());
}

/** What equality is searched by: a blind index, or else a bucket index. */
function equals(field: Field): Pick<SearchStep, 'slots' | 'finds'> {
  for (const finds of ['equal', 'bucket'] as const) {
    const [name] = namesOf(field, (slot) => slot.kind === finds && slot.of === undefined);
    if (name !== undefined) return { slots: versionsToAsk(field, name), finds };
  }
  const [compound] = namesOf(field, ({ kind }) => kind === 'compound');
  const instead =
    compound === undefined
      ? 'Give it one, or search by another column'
      : 'Compare all columns of its compoundIndex by =, joined by AND';
  throw refusal('it has no blindIndex', instead, field);
}

/** What beginnings are searched by: prefix indexes of all lengths. */
function beginnings(field: Field, { name: operator }: Inside): Pick<SearchStep, 'slots' | 'finds'> {
  const names = namesOf(field, ({ prefix }) => prefix > 0);
  // A length that some records are not found by is of no use.
  const usable = names.filter((name) => answering(field, name) !== undefined);
  const slots = (usable.length > 0 ? usable : names).flatMap((name) => versionsToAsk(field, name));
  const isAnyCase = namesIn(operator).join() === '~~*';
  if (slots.length === 0)
    throw refusal(
      'it has no prefixIndex',
      isAnyCase
        ? "For beginnings in any case give it one with normalize: ['lower']; for whole values compare by = with a blindIndex that is normalized so"
        : 'Give it one, or compare after opening',
      field,
    );
  if (isAnyCase && !slots.every(({ steps }) => steps.includes('lower')))
    throw refusal('its prefixIndex tells upper and lower case apart', "Use LIKE, or normalize: ['lower']", field);
  return { slots, finds: 'prefix' };
}

/** The names of a field's indexes of some kind. */
export function namesOf({ definition }: Field, isWanted: (slot: Slot) => boolean): readonly string[] {
  const all = [...definition.schemas.values()].flat().filter(isWanted);
  return [...new Set(all.map(({ index }) => index))];
}
