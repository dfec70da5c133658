/** The seam in `pg`: a client that seals parameters and opens results. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { FieldError } from '../../errors.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Engine } from '../engine.ts';
import { analyse } from './analyse.ts';
import { type Catalog, readCatalog } from './catalog.ts';
import { takeParameters } from './parameters.ts';
import { loadParser, type Parse } from './parser.ts';
import { type Plan, refusal } from './plan.ts';
import { openResult, type RawRow, type ResultField } from './results.ts';

/** What is used of a client of `pg`. */
export interface PgClient {
  query(...args: readonly never[]): unknown;
}

/** The class of such a client. */
export type PgClientClass = new (...args: readonly never[]) => PgClient;

interface PgResult {
  fields: readonly ResultField[];
  rows: unknown[];
}

type GetTypeParser = (oid: number, format?: string) => (text: string) => unknown;

interface QueryConfig {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  readonly rowMode?: string;
  readonly binary?: boolean;
  readonly types?: { readonly getTypeParser: GetTypeParser };
}

type Callback = (error: unknown, result?: unknown) => void;

const maxPlans = 10_000;
const tenants = new AsyncLocalStorage<string>();

/** Runs a function for a tenant: its statements, and those of what it calls, seal, open and search that tenant's cells. */
export function runWithTenant<Result>(tenant: string, work: () => Result): Result {
  return tenants.run(tenant, work);
}

/** What all clients of one field encryption share: plans by the text of their statement, and the catalog. */
export class Seam {
  readonly engine: Engine;
  readonly #plans = new BoundedMap<string, Plan | FieldError>(maxPlans);
  #ready: Promise<{ parse: Parse; catalog: Catalog }> | undefined;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** The plan of a statement; analysed once. */
  async plan(
    text: string,
    run: (text: string, values: readonly unknown[]) => Promise<RawRow[]>,
  ): Promise<{ plan: Plan; catalog: Catalog }> {
    const { parse, catalog } = await this.#prepare(run);
    const known = this.#plans.get(text) ?? this.#analyse(text, parse, catalog);
    this.#plans.set(text, known);
    if ('code' in known) throw new FieldError(known.code, known.message, known);
    return { plan: known, catalog };
  }

  #analyse(text: string, parse: Parse, catalog: Catalog): Plan | FieldError {
    try {
      return analyse(text, parse, this.engine.settings.tables.values(), catalog);
    } catch (error) {
      if (error instanceof FieldError) return error;
      // No SQL that the parser knows: the server says what is wrong with it, or it is refused there as well.
      if ((error as { sqlDetails?: unknown }).sqlDetails === undefined) throw error;
      return refusal('the statement cannot be parsed', (error as Error).message);
    }
  }

  #prepare(run: (text: string, values: readonly unknown[]) => Promise<RawRow[]>) {
    this.#ready ??= (async () => {
      const parse = await loadParser();
      return { parse, catalog: await readCatalog(this.engine.settings.tables.values(), run) };
    })().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }
}

const raw: { readonly getTypeParser: GetTypeParser } = { getTypeParser: () => (text) => text };

