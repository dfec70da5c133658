/** The options of a command, and what is said to who uses it wrongly. */

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { OperatorError } from '../errors.ts';

/** A command that was used wrongly: exit code 2. */
export class UsageError extends OperatorError {}

/** The values of options; `required` ones must be given. Throws `UsageError`. */
export function readOptions<T extends ParseArgsOptionsConfig>(
  args: string[],
  options: T,
  required: readonly (keyof T & string)[] = [],
) {
  const parsed = parse(args, options);
  const values = parsed.values as Record<string, string | boolean | string[] | undefined>;
  const missing = required.filter((name) => values[name] === undefined || values[name] === '');
  if (missing.length > 0) throw new UsageError(`${missing.map((name) => `--${name}`).join(', ')} missing`);
  return parsed;
}

function parse<T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // The rest is about arguments that begin with a dash, which no command here takes.
    throw new UsageError(
      error.message.replace(/\. To specify a positional argument.*/s, '').replace(/\. This command.*/s, ''),
    );
  }
}
