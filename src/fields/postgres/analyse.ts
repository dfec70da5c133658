/** From the text of a statement to what has to be done for it. */

import type { TableDefinition } from '../define.ts';
import type { Catalog } from './catalog.ts';
import { asKind, type Inside, itemOf, kindOf, list, locationOf, type Node } from './nodes.ts';
import type { Parsed } from './parser.ts';
import { dropsRows, type HiddenColumn, type Plan, refusal, type SearchStep } from './plan.ts';
import { Queries, type Selected } from './queries.ts';
import { mentions } from './refusals.ts';
import { identityColumns, TableNames } from './scope.ts';
import { type SequenceUse, sequenceUse } from './sequences.ts';
import type { Shadows } from './shadows.ts';
import { quoted, SqlText } from './sql-text.ts';
import { analyseWrite } from './writes.ts';

/** Statements that read and write no values, or none that this could see. */
const harmless =
  /^(Transaction|VariableSet|VariableShow|Discard|Listen|Unlisten|Notify|Deallocate|Close|Fetch|CheckPoint|Vacuum|Create|Alter|Drop|Rename|Comment|Grant|Index|Truncate|Lock|Define|Reassign|Refresh|Do|Call|SecLabel|Constraints|Set|ClusterS|Cluster|Reindex)/;
/** Of those, some that do. */
const harmful = /^(CreateTableAs|DeclareCursor|Copy|Prepare|Execute|Merge|View|Rule)/;

/** What a statement is analysed with. */
export interface Known {
  readonly tables: Iterable<TableDefinition>;
  readonly catalog: Catalog;
  readonly shadows: Shadows;
}

/** Analyses a text. Throws `ERR_FIELD_QUERY` for what cannot be answered. */
export function analyse(text: string, { statements, tokens }: Parsed, known: Known): Plan {
  const names = new TableNames(known.tables, known.shadows);
  const plans = statements.map((node) => planOf(node, new SqlText(text, tokens), names, known.catalog));
  const sequences = sequenceUse(statements);
  if (plans.length > 1 && plans.some(({ touched }) => touched))
    throw refusal('several statements in one text, and encrypted columns in them', 'Send them one by one');
  const [plan = untouched(text)] = plans.length > 1 ? [] : plans;
  return { ...plan, sequences };
}

const noSequences: SequenceUse = { mayRestart: false, asksFor: undefined };

/** The plan of a text with which there is nothing to do. */
function untouched(text: string): Plan {
  return {
    ...{ text, touched: false, isStar: false, hasLiterals: false, expand: undefined, outputs: undefined },
    ...{ draws: [], seals: [], searches: [], hidden: [], uses: new Map(), sequences: noSequences },
  };
}

function planOf(node: Node, text: SqlText, names: TableNames, catalog: Catalog): Plan {
  const kind = kindOf(node);
  const queries = new Queries(names, catalog, text);
  queries.onWrite((write, ctes) => analyseWrite(queries, write, ctes).outputs);
  if (kind === 'ExplainStmt') {
    const inner = planOf((node[kind]?.['query'] ?? {}) as Node, text, names, catalog);
    return {
      ...inner,
      hidden: [],
      outputs: [],
      searches: inner.searches.map((step) => ({ ...step, group: undefined })),
    };
  }
  if (kind === 'SelectStmt')
    return finish(queries, queries.select(node[kind] ?? {}, undefined, new Map(), true), node[kind] ?? {}, 'select');
  if (kind === 'InsertStmt' || kind === 'UpdateStmt' || kind === 'DeleteStmt') {
    queries.top = node[kind];
    return finish(queries, analyseWrite(queries, node, new Map()), node[kind] ?? {}, 'returning');
  }
  if ((!harmless.test(kind) || harmful.test(kind)) && mentions(node, names)) {
    throw refusal(`${kind.replace('Stmt', '')} with an encrypted table`, 'Use SELECT, INSERT, UPDATE and DELETE');
  }
  return untouched(text.toString());
}