/** A class of clients whose statements go through the seam. */
export function encryptedClientClass<Class extends PgClientClass>(
  Client: Class,
  seam: Seam,
  defaults: { readonly getTypeParser: GetTypeParser },
): Class {
  class EncryptedClient extends (Client as PgClientClass) {
    /** Statements are sent in the order of the calls, although what is done before takes its time. */
    #last: Promise<unknown> = Promise.resolve();

    override query(...args: readonly unknown[]): unknown {
      const [first] = args;
      const callback = args.find((arg) => typeof arg === 'function') as Callback | undefined;
      const isSubmittable = typeof (first as { submit?: unknown } | undefined)?.submit === 'function';
      if (isSubmittable) return this.#submit(args);
      const config = { ...(typeof first === 'string' ? { text: first } : (first as QueryConfig)) };
      const given = Array.isArray(args[1]) ? args[1] : config.values;
      const taken = given === undefined ? undefined : [...given];
      const tenant = tenants.getStore() ?? seam.engine.settings.tenant;
      const result = this.#last.then(() => this.#run(config, taken, tenant));
      this.#last = result.catch(() => undefined);
      if (callback === undefined) return result;
      result.then(
        (value) => callback(null, value),
        (error: unknown) => callback(error),
      );
      return undefined;
    }

    /** Cursors and streams read rows by themselves: they are for statements without encrypted columns. */
    #submit(args: readonly unknown[]): unknown {
      const { text } = args[0] as { text?: unknown };
      const mentioned = [...seam.engine.settings.tables.values()].some(
        ({ table }) => typeof text !== 'string' || text.includes(table),
      );
      if (mentioned)
        throw refusal('a cursor or stream over an encrypted table', 'Read pages by the primary key with query()');
      return super.query(...(args as never[]));
    }

    #run(config: QueryConfig, values: readonly unknown[] | undefined, tenant: string | undefined): Promise<unknown> {
      return runStatement(
        { seam, defaults, send: (query) => super.query(query as never) as Promise<PgResult> },
        config,
        values,
        tenant,
      );
    }
  }
  return EncryptedClient as unknown as Class;
}

interface Connection {
  readonly seam: Seam;
  readonly defaults: { readonly getTypeParser: GetTypeParser };
  readonly send: (query: object) => Promise<PgResult | PgResult[]>;
}

async function runStatement(
  { seam, defaults, send }: Connection,
  config: QueryConfig,
  values: readonly unknown[] | undefined,
  tenant: string | undefined,
): Promise<unknown> {
  const run = async (text: string, more: readonly unknown[]) => {
    const result = await send({ text, values: more, rowMode: 'array', types: raw });
    return (result as PgResult).rows as RawRow[];
  };
  const { plan, catalog } = await seam.plan(config.text, run);
  if (config.binary === true) {
    if (plan.touched) throw refusal('binary results of an encrypted table', 'Leave binary out');
    return send({ ...config, values });
  }
  const current = { engine: seam.engine, catalog, plan, values: values ?? [], drawn: await draw(plan, run), tenant };
  const seal = takeParameters(current);
  const context = await seam.engine.begin(undefined);
  const sent = await seal(context);
  const name = config.name === undefined || plan.text === config.text ? config.name : rewrittenName(config.name);
  const all = values === undefined && sent.values.length === 0 ? undefined : sent.values;
  const result = await send({ ...config, text: plan.text, name, values: all, rowMode: 'array', types: raw });
  for (const one of Array.isArray(result) ? result : [result]) {
    one.fields = await openResult(current, one.fields, one.rows as RawRow[], sent.asked, context);
    one.rows = readRows(one, config, defaults);
  }
  return result;
}

/** Values that the database makes, as text. */
async function draw({ draws }: Plan, run: (text: string, values: readonly unknown[]) => Promise<RawRow[]>) {
  const drawn = new Map<string, string[]>();
  for (const { column, expression, params } of draws) {
    const rows = await run(`SELECT (${expression})::text FROM generate_series(1, $1::int)`, [params.length]);
    drawn.set(
      column,
      rows.map(([value]) => value as string),
    );
  }
  return drawn;
}

/** A name stands for one text: PgBouncer and the server keep what was prepared under it. */
function rewrittenName(name: string): string {
  return `bulla ${name}`.slice(0, 63);
}

/** Rows as the caller asked for them, by the caller's parsers. */
function readRows(
  { fields, rows }: PgResult,
  { rowMode, types }: QueryConfig,
  defaults: { readonly getTypeParser: GetTypeParser },
): unknown[] {
  const source = types ?? defaults;
  const parsers = fields.map(({ dataTypeID }) => source.getTypeParser(dataTypeID, 'text'));
  const read = (row: RawRow) => row.map((text, i) => (text === null ? null : parsers[i]?.(text)));
  if (rowMode === 'array') return (rows as RawRow[]).map(read);
  return (rows as RawRow[]).map((row) =>
    Object.fromEntries(read(row).map((value, i) => [fields[i]?.name ?? '', value])),
  );
}
