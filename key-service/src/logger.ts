/** Structured logs with redaction: whatever may hold a key, a token or a context never reaches a line. */

import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';
import type { IntegrityError } from './errors.ts';
import type { Clock } from './lib/clock.ts';
import { LruMap } from './lib/lru.ts';

const secretNames = [
  'authorization',
  'dpop',
  'access_token',
  'subject_token',
  'token',
  'key_context',
  'sealed_key',
  'wrapped_key',
  'secret',
];

/** Reasons of one kind that are said in a minute, and kinds that are told apart. */
const maxReasons = 20;
const maxKinds = 1000;
const quietMs = 60_000;

/** Reasons that differ in nothing but what they name. */
interface Kind {
  /** When each was said. */
  readonly said: Map<string, number>;
  unsaid: number;
}

/** Options of {@link DistrustLog}. */
export interface DistrustOptions {
  /** In milliseconds. Default: `performance.now`. */
  readonly monotonic?: Clock | undefined;
  /** Told of everything, said or not. Default: nobody. */
  readonly count?: (() => void) | undefined;
}

/** Says what is not to be trusted: each reason once a minute, however many requests come upon it; many of one kind keep none of another quiet. */
export class DistrustLog {
  readonly #logger: Pick<Logger, 'fatal'>;
  readonly #monotonic: Clock;
  readonly #count: () => void;
  readonly #kinds = new LruMap<string, Kind>(maxKinds);

  constructor(
    logger: Pick<Logger, 'fatal'>,
    { monotonic = () => performance.now(), count = () => undefined }: DistrustOptions = {},
  ) {
    this.#logger = logger;
    this.#monotonic = monotonic;
    this.#count = count;
  }

  /** Says why, unless it was said within a minute, or much of its kind was: the next line of that kind counts that. */
  say(error: IntegrityError, what: string): void {
    this.#count();
    const now = this.#monotonic();
    const name = kindOf(error);
    const kind = this.#kinds.get(name) ?? { said: new Map(), unsaid: 0 };
    this.#kinds.set(name, kind);
    for (const [reason, at] of kind.said) if (now - at >= quietMs) kind.said.delete(reason);
    if (kind.said.has(error.message) || kind.said.size >= maxReasons) {
      kind.unsaid += 1;
      return;
    }
    kind.said.set(error.message, now);
    this.#logger.fatal({ err: error, ...(kind.unsaid > 0 ? { unsaid: kind.unsaid } : {}) }, what);
    kind.unsaid = 0;
  }
}

/** The message up to the key or tenant that it names, without numbers. A name may be anything that somebody wrote to the database, so what follows it tells nothing apart. */
function kindOf({ message }: IntegrityError): string {
  return message.replace(/\b(key-|tenant ).*/s, '$1').replace(/\d+/g, '');
}

/** Logs to standard error, a JSON object a line. */
export function createLogger(level: Config['log_level']): Logger {
  const redact = { paths: secretNames.flatMap((name) => [name, `*.${name}`, `headers.${name}`]), censor: '[redacted]' };
  const destination = pino.destination({ dest: 2, sync: true });
  return pino(
    { level, redact, base: { service: 'bulla-key-service' }, serializers: { err: errorFields } },
    destination,
  );
}

// Of `cause` the code alone, and no further members: drivers put values of rows there.
function errorFields(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name: type, message, stack, cause } = error;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return { type, message, stack, ...(typeof code === 'string' ? { cause: code.slice(0, 64) } : {}) };
}
