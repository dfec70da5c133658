/** Values that the database makes for keys: drawn before a row is sealed, and some of them ahead of their use. `docs/fields.md` §6.9. */

import { BoundedMap } from '../../lib/bounded-map.ts';
import { type DrawStep, type Plan, refusal } from './plan.ts';
import type { SequenceUse } from './sequences.ts';
import type { RunSql } from './shadows.ts';

/** Milliseconds after which what was drawn ahead is not used any more. */
const maxAge = 10_000;
/** Nothing is drawn ahead of a sequence that has fewer numbers left. */
const enoughLeft = 65_536n;

/** What was drawn ahead from one expression, at one time. */
interface Stock {
  readonly values: string[];
  /** How many there were. */
  size: number;
  drawnAt: number;
  /** How many more than are needed the next draw brings. */
  ahead: number;
  isDrawing: boolean;
}

/** What is known of one connection. */
export interface DrawSession {
  /** Names of sequences, and of their tables, of which another number was used than the last one that was drawn here. */
  readonly others: Set<string>;
  /** Whether a sequence may have been restarted in the transaction: its numbers of now may come again. */
  isRestarted: boolean;
  /** Whether the connection says that it is in no transaction. */
  readonly isIdle: () => boolean;
  /** How many values it draws ahead, at most. */
  readonly most: number;
}

/** See the head of this file. What is drawn ahead is shared by the connections to a database. */
export class Draws {
  readonly #stocks = new Map<string, Stock>();

  /** The values of a column for so many rows, as text. */
  async take({ draw, table }: DrawStep, count: number, session: DrawSession, run: RunSql): Promise<string[]> {
    const stock = this.#stockOf(draw.expression);
    const ready = session.most === 0 ? [] : stock.values.splice(0, count);
    const names = draw.ahead === undefined || draw.ahead === 'random' ? [] : [draw.ahead.name, table.table];
    if (ready.length === count) {
      for (const name of names) session.others.add(name);
      return ready;
    }
    const missing = count - ready.length;
    // Two that find nothing draw both, since one may be in a transaction that waits; but only one of them draws ahead.
    const mayDraw = draw.ahead !== undefined && !stock.isDrawing && !isRestarted(session);
    const ahead = mayDraw ? Math.min(session.most, stock.ahead) : 0;
    const drawn = await drawFrom(stock, draw.expression, missing + ahead, run);
    for (const name of names) {
      if (ahead > 0) session.others.add(name);
      else session.others.delete(name);
    }
    if (ahead > 0) stock.size = stock.values.push(...drawn.slice(missing));
    stock.ahead = hasMany(draw.ahead, drawn.at(-1)) ? Math.min(session.most, 2 * stock.ahead + 1) : 0;
    return [...ready, ...drawn.slice(0, missing)];
  }

  /** Drops what was drawn ahead: a sequence may have been restarted. */
  forget(session: DrawSession): void {
    // Draws that are under way put theirs into what was dropped.
    this.#stocks.clear();
    session.isRestarted = true;
  }

  #stockOf(expression: string): Stock {
    const now = performance.now();
    const known = this.#stocks.get(expression);
    const age = known === undefined ? Number.POSITIVE_INFINITY : now - known.drawnAt;
    if (known !== undefined && age < maxAge) return known;
    // Half of what was used in that time, so that few are lost.
    const ahead = known === undefined || age > 2 * maxAge ? 0 : (known.size - known.values.length) >> 1;
    const stock = { values: [], size: 0, drawnAt: now, ahead, isDrawing: false };
    this.#stocks.set(expression, stock);
    return stock;
  }
}

/** What is used of a client of `pg`. */
interface DrawingClient {
  readonly connectionParameters?: Readonly<Record<string, unknown>>;
  /** Early versions of `pg` do not have it. */
  getTransactionStatus?(): unknown;
}

/** Databases of which values are kept. */
const maxDatabases = 1_000;

/** What was drawn ahead, by database: a restart that one client sees concerns all. */
export class DrawsOfDatabases {
  readonly #known = new BoundedMap<string, Draws>(maxDatabases);

  /** What a new client works with, which draws at most `most` values ahead. One that does not say where it connects to shares nothing. */
  open(client: DrawingClient, most: number): { readonly draws: Draws; readonly session: DrawSession } {
    const { host, port, database } = client.connectionParameters ?? {};
    const id = JSON.stringify([host, port, database]);
    const draws = (host === undefined ? undefined : this.#known.get(id)) ?? new Draws();
    this.#known.set(id, draws);
    const isIdle = () => client.getTransactionStatus?.() === 'I';
    return { draws, session: { others: new Set(), isRestarted: false, isIdle, most } };
  }
}

async function drawFrom(stock: Stock, expression: string, count: number, run: RunSql): Promise<string[]> {
  const isFirst = !stock.isDrawing;
  stock.isDrawing = true;
  try {
    const drawnAt = performance.now();
    const rows = await run(`SELECT (${expression})::text FROM generate_series(1, $1::int)`, [count]);
    if (isFirst) stock.drawnAt = drawnAt;
    return rows.map(([value]) => value as string);
  } finally {
    if (isFirst) stock.isDrawing = false;
  }
}

function isRestarted(session: DrawSession): boolean {
  if (session.isRestarted && session.isIdle()) session.isRestarted = false;
  return session.isRestarted;
}

/** Whether there are so many left that nobody misses those that are drawn and not used. */
function hasMany(ahead: DrawStep['draw']['ahead'], last: string | undefined): boolean {
  if (ahead === undefined || last === undefined) return false;
  return ahead === 'random' || (ahead.limit - BigInt(last)) / ahead.step >= enoughLeft;
}

/** Throws for a statement whose values cannot be drawn before it: of two tables at once, and of several rows between which it asks for the last number. */
export function assertDrawable({ draws, sequences }: Plan): void {
  if (new Set(draws.map(({ column }) => column)).size < draws.length) {
    throw refusal('inserts into several encrypted tables whose keys the database makes', 'Send a statement for each');
  }
  if (sequences.asksFor !== undefined && draws.some(({ params }) => params.length > 1)) {
    throw refusal('currval and lastval beside several new rows', 'Insert one row at a time, or use RETURNING');
  }
}

/** Throws where `currval` or `lastval` would answer another number than the one that was used. */
export function assertLastIsKnown({ asksFor }: SequenceUse, { others }: DrawSession): void {
  if (asksFor === undefined || others.size === 0) return;
  const names = [...others].map((name) => name.toLowerCase());
  const isOther =
    asksFor.length > 0 && !asksFor.some((text) => names.some((name) => text.toLowerCase().includes(name)));
  if (isOther) return;
  throw refusal(
    'currval and lastval do not know of numbers that were drawn ahead',
    'Use RETURNING, or set drawAhead to 0',
  );
}