function finish(
  queries: Queries,
  selected: Selected,
  inside: Record<string, unknown>,
  form: 'select' | 'returning',
): Plan {
  const { text, changes, sources } = queries;
  const opened = selected.outputs.filter(({ origin }) => origin.field !== undefined);
  const mayCheck = form === 'select' && canTakeColumns(inside, selected);
  const groups = mayCheck ? selected.groups : [];
  const hidden: HiddenColumn[] = [];
  const added: string[] = [];
  const add = (source: object, column: string): void => {
    if (hidden.some((one) => one.source === source && one.column === column)) return;
    const name = `__bulla_${hidden.length}`;
    hidden.push({ source, column });
    added.push(`, ${nameIn(selected, source, column)} AS ${quoted(name)}`);
  };
  for (const { origin } of opened) for (const column of identityColumns(origin.table)) add(origin.source, column);
  const { seals, searches, draws, expand } = changes.finish();
  const offsets = searches.map((step) => assertComparable(step, searches, groups, inside));
  for (const { field, group } of searches) {
    if (group === undefined || !groups.includes(group)) continue;
    for (const column of [...identityColumns(field.table), field.column]) add(group.source, column);
  }
  if (added.length > 0) insertColumns(text, inside, form, added.join(''));
  return {
    text: text.toString(),
    touched: sources.some(({ table }) => table !== undefined),
    sequences: noSequences,
    draws,
    seals,
    searches: searches.map((step, i) => ({ ...checked(step, groups), offset: offsets[i] })),
    hidden,
    isStar: selected.targets.includes('star'),
    hasLiterals: [...seals, ...searches, ...(expand?.seals ?? [])].some(({ source, others }) =>
      [source, ...others.values()].some((one) => one.kind === 'constant' && one.value !== null),
    ),
    expand,
    ...outputsOf(selected, queries),
  };
}

/** What finds others as well must be compared with what it found, one row after the other. Gives the parameter of an `OFFSET`, which must be 0. */
function assertComparable(
  step: SearchStep,
  searches: readonly SearchStep[],
  groups: readonly object[],
  inside: Inside,
): number | undefined {
  const { field, finds, group } = step;
  if (finds === 'equal') return undefined;
  const beside = searches.filter((other) => other !== step && other.group !== undefined && other.group === group);
  if (beside.some((other) => finds === 'prefix' || other.finds !== finds || other.field !== field))
    throw refusal('OR joins a search that finds other rows as well with another one', 'Ask in two statements', field);
  const isOuter = group !== undefined && groups.includes(group);
  const offset = inside['limitOffset'] === undefined ? undefined : itemOf(inside['limitOffset']);
  const isWhole =
    inside['limitCount'] === undefined && (inside['limitOffset'] === undefined || offset?.kind === 'param');
  if (!isOuter || !isWhole || list(inside['targetList']).some(countsRows)) throw dropsRows(field, finds);
  return offset?.kind === 'param' ? offset.number : undefined;
}

/** A window function sees rows that are dropped. */
function countsRows(node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false;
  return asKind(node, 'FuncCall')?.['over'] !== undefined || Object.values(node).some(countsRows);
}

function checked(step: SearchStep, groups: readonly object[]): SearchStep {
  return step.group === undefined || groups.includes(step.group) ? step : { ...step, group: undefined };
}

/** Whether columns can be added to a select list without changing what it selects. */
function canTakeColumns(inside: Record<string, unknown>, { targets, groups }: Selected): boolean {
  const isGrouped = ['groupClause', 'havingClause', 'distinctClause'].some((name) => inside[name] !== undefined);
  if (isGrouped || groups.length === 0 || targets.length === 0) return false;
  return !list(inside['targetList']).some(callsFunction);
}

/** A function may be an aggregate: nobody but the server knows. */
function callsFunction(node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false;
  const call = asKind(node, 'FuncCall');
  if (call !== undefined && call['over'] === undefined) return true;
  return kindOf(node) !== 'SubLink' && Object.values(node).some(callsFunction);
}

/** What a column of a table is called where a query is selected from. */
function nameIn({ scope }: Selected, source: object, column: string): string {
  for (const { alias, columns } of scope.relations) {
    for (const [name, origin] of columns) {
      if (origin.source === source && origin.column === column) return quoted(alias, name);
    }
  }
  throw refusal(
    `the subquery does not select ${column}, to which the cells are bound`,
    'Select the primary key with the encrypted columns',
  );
}

function insertColumns(
  text: SqlText,
  inside: Record<string, unknown>,
  form: 'select' | 'returning',
  columns: string,
): void {
  const first = asKind(list(inside['targetList'])[0], 'ResTarget') ?? {};
  const at = form === 'select' ? text.fromStart(locationOf(first)) : text.end;
  if (at === undefined) throw refusal('a SELECT without FROM', 'Name the table');
  text.replace(at, at, `${columns} `);
}

/** Which use of a table each column is of: by the table where it is used once, and by the place of the column otherwise. */
function outputsOf(selected: Selected, { sources }: Queries): Pick<Plan, 'outputs' | 'uses'> {
  const uses = new Map<TableDefinition, object>();
  let isTwice = false;
  for (const { table, columns } of sources) {
    const source = [...columns.values()][0]?.source;
    if (table === undefined || source === undefined) continue;
    if (!selected.outputs.some(({ origin }) => origin.source === source)) continue;
    isTwice ||= uses.has(table);
    uses.set(table, source);
  }
  if (!isTwice) return { outputs: undefined, uses };
  if (selected.targets.includes('star'))
    throw refusal('* stands for two uses of one encrypted table', 'Name the columns');
  return { uses, outputs: selected.targets.map((target) => (target === 'star' ? undefined : target?.origin.source)) };
}
