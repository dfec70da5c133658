/** Reading statements: what of an encrypted column may stand where. Everything that is not allowed here is refused. */

import type { Catalog } from './catalog.ts';
import { Changes } from './changes.ts';
import { compare, comparedColumn } from './comparisons.ts';
import { searchCompounds } from './compounds.ts';
import { asKind, type Inside, kindOf, list, type Node, namesIn } from './nodes.ts';
import { refusal, type SearchGroup } from './plan.ts';
import { assertNoneNamed } from './positions.ts';
import { alternatives, assertNone, intoRefused, isAllowed, mentions, refuseColumn, wholeRow } from './refusals.ts';
import {
  aliasOf,
  conjuncts,
  hasFields,
  type Origin,
  type Relation,
  resolve,
  type Scope,
  type TableNames,
  tableColumns,
} from './scope.ts';
import type { SqlText } from './sql-text.ts';

/** Names that common table expressions of a statement have, and the columns that they hand through. */
export type Ctes = ReadonlyMap<string, ReadonlyMap<string, Origin>>;

/** An encrypted or identifying column in a result. */
export interface Output {
  readonly name: string;
  readonly origin: Origin;
  readonly relation: Relation;
}

/** What a query hands out. */
export interface Selected {
  /** The relations that it reads. */
  readonly scope: Scope;
  /** One for each target; `star` for one that stands for many. */
  readonly targets: readonly (Output | 'star' | undefined)[];
  readonly outputs: readonly Output[];
  /** Comparisons that every row of the result fits. */
  readonly groups: readonly SearchGroup[];
}

/** Analyses the data-modifying statements that stand in a `WITH`. */
export type AnalyseWrite = (node: Node, ctes: Ctes) => readonly Output[];

/** Clauses of a `SELECT` in which no encrypted column may stand. */
const walkedClauses = [
  ...['distinctClause', 'groupClause', 'havingClause', 'windowClause', 'sortClause', 'limitOffset', 'limitCount'],
  'valuesLists',
];

/** See the head of this file. */
export class Queries {
  readonly names: TableNames;
  readonly catalog: Catalog;
  readonly text: SqlText;
  readonly changes: Changes;
  /** Every use of an encrypted table, as a source of columns. */
  readonly sources: Relation[] = [];
  /** The statement itself, where it writes. */
  top: Inside | undefined;
  #write: AnalyseWrite | undefined;

  constructor(names: TableNames, catalog: Catalog, text: SqlText) {
    this.names = names;
    this.catalog = catalog;
    this.text = text;
    this.changes = new Changes(text);
  }

  /** Sets what analyses writes. */
  onWrite(write: AnalyseWrite): void {
    this.#write = write;
  }

  /** The names of a `WITH` clause. */
  ctes(clause: unknown, outer: Ctes): Ctes {
    const inside = clause as Inside | undefined;
    if (inside === undefined) return outer;
    const all = new Map(outer);
    const queries = list(inside['ctes']).map((node) => asKind(node, 'CommonTableExpr') ?? {});
    for (const cte of queries) {
      const name = String(cte['ctename']);
      // A recursive one sees itself, with columns that are not known yet.
      if (inside['recursive'] === true) all.set(name, new Map());
    }
    for (const cte of queries) {
      const query = cte['ctequery'] as Node;
      const select = asKind(query, 'SelectStmt');
      const outputs =
        select === undefined ? (this.#write?.(query, all) ?? []) : this.select(select, undefined, all).outputs;
      if (inside['recursive'] === true) assertNone(outputs, 'a recursive WITH hands an encrypted column through');
      all.set(String(cte['ctename']), named(outputs, namesIn(cte['aliascolnames'])));
    }
    return all;
  }

  /** A `SELECT`. */
  select(inside: Inside, outer: Scope | undefined, given: Ctes, isTop = false): Selected {
    if (inside['intoClause'] !== undefined && mentions(inside, this.names)) throw intoRefused();
    const ctes = this.ctes(inside['withClause'], given);
    if (inside['op'] !== undefined && inside['op'] !== 'SETOP_NONE') return this.#setOperation(inside, outer, ctes);
    const relations: Relation[] = [];
    const joined: { readonly node: unknown; readonly inner: boolean }[] = [];
    for (const item of list(inside['fromClause'])) this.from(item, outer, ctes, relations, joined, true);
    const scope: Scope = { relations, outer, ctes };
    const groups: SearchGroup[] = [];
    for (const { node, inner } of joined) this.condition(node, scope, isTop && inner ? groups : undefined);
    const targets = list(inside['targetList']).map((node) => this.target(node, scope));
    const outputs = this.outputsOf(targets, scope);
    assertNoneNamed(inside, targets, relations.some(hasFields));
    this.condition(inside['whereClause'], scope, isTop ? groups : undefined);
    for (const name of walkedClauses) this.walk(inside[name], scope, false, name);
    if (inside['distinctClause'] !== undefined)
      assertNone(outputs, 'DISTINCT compares encrypted values, which all differ');
    return { scope, targets, outputs, groups };
  }

  #setOperation(inside: Inside, outer: Scope | undefined, ctes: Ctes): Selected {
    for (const side of [inside['larg'], inside['rarg']]) {
      const { outputs } = this.select(side as Inside, outer, ctes);
      assertNone(outputs, 'UNION, INTERSECT and EXCEPT lose where a value comes from');
    }
    const scope: Scope = { relations: [], outer, ctes };
    for (const name of ['sortClause', 'limitOffset', 'limitCount']) this.walk(inside[name], scope, false, name);
    return { scope, targets: [], outputs: [], groups: [] };
  }

