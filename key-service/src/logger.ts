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

/** Lines a minute that say what is not to be trusted, and reasons that are told apart. */
const maxLines = 100;
const maxReasons = 1000;
const quietMs = 60_000;

/** Says what is not to be trusted: each reason once a minute, however many requests come upon it. */
export class DistrustLog {
  readonly #logger: Pick<Logger, 'fatal'>;
  readonly #monotonic: Clock;
  readonly #said = new LruMap<string, { readonly at: number; unsaid: number }>(maxReasons);
  #lines: number[] = [];

  /** `monotonic` is in milliseconds. Default: `performance.now`. */
  constructor(logger: Pick<Logger, 'fatal'>, monotonic: Clock = () => performance.now()) {
    this.#logger = logger;
    this.#monotonic = monotonic;
  }

  /** Says why, unless it was said within a minute: the next line counts that. */
  say(error: IntegrityError, what: string): void {
    const now = this.#monotonic();
    const said = this.#said.get(error.message);
    this.#lines = this.#lines.filter((at) => now - at < quietMs);
    if ((said && now - said.at < quietMs) || this.#lines.length >= maxLines) {
      if (said) said.unsaid += 1;
      return;
    }
    this.#lines.push(now);
    this.#said.set(error.message, { at: now, unsaid: 0 });
    this.#logger.fatal({ err: error, ...(said?.unsaid ? { unsaid: said.unsaid } : {}) }, what);
  }
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
