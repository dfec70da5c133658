/** Relations through which encrypted tables are seen under another name: views, partitions, functions that return their rows. */

import { BoundedMap } from '../../lib/bounded-map.ts';
import type { TableDefinition } from '../define.ts';
import { asKind, type Inside, namesIn } from './nodes.ts';
import { refusal } from './plan.ts';

/** Runs a statement and gives its rows as arrays of text. */
export type RunSql = (text: string, values: readonly unknown[]) => Promise<readonly (readonly (string | null)[])[]>;

const sql = `with recursive shown (oid) as (
  select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = any($1)
  union
  select x.oid from shown s, lateral (
    select r.ev_class as oid from pg_depend d join pg_rewrite r on r.oid = d.objid
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = s.oid
    union all
    select i.inhrelid from pg_inherits i where i.inhparent = s.oid) x
)
select n.nspname, c.relname from shown s join pg_class c on c.oid = s.oid join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname <> all($1)
union all
select n.nspname, p.proname from shown s join pg_class c on c.oid = s.oid join pg_proc p on p.prorettype = c.reltype
join pg_namespace n on n.oid = p.pronamespace`;

/** Names that are kept: a program that makes up names asks again. */
const maxNames = 10_000;

/**
 * Knows which names in a statement stand for an encrypted table that is not named itself. A comparison with a column of such a relation would be answered without rows and
 * without an error. A database is asked when a name is met for the first time.
 */
export class Shadows {
  readonly #tables: readonly string[];
  readonly #asked = new BoundedMap<string, true>(maxNames);
  #names = new Map<string, ReadonlySet<string>>();

  constructor(tables: Iterable<TableDefinition>) {
    this.#tables = [...tables].map(({ schema, table }) => `${schema}.${table}`);
  }

  /** Learns about the names of a statement. */
  async learn(statements: readonly unknown[], run: RunSql): Promise<void> {
    const names = new Set<string>();
    for (const statement of statements) collect(statement, names);
    const isNew = [...names].some((name) => this.#asked.get(name) === undefined);
    if (!isNew) return;
    const found = new Map<string, Set<string>>();
    for (const [schema, name] of await run(sql, [this.#tables])) {
      found.set(name as string, (found.get(name as string) ?? new Set()).add(schema as string));
    }
    this.#names = found;
    for (const name of names) this.#asked.set(name, true);
  }

  /** Throws `ERR_FIELD_QUERY` for a relation or a function that shows an encrypted table. */
  assertNone(name: string, schema: string | undefined): void {
    const schemas = this.#names.get(name);
    if (schemas === undefined || (schema !== undefined && !schemas.has(schema))) return;
    throw refusal(`${name} shows an encrypted table under another name`, 'Name the table itself');
  }
}

/** The names of all relations and functions in a node. */
function collect(node: unknown, names: Set<string>): void {
  if (typeof node !== 'object' || node === null) return;
  const range = asKind(node, 'RangeVar') ?? ('relname' in node ? (node as Inside) : undefined);
  if (range !== undefined) names.add(String(range['relname']));
  const call = asKind(node, 'FuncCall');
  if (call !== undefined) names.add(namesIn(call['funcname']).at(-1) ?? '');
  for (const value of Object.values(node)) collect(value, names);
}