  /** An element of a `FROM`: adds its relations, and the conditions of its joins. */
  from(
    node: Node,
    outer: Scope | undefined,
    ctes: Ctes,
    relations: Relation[],
    joined: { readonly node: unknown; readonly inner: boolean }[],
    inner: boolean,
  ): void {
    const kind = kindOf(node);
    const inside = node[kind] ?? {};
    if (kind === 'RangeVar') relations.push(this.relation(inside, ctes));
    else if (kind === 'JoinExpr') {
      const before = relations.length;
      const isInner = inner && inside['jointype'] === 'JOIN_INNER';
      this.from(
        inside['larg'] as Node,
        outer,
        ctes,
        relations,
        joined,
        isInner || (inner && inside['jointype'] === 'JOIN_LEFT'),
      );
      this.from(inside['rarg'] as Node, outer, ctes, relations, joined, isInner);
      const fields = relations.flatMap(({ columns }) => [...columns]).filter(([, { field }]) => field !== undefined);
      const shared = namesIn(inside['usingClause']).find((name) => fields.some(([column]) => column === name));
      if (shared !== undefined || (inside['isNatural'] === true && fields.length > 0)) {
        throw refusal('a join compares an encrypted column by its name', 'Join by columns that are not encrypted');
      }
      // The alias of a join hides the names of its relations, and may rename their columns.
      const isNamed = inside['alias'] !== undefined || inside['join_using_alias'] !== undefined;
      if (isNamed && relations.slice(before).some(hasFields))
        throw refusal('a join has an alias, and an encrypted column in it', 'Give the aliases to its tables');
      joined.push({ node: inside['quals'], inner: isInner });
    } else if (kind === 'RangeSubselect') {
      const around: Scope = { relations: [...relations], outer, ctes };
      const { outputs } = this.select(asKind(inside['subquery'], 'SelectStmt') ?? {}, around, ctes);
      const { alias = '', columns } = aliasOf(inside);
      relations.push({ alias, table: undefined, columns: named(outputs, columns) });
    } else this.walk(node, { relations: [...relations], outer, ctes }, false, 'FROM');
  }

  /** A table or a name of a `WITH`. */
  relation(inside: Inside, ctes: Ctes): Relation {
    const { alias = String(inside['relname']), columns: renamed } = aliasOf(inside);
    const cte = inside['schemaname'] === undefined ? ctes.get(String(inside['relname'])) : undefined;
    if (cte !== undefined) return { alias, table: undefined, columns: renamedColumns(cte, renamed) };
    const table = this.names.find(inside);
    if (table === 'ambiguous')
      throw refusal(`several schemas have an encrypted table ${inside['relname']}`, 'Write the schema as well');
    if (table === undefined) {
      this.names.shadows.assertNone(String(inside['relname']), inside['schemaname'] as string | undefined);
      return { alias, table: undefined, columns: new Map() };
    }
    if (renamed.length > 0)
      throw refusal(`${table.key}: its columns are renamed where it is used`, 'Leave the names of the columns out');
    const relation: Relation = { alias, table, columns: tableColumns(table, {}) };
    this.sources.push(relation);
    return relation;
  }

  /** A target of a select list or a `RETURNING`. */
  target(node: Node, scope: Scope): Output | 'star' | undefined {
    const { name, val } = asKind(node, 'ResTarget') ?? {};
    const reference = asKind(val, 'ColumnRef');
    if (reference === undefined) {
      this.walk(val, scope, false, 'an expression of the select list');
      return undefined;
    }
    const found = resolve(reference, scope);
    if (found.kind === 'star') return 'star';
    if (found.kind === 'row') throw wholeRow(found.relation);
    if (found.kind === 'other') return undefined;
    return {
      name: String(name ?? namesIn(reference['fields']).at(-1)),
      origin: found.origin,
      relation: found.relation,
    };
  }

