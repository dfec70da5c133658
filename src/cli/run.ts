/** Runs a command over its files: signals, progress, results and failures, and the exit code. */

import type { Arguments, Option } from './arguments.ts';
import { describeFailure, exitCodes, type Failure, Interrupted } from './failure.ts';
import { type Job, pipe } from './files.ts';
import { type ProgressBar, printable, progressBar, say, silentBar } from './terminal.ts';

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

/**
 * Does all jobs, `concurrency` of them at once (default: one after the other). A failure is reported and ends neither the others nor, before all are done,
 * the call. Of many at once, the progress bar counts files.
 */
export async function runJobs(
  args: Arguments,
  jobs: readonly Job[],
  signal: AbortSignal,
  work: (work: Work) => Promise<Result>,
  concurrency = 1,
): Promise<number> {
  const run = new Run(args, jobs.length, concurrency > 1);
  const waiting = jobs.values();
  const worker = async () => {
    for (const job of waiting) {
      await run.one(job, signal, work);
      if (signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, jobs.length) }, worker));
  run.bar?.clear();
  return run.exitCode;
}

/** What the jobs of a call share. */
class Run {
  exitCode: number = exitCodes.success;
  /** The one of all files, where many are done at once. */
  readonly bar: ProgressBar | undefined;
  readonly #args: Arguments;
  readonly #total: number;
  #done = 0;

  constructor(args: Arguments, total: number, together: boolean) {
    this.#args = args;
    this.#total = total;
    if (together) this.bar = progressBar(`${total} files`, args.has('json') || args.has('quiet'), 'files');
  }

  async one(job: Job, signal: AbortSignal, work: (work: Work) => Promise<Result>): Promise<void> {
    const [json, quiet] = [this.#args.has('json'), this.#args.has('quiet')];
    const bar = this.bar ?? progressBar(job.input, json || quiet);
    const own = this.bar === undefined ? bar : silentBar;
    try {
      const { words, ...result } = await work({ job, signal, bar: own });
      bar.clear();
      if (json) printJson({ ...named(job), ...result });
      else if (!quiet && words !== '' && job.output !== pipe) say(words);
    } catch (error) {
      bar.clear();
      this.#failed(describeFailure(signal.aborted ? signal.reason : error, this.#args), job, signal.aborted);
    }
    this.bar?.update(++this.#done, this.#total);
  }

  #failed(failure: Failure, job: Job, aborted: boolean): void {
    // Of many at once, an interruption is said once.
    if (aborted && this.exitCode === failure.exitCode) return;
    if (this.#args.has('json')) {
      printJson({ ...named(job), error: { code: failure.code, message: failure.message } });
    }
    sayFailure(failure, job.input);
    if (this.exitCode === exitCodes.success || aborted) this.exitCode = failure.exitCode;
  }
}

function named({ input, output }: Job) {
  return output === '' ? { input } : { input, output };
}

/** Says what failed, and on a second line what to do about it. */
export function sayFailure({ code, message, hint }: Failure, input?: string): void {
  const named = input === undefined || input === pipe || message.endsWith(`: ${input}`);
  const where = named ? '' : `${printable(input)}: `;
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
