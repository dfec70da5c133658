/** One statement, from what was called to its opened result. */

import { createHash } from 'node:crypto';
import { FieldError } from '../../errors.ts';
import { assertDrawable, assertLastIsKnown, type DrawSession, type Draws } from './draws.ts';
import { maxExpanded } from './expansion.ts';
import { takeParameters } from './parameters.ts';
import { type Expansion, type Plan, refusal } from './plan.ts';
import { openResult, type RawRow, type ResultField } from './results.ts';
import type { Planned, Seam } from './seam.ts';
import type { RunSql } from './shadows.ts';

/** A result of `pg`. */
export interface PgResult {
  fields: readonly ResultField[];
  rows: unknown[];
  rowAsArray?: boolean;
  rowCount?: number | null;
}

/** Gives what makes a value of a column's text. */
export type GetTypeParser = (oid: number, format?: string) => (text: string) => unknown;

/** A statement, as `pg` takes it. */
export interface QueryConfig {
  readonly text: string;
  readonly name?: string | undefined;
  readonly rowMode?: string | undefined;
  readonly binary?: boolean | undefined;
  readonly types?: { readonly getTypeParser: GetTypeParser } | undefined;
}

/** What a statement is sent by. */
export interface Connection {
  readonly seam: Seam;
  readonly draws: Draws;
  readonly session: DrawSession;
  readonly types: { readonly getTypeParser: GetTypeParser };
  readonly send: (query: object) => Promise<PgResult | PgResult[]>;
}

const raw: { readonly getTypeParser: GetTypeParser } = { getTypeParser: () => (text) => text };

/** Runs statements whose results are texts. */
export function sqlRunner(send: Connection['send']): RunSql {
  return async (text, values) => {
    const result = await send({ text, values, rowMode: 'array', types: raw });
    return (result as PgResult).rows as RawRow[];
  };
}

/** Runs a statement for a tenant. */
export async function runStatement(
  connection: Connection,
  config: QueryConfig,
  values: readonly unknown[] | undefined,
  tenant: string | undefined,
): Promise<unknown> {
  const { seam, draws, session } = connection;
  const { plan, catalog } = await seam.plan(config.text, sqlRunner(connection.send));
  if (plan.draws.length === 0) assertLastIsKnown(plan.sequences, session);
  try {
    return await runPlan(connection, { plan, catalog }, config, values, tenant);
  } finally {
    if (plan.sequences.mayRestart) draws.forget(session);
  }
}

async function runPlan(
  connection: Connection,
  { plan, catalog }: Planned,
  config: QueryConfig,
  values: readonly unknown[] | undefined,
  tenant: string | undefined,
): Promise<unknown> {
  const { seam, types, send } = connection;
  if (config.binary === true) {
    if (plan.touched) throw refusal('binary results of an encrypted table', 'Leave binary out');
    return send({ ...config, values });
  }
  const given = values ?? [];
  const found = plan.expand === undefined ? [] : await findRows(connection, plan.expand, given, tenant);
  const drawn = await draw(connection, plan);
  const current = { engine: seam.engine, catalog, plan, values: given, drawn, tenant, found };
  const seal = takeParameters(current);
  const context = await seam.engine.begin(undefined);
  const sent = await seal(context);
  const name = config.name === undefined || plan.text === config.text ? config.name : rewrittenName(config.name);
  const all = values === undefined && sent.values.length === 0 ? undefined : sent.values;
  const result = await send({ ...config, text: plan.text, name, values: all, rowMode: 'array', types: raw });
  for (const one of Array.isArray(result) ? result : [result]) {
    const opened = await openResult(current, one.fields, one.rows as RawRow[], sent.asked, context);
    if (opened.rows.length < one.rows.length) one.rowCount = opened.rows.length;
    one.fields = opened.fields;
    one.rows = readRows(opened, config, types);
    one.rowAsArray = config.rowMode === 'array';
  }
  return result;
}

/** What the rows of an expansion are told by, as text. */
async function findRows(
  connection: Connection,
  { select, params, table }: Expansion,
  values: readonly unknown[],
  tenant: string | undefined,
): Promise<readonly RawRow[]> {
  const own = params.map((number) => values[number - 1]);
  const config = { text: select, rowMode: 'array', types: raw };
  const { rows } = (await runStatement(connection, config, own, tenant)) as PgResult;
  if (rows.length <= maxExpanded) return rows as RawRow[];
  throw new FieldError(
    'ERR_FIELD_LIMIT',
    `${table.key}: an UPDATE seals values for at most ${maxExpanded} rows: update them in parts`,
    { table: table.key },
  );
}

/** Values that the database makes, as text. */
async function draw({ draws, session, send }: Connection, plan: Plan): Promise<ReadonlyMap<string, string[]>> {
  assertDrawable(plan);
  const drawn = new Map<string, string[]>();
  // Where the statement asks which number was drawn last, that must be the one that it uses.
  const own = plan.sequences.asksFor === undefined ? session : { ...session, most: 0 };
  for (const step of plan.draws) {
    drawn.set(step.column, await draws.take(step, step.params.length, own, sqlRunner(send)));
  }
  if (plan.draws.length > 0) assertLastIsKnown(plan.sequences, session);
  return drawn;
}

/** A name stands for one text: PgBouncer and the server keep what was prepared under it. It has at most 63 bytes. */
function rewrittenName(name: string): string {
  return `bulla ${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

/** Rows as the caller asked for them, by the caller's parsers. */
function readRows(
  { fields, rows }: Pick<PgResult, 'fields'> & { readonly rows: readonly RawRow[] },
  { rowMode, types }: QueryConfig,
  own: Connection['types'],
): unknown[] {
  const source = types ?? own;
  const parsers = fields.map(({ dataTypeID }) => source.getTypeParser(dataTypeID, 'text'));
  const read = (row: RawRow) => row.map((text, i) => (text === null ? null : parsers[i]?.(text)));
  if (rowMode === 'array') return rows.map(read);
  return rows.map((row) => Object.fromEntries(read(row).map((value, i) => [fields[i]?.name ?? '', value])));
}
