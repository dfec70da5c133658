/** Structured logs with redaction: whatever may hold a key, a token or a context never reaches a line. */

import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';

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
