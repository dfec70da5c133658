/** A client of `pg` whose statements go through the seam. */

import { copy, isBytes } from '../../lib/bytes.ts';
import { cursorOf, openingCursor, type Submittable } from './cursors.ts';
import { isGuarded, shreddedMeanwhile } from './guard.ts';
import { refusal } from './plan.ts';
import { type GetTypeParser, type PgResult, type QueryConfig, runStatement } from './run.ts';
import type { Seam } from './seam.ts';

/** What is used of a client of `pg`. */
export interface PgClient {
  query(...args: readonly never[]): unknown;
}

/** The class of such a client. */
export type PgClientClass = new (...args: readonly never[]) => PgClient;

type Callback = (error: unknown, result?: unknown) => void;
type GivenConfig = QueryConfig & { readonly values?: readonly unknown[]; readonly callback?: Callback };

/** A class of clients whose statements go through the seam. Each draws at most `drawAhead` values ahead of a key that the database makes. */
export function encryptedClientClass<Class extends PgClientClass>(Client: Class, seam: Seam, drawAhead: number): Class {
  class EncryptedClient extends (Client as PgClientClass) {
    /** What `pg` reads of a client with `binary: true`. */
    declare readonly binary?: boolean;
    declare readonly connection: unknown;
    /** The parsers of this client. */
    declare readonly getTypeParser: GetTypeParser;
    /** Statements are sent in the order of the calls, although what is done before takes its time. */
    #last: Promise<unknown> = Promise.resolve();
    readonly #drawing = seam.draws.open(this as object, drawAhead);

    override query(...args: readonly unknown[]): unknown {
      const [first] = args;
      if (first === null || first === undefined) throw new TypeError('query must be a string or an object');
      if (typeof (first as { submit?: unknown }).submit === 'function') return this.#submit(args);
      const { values, callback, ...config } = (
        typeof first === 'string' ? { text: first } : { ...(first as GivenConfig) }
      ) as GivenConfig;
      if (typeof config.text !== 'string') throw new TypeError('query.text must be a string');
      const given = Array.isArray(args[1]) ? args[1] : values;
      const taken = given?.map(takeParameter);
      const { tenant } = seam;
      const result = this.#last.then(() => this.#run(config, taken, tenant));
      this.#last = result.catch(() => undefined);
      const told = (args.find((arg) => typeof arg === 'function') as Callback | undefined) ?? callback;
      if (told === undefined) return result;
      result.then(
        (value) => told(null, value),
        (error: unknown) => told(error),
      );
      return undefined;
    }

    /** Cursors and streams are prepared in their turn. */
    #submit(args: readonly unknown[]): unknown {
      const pass = (all: readonly unknown[]): unknown => super.query(...(all as never[]));
      const query = args[0] as Submittable;
      const cursor = cursorOf(query);
      if (cursor === undefined) return submitOther(args, seam, this.connection, pass);
      const [given, { tenant }] = [cursor.values?.map(takeParameter), seam];
      const submitted = this.#last.then(async () => {
        const connection = { seam, ...this.#drawing, send: this.#send };
        pass([await openingCursor(connection, query, cursor, given, tenant, this.binary === true), ...args.slice(1)]);
      });
      this.#last = submitted.catch((error: unknown) => query.handleError(error, this.connection));
      return query;
    }

    #run(config: QueryConfig, values: readonly unknown[] | undefined, tenant: string | undefined): Promise<unknown> {
      const types = { getTypeParser: (oid: number, format?: string) => this.getTypeParser(oid, format) };
      const binary = config.binary ?? this.binary;
      return runStatement({ seam, ...this.#drawing, types, send: this.#send }, { ...config, binary }, values, tenant);
    }

    readonly #send = (query: object): Promise<PgResult> =>
      (super.query(query as never) as Promise<PgResult>).catch((error: unknown) => heard(error, seam));
  }
  return EncryptedClient as unknown as Class;
}

/** A parameter, copied when it is given: the caller may change it while the statement waits for its turn. */
function takeParameter(value: unknown): unknown {
  if (isBytes(value)) return copy(value);
  if (Array.isArray(value)) return value.map(takeParameter);
  if (value instanceof Date) return new Date(value);
  const prototype: unknown = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== Object.prototype && prototype !== null) return value;
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    // What has no JSON text is refused when it is sent or sealed.
    return value;
  }
}

/** What reads rows by itself and is neither a cursor nor a stream: it is for statements without encrypted tables. */
function submitOther(
  args: readonly unknown[],
  seam: Seam,
  connection: unknown,
  pass: (args: readonly unknown[]) => unknown,
): unknown {
  const query = args[0] as { text?: unknown; handleError?: (error: unknown, connection: unknown) => void };
  if (typeof query.text === 'string' && !mayMention(query.text, seam)) return pass(args);
  const what = 'an encrypted table in something that reads rows by itself';
  const error = refusal(what, 'Use query(), pg-cursor or pg-query-stream');
  if (query.handleError === undefined) throw error;
  // As `pg` refuses: those who read it hear of it there.
  process.nextTick(() => query.handleError?.(error, connection));
  return query;
}

/** Throws an error of the server. Of a shredded subject this process had not heard. */
function heard(error: unknown, { engine }: Seam): never {
  if (!isGuarded(error)) throw error;
  engine.settings.keys.forget();
  throw shreddedMeanwhile();
}

/** Whether a text may name an encrypted table, in whatever case or escape. */
function mayMention(text: string, { engine }: Seam): boolean {
  const lower = text.toLowerCase();
  if (lower.includes('u&"')) return true;
  return [...engine.settings.tables.values()].some(({ table }) => lower.includes(table.toLowerCase()));
}
