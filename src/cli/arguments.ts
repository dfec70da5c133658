/** Takes a command's arguments apart: every option is known, and every value is of its form. */

import { parseArgs } from 'node:util';
import { UsageError } from './failure.ts';

/** How an option is written, what it means, and what it is followed by. */
export interface Option {
  /** The long name, without the two dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What stands behind it, such as `FILE`; without it the option is a switch. */
  readonly value?: string;
  /** Whether it may be given more than once. */
  readonly multiple?: boolean;
  /** The option without which it has no use. */
  readonly needs?: string;
  /** Options that it contradicts. */
  readonly excludes?: readonly string[];
  /** One line for the help text. */
  readonly help: string;
}

/** The arguments of one call. */
export class Arguments {
  /** What is no option, in order. */
  readonly files: readonly string[];
  readonly #values: Record<string, unknown>;

  constructor(files: readonly string[], values: Record<string, unknown>) {
    this.files = files;
    this.#values = values;
  }

  /** Whether a command that works on files works on standard input. */
  get readsStandardInput(): boolean {
    return this.files.length === 0 || this.files.includes('-');
  }

  /** Whether a switch was given. */
  has(name: string): boolean {
    return this.#values[name] === true;
  }

  /** Whether an option was given, of whatever kind. */
  given(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  /** The value of an option, or `undefined`. */
  get(name: string): string | undefined {
    return this.#values[name] as string | undefined;
  }

  /** The values of an option that may be repeated. */
  all(name: string): readonly string[] {
    return (this.#values[name] ?? []) as string[];
  }

  /** A whole number from `least` on, or `undefined`. Throws a {@link UsageError}. */
  integer(name: string, least: number): number | undefined {
    const text = this.get(name);
    if (text === undefined) return undefined;
    const number = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) {
      throw new UsageError(`--${name} takes a whole number${least > 0 ? ` from ${least} on` : ''}`);
    }
    return number;
  }

  /** The pairs of an option of the form `name=value`. Throws a {@link UsageError}, without the value. */
  pairs(name: string): Record<string, string> {
    const pairs: Record<string, string> = Object.create(null);
    for (const text of this.all(name)) {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageError(`--${name} takes name=value`);
      const key = text.slice(0, at);
      if (key in pairs) throw new UsageError(`--${name} has the name ${JSON.stringify(key)} twice`);
      pairs[key] = text.slice(at + 1);
    }
    return pairs;
  }
}

/** Parses what stands behind a command's name. Throws a {@link UsageError}. */
export function parseArguments(args: readonly string[], options: readonly Option[]): Arguments {
  assertUtf8(args);
  const config = Object.fromEntries(
    options.map(({ name, short, value, multiple = false }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple, ...(short && { short }) },
    ]),
  );
  try {
    const parsed = parseArgs({ args: [...args], options: config, allowPositionals: true, strict: true, tokens: true });
    assertOnce(parsed.tokens, options);
    return new Arguments(parsed.positionals, parsed.values);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(parseFailure(error as Error & { code?: string }));
  }
}

/** Node has put a replacement character where an argument was no UTF-8, whichever bytes were there. */
function assertUtf8(args: readonly string[]): void {
  const lossy = args.find((text) => text.includes('\ufffd') || /\p{Surrogate}/u.test(text));
  if (lossy === undefined) return;
  const [option] = /^--?[\w-]+/.exec(lossy) ?? [];
  const which = option === undefined ? 'An argument' : `The argument of ${option}`;
  const hint = 'a file with such a name works as standard input, or in a folder with --recursive';
  throw new UsageError(`${which} is not UTF-8, or has a replacement character (U+FFFD)`, hint);
}

function assertOnce(tokens: readonly { kind: string; name?: string }[], options: readonly Option[]): void {
  const seen = new Set<string>();
  for (const { kind, name } of tokens) {
    if (kind !== 'option' || name === undefined) continue;
    const { multiple, value } = options.find((option) => option.name === name) as Option;
    if (seen.has(name) && value !== undefined && multiple !== true) throw new UsageError(`--${name} is given twice`);
    seen.add(name);
  }
}

/** Node's message, cut to its first sentence and without the values that it may repeat. */
function parseFailure({ code, message }: Error & { code?: string }): string {
  const option = /'(?:-\w, )?(--?[\w-]+)/.exec(message)?.[1] ?? '';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `There is no option ${option}`;
  if (message.includes('does not take an argument')) return `${option} takes no value`;
  const isAmbiguous = message.includes('ambiguous') && option.startsWith('--');
  return `${option} needs a value${isAmbiguous ? `; one that begins with a hyphen is written ${option}=VALUE` : ''}`;
}
