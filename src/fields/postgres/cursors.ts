/** Cursors and streams (`pg-cursor`, `pg-query-stream`) over encrypted tables: each batch of rows is opened when it arrives, `docs/fields.md` §6.8. */

import { assertLastIsKnown } from './draws.ts';
import { takeParameters } from './parameters.ts';
import { dropsRows, type Plan, refusal } from './plan.ts';
import { openResult, type RawRow, type ResultField } from './results.ts';
import { type Connection, sqlRunner } from './run.ts';

/** What is used of a cursor. */
export interface Cursor {
  text: string;
  values: unknown[] | null;
  read(...args: readonly never[]): unknown;
}

/** What a client of `pg` tells a cursor or stream, and what it reads of it. */
export interface Submittable {
  callback?: unknown;
  readonly _result?: unknown;
  submit(connection: unknown): unknown;
  handleRowDescription(message: { readonly fields: readonly ResultField[] }): void;
  handleDataRow(message: { readonly fields: RawRow }): void;
  handlePortalSuspended(connection: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
  handleReadyForQuery(connection: unknown): void;
  handleEmptyQuery(connection: unknown): void;
  handleError(error: unknown, connection: unknown): void;
}

/** Opens rows of a result, all or none. */
type Open = (
  fields: readonly ResultField[],
  rows: readonly RawRow[],
) => Promise<{ readonly fields: readonly ResultField[]; readonly rows: readonly RawRow[] }>;

/** The cursor that something is or, as a stream, has. */
export function cursorOf(query: unknown): Cursor | undefined {
  const cursor = (query as { readonly cursor?: unknown }).cursor ?? query;
  const { text, read } = cursor as Partial<Cursor>;
  return typeof text === 'string' && typeof read === 'function' ? (cursor as Cursor) : undefined;
}

/** Prepares a cursor for a tenant: its text becomes what is sent. */
export async function openingCursor(
  { seam, session, send }: Pick<Connection, 'seam' | 'session' | 'send'>,
  query: Submittable,
  cursor: Cursor,
  given: readonly unknown[] | undefined,
  tenant: string | undefined,
  isBinary: boolean,
): Promise<OpeningCursor> {
  const { plan, catalog } = await seam.plan(cursor.text, sqlRunner(send));
  assertReads(plan, isBinary);
  assertLastIsKnown(plan.sequences, session);
  const current = { engine: seam.engine, catalog, plan, values: given ?? [], drawn: new Map(), tenant, found: [] };
  const seal = takeParameters(current);
  const { values, asked } = await seal(await seam.engine.begin(undefined));
  cursor.text = plan.text;
  cursor.values = given === undefined && values.length === 0 ? null : values;
  return new OpeningCursor(query, async (fields, rows) =>
    openResult(current, fields, rows, asked, await seam.engine.begin(undefined)),
  );
}

function assertReads(plan: Plan, isBinary: boolean): void {
  if (isBinary && plan.touched) throw refusal('binary results of an encrypted table', 'Leave binary out');
  if (plan.seals.length > 0 || plan.draws.length > 0 || plan.expand !== undefined)
    throw refusal('a cursor or stream that writes to an encrypted table', 'Write with query()');
  if (plan.sequences.mayRestart)
    throw refusal('a cursor or stream that may restart a sequence', 'Send the statement with query()');
  // A batch that is smaller than what was asked for would be taken for the last one.
  const dropping = plan.searches.find(({ finds }) => finds !== 'equal');
  if (dropping !== undefined) throw dropsRows(dropping.field, dropping.finds, 'and without a cursor or stream');
}

/** Stands between a client of `pg` and a cursor: hands it batches of opened rows, in the order in which they came. */
export class OpeningCursor implements Submittable {
  readonly #inner: Submittable;
  readonly #open: Open;
  #connection: unknown;
  #fields: readonly ResultField[] = [];
  #rows: RawRow[] = [];
  #isFailed = false;
  #last: Promise<void> = Promise.resolve();

  constructor(inner: Submittable, open: Open) {
    this.#inner = inner;
    this.#open = open;
  }

  /** `pg` sets the callback of a call, and the parsers of the client in the result. */
  get callback(): unknown {
    return this.#inner.callback;
  }

  set callback(callback: unknown) {
    this.#inner.callback = callback;
  }

  get _result(): unknown {
    return this.#inner._result;
  }

  submit(connection: unknown): unknown {
    this.#connection = connection;
    return this.#inner.submit(connection);
  }

  handleRowDescription(message: { readonly fields: readonly ResultField[] }): void {
    this.#fields = message.fields;
    this.#then(async () => {
      const { fields } = await this.#open(message.fields, []);
      this.#inner.handleRowDescription({ ...message, fields });
    });
  }

  handleDataRow({ fields }: { readonly fields: RawRow }): void {
    this.#rows.push([...fields]);
  }

  handlePortalSuspended(connection: unknown): void {
    this.#deliver(() => this.#inner.handlePortalSuspended(connection));
  }

  handleCommandComplete(message: unknown, connection: unknown): void {
    this.#deliver(() => this.#inner.handleCommandComplete(message, connection));
  }

  handleReadyForQuery(connection: unknown): void {
    this.#then(() => this.#inner.handleReadyForQuery(connection));
  }

  handleEmptyQuery(connection: unknown): void {
    this.#then(() => this.#inner.handleEmptyQuery(connection));
  }

  handleError(error: unknown): void {
    this.#then(() => {
      throw error;
    });
  }

  /** The server sends no more than was asked for: a batch is what came until it says that it waits, or is done. */
  #deliver(then: () => void): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#then(async () => {
      const opened = await this.#open(this.#fields, rows);
      for (const fields of opened.rows) this.#inner.handleDataRow({ fields });
      then();
    });
  }

  /** One after the other. After an error, which the cursor hears of once, nothing more is handed on. */
  #then(work: () => void | Promise<void>): void {
    this.#last = this.#last.then(async () => {
      if (this.#isFailed) return;
      try {
        await work();
      } catch (error) {
        this.#isFailed = true;
        this.#inner.handleError(error, this.#connection);
      }
    });
  }
}
