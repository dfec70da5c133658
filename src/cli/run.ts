/** Runs a command over its files: signals, progress, results and failures, and the exit code. */

import type { Arguments, Option } from './arguments.ts';
import { describeFailure, exitCodes, type Failure, Interrupted } from './failure.ts';
import { type Job, pipe } from './files.ts';
import { type ProgressBar, printable, progressBar, say } from './terminal.ts';

/** What every command that works on files knows. */
export const commonOptions: readonly Option[] = [
  { name: 'json', help: 'prints one line of JSON for each file' },
  { name: 'quiet', short: 'q', help: 'no progress bar and no word of success' },
  { name: 'help', short: 'h', help: 'prints this' },
];

/** A command: its words, its options, and what it does. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What stands behind the command's name. */
  readonly synopsis: string;
  /** What the help says beyond options. */
  readonly details: string;
  readonly options: readonly Option[];
  /** Does the work and gives the exit code. Failures of the whole call reject. */
  run(args: Arguments, signal: AbortSignal): Promise<number>;
}

/** What the work on one file is given. */
export interface Work {
  readonly job: Job;
  readonly signal: AbortSignal;
  readonly bar: ProgressBar;
}

/** What is printed of a result: for programs as it is, for people as `words`. */
export interface Result {
  readonly words: string;
  readonly [name: string]: unknown;
}

/** Does one job after the other. A failure is reported and ends neither the others nor, before all are done, the call. */
export async function runJobs(
  args: Arguments,
  jobs: readonly Job[],
  signal: AbortSignal,
  work: (work: Work) => Promise<Result>,
): Promise<number> {
  const [json, quiet] = [args.has('json'), args.has('quiet')];
  let exitCode: number = exitCodes.success;
  for (const job of jobs) {
    const bar = progressBar(job.input, json || quiet);
    try {
      const { words, ...result } = await work({ job, signal, bar });
      bar.clear();
      if (json) printJson({ ...named(job), ...result });
      else if (!quiet && words !== '' && job.output !== pipe) say(words);
    } catch (error) {
      bar.clear();
      const failure = describeFailure(signal.aborted ? signal.reason : error);
      if (json) printJson({ ...named(job), error: { code: failure.code, message: failure.message } });
      sayFailure(failure, job.input);
      if (signal.aborted) return failure.exitCode;
      if (exitCode === exitCodes.success) exitCode = failure.exitCode;
    }
  }
  return exitCode;
}

function named({ input, output }: Job) {
  return output === '' ? { input } : { input, output };
}

/** Says what failed, and on a second line what to do about it. */
export function sayFailure({ code, message, hint }: Failure, input?: string): void {
  const where = input === undefined || input === pipe ? '' : `${printable(input)}: `;
  say(`bulla: ${where}${printable(message)} (${code})`);
  if (hint !== undefined) say(`bulla: ${hint}`);
}

/** One line of JSON on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** A signal that Ctrl-C and requests to end abort, so that whatever is half done is taken away before the process ends. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => controller.abort(new Interrupted(name)));
  }
  return controller.signal;
}