  /** What targets hand out by name: a star stands for all relations, which is never too few. */
  outputsOf(targets: readonly (Output | 'star' | undefined)[], scope: Scope): readonly Output[] {
    return targets.flatMap((target) => {
      if (target === undefined) return [];
      if (target !== 'star') return [target];
      return scope.relations.flatMap((relation) =>
        [...relation.columns].map(([name, origin]) => ({ name, origin, relation })),
      );
    });
  }

  /** A condition: its conjuncts, of which comparisons with encrypted columns are kept in `groups` where those can be checked. */
  condition(node: unknown, scope: Scope, groups: SearchGroup[] | undefined): void {
    const all = conjuncts(node);
    const taken = searchCompounds(this, all, scope, groups);
    for (const conjunct of all) {
      if (taken.has(conjunct)) continue;
      const sides = alternatives(conjunct);
      const compared = sides.map((side) => comparedColumn(side, scope));
      const first = compared[0];
      if (
        first === undefined ||
        sides.length === 1 ||
        compared.some((column) => column?.origin.source !== first.origin.source)
      ) {
        if (sides.length > 1 && compared.some((column) => column !== undefined)) {
          throw refusal(
            'OR joins a search by an encrypted column with something else',
            'Ask in two statements',
            compared.find(Boolean)?.origin.field,
          );
        }
        this.walk(conjunct, scope, true, 'WHERE', groups);
        continue;
      }
      const group = groups && { source: first.origin.source };
      if (group) groups?.push(group);
      for (const side of sides) compare(this, asKind(side, 'A_Expr') ?? {}, scope, group);
    }
  }

  /** Any other part of a statement: whatever is in it of an encrypted column is refused, except comparisons where they may stand, `IS NULL` and `count`. */
  walk(node: unknown, scope: Scope, mayCompare: boolean, where: string, groups?: SearchGroup[]): void {
    if (typeof node !== 'object' || node === null) return;
    const kind = kindOf(node);
    const inside = asKind(node, kind) ?? {};
    if (kind === 'ParamRef') this.changes.uses(Number(inside['number']));
    else if (kind === 'ColumnRef') refuseColumn(resolve(inside, scope), where);
    else if (kind === 'RangeVar') this.#unread(inside, scope);
    else if (kind === 'SelectStmt') this.select(inside, scope, scope.ctes);
    else if (kind === 'SubLink') this.#subquery(inside, scope);
    else if (kind === 'A_Expr' && comparedColumn(node as Node, scope) !== undefined) {
      if (!mayCompare) throw refusal(`a search by an encrypted column in ${where}`, 'Search in WHERE, joined by AND');
      const group = groups && { source: comparedColumn(node as Node, scope)?.origin.source ?? {} };
      if (group) groups?.push(group);
      compare(this, inside, scope, group);
    } else if (!isAllowed(kind, inside, scope)) {
      if (kind === 'FuncCall') this.names.shadows.assertNone(namesIn(inside['funcname']).at(-1) ?? '', undefined);
      // Lists and parts of nodes as well: all that is in them is looked at.
      for (const value of Object.values(node)) this.walk(value, scope, false, where);
    }
  }

  /** A relation where none is read by the rules above: in `TABLESAMPLE`, for example. */
  #unread(inside: Inside, { ctes }: Scope): void {
    const { table } = this.relation(inside, ctes);
    if (table === undefined) return;
    throw refusal(`${table.key} stands where its columns cannot be followed`, 'Read it by FROM or JOIN alone');
  }

  #subquery(inside: Inside, scope: Scope): void {
    this.walk(inside['testexpr'], scope, false, 'a comparison with a subquery');
    const { outputs } = this.select(asKind(inside['subselect'], 'SelectStmt') ?? {}, scope, scope.ctes);
    if (inside['subLinkType'] !== 'EXISTS_SUBLINK') assertNone(outputs, 'a subquery loses where a value comes from');
  }
}

/** What a relation's columns are called, by the names that its alias gives them. */
function named(outputs: readonly Output[], renamed: readonly string[]): ReadonlyMap<string, Origin> {
  return renamedColumns(new Map(outputs.map(({ name, origin }) => [name, origin])), renamed);
}

function renamedColumns(columns: ReadonlyMap<string, Origin>, renamed: readonly string[]): ReadonlyMap<string, Origin> {
  const origins = [...columns.values()].map((origin) => ({ origin }));
  if (renamed.length > 0) assertNone(origins, 'columns of a subquery are renamed where it is used');
  return columns;
}
