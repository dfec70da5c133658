/** Runs a command over its files: progress, results and failures, and the exit code. */

import { type PlainPath, shownPath } from '../node/paths.ts';
import type { NotKept } from '../node/replaced-file.ts';
import { removeTemporaries } from '../node/temporary-files.ts';
import type { Arguments, Option } from './arguments.ts';
import { describeFailure, exitCodes, type Failure } from './failure.ts';
import { holding } from './interruption.ts';
import type { Job } from './plan.ts';
import { isOnTerminal, pipe } from './same-file.ts';
import { printJson, say } from './standard-streams.ts';
import { type ProgressBar, progressBar, silentBar } from './terminal.ts';
import { noWords, type Words, words } from './words.ts';

/** What every command that works on files knows. */
export const commonOptions: readonly Option[] = [
  { name: 'json', help: 'prints one line of JSON for each file' },
  { name: 'quiet', short: 'q', help: 'no progress bar and no word of success' },
  { name: 'help', short: 'h', help: 'prints this' },
];

/** What the work on one file is given. */
export interface Work {
  readonly job: Job;
  readonly bar: ProgressBar;
}

/** What is printed of a result: for programs as it is, for people as `words`. */
export interface Result {
  readonly words: Words;
  /** What the new file could not take from the one that it replaced. */
  readonly notKept?: readonly NotKept[];
  readonly [name: string]: unknown;
}

/**
 * Does all jobs, `concurrency` of them at once (default: one after the other). A failure is reported and ends neither the others nor, before all are done,
 * the call. Of many at once, the progress bar counts files. A signal ends all of it, and takes away what is half written.
 */
export async function runJobs(
  args: Arguments,
  jobs: readonly Job[],
  work: (work: Work) => Promise<Result>,
  concurrency = 1,
): Promise<number> {
  const run = new Run(args, jobs, concurrency > 1);
  const waiting = jobs.values();
  const worker = async () => {
    for (const job of waiting) await run.one(job, work);
  };
  await holding(removeTemporaries, () =>
    Promise.all(Array.from({ length: Math.min(concurrency, jobs.length) }, worker)),
  );
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
  /** No bar: it would be drawn into a result that goes to the same terminal. */
  readonly #silent: boolean;
  #done = 0;

  constructor(args: Arguments, jobs: readonly Job[], together: boolean) {
    const outputs = [...jobs.map(({ output }) => output), args.get('detached') ?? ''];
    this.#args = args;
    this.#total = jobs.length;
    this.#silent = args.has('json') || args.has('quiet') || outputs.some(isOnTerminal);
    if (together) this.bar = progressBar(words`${jobs.length} files`, this.#silent, 'files');
  }

  async one(job: Job, work: (work: Work) => Promise<Result>): Promise<void> {
    const [json, quiet] = [this.#args.has('json'), this.#args.has('quiet')];
    const bar = this.bar ?? progressBar(words`${shownPath(job.input)}`, this.#silent);
    const own = this.bar === undefined ? bar : silentBar;
    try {
      if (job.failure !== undefined) throw job.failure;
      const { words: said, notKept = [], ...result } = await work({ job, bar: own });
      bar.clear();
      if (json) await printJson({ ...named(job), ...result, ...(notKept.length > 0 && { notKept }) });
      else if (!quiet && said.length > 0 && job.output !== pipe) await say(said);
      if (notKept.length > 0) await say(words`bulla: ${shownPath(job.output)}: ${describeNotKept(notKept)}`);
    } catch (error) {
      bar.clear();
      await this.#failed(describeFailure(error, this.#args), job);
    }
    this.bar?.update(++this.#done, this.#total);
  }

  async #failed(failure: Failure, job: Job): Promise<void> {
    if (this.exitCode === exitCodes.success) this.exitCode = failure.exitCode;
    const { code, message } = failure;
    // Where standard output is what failed, standard error and the exit code say so.
    if (this.#args.has('json')) await printJson({ ...named(job), error: { code, message } }).catch(() => {});
    await sayFailure(failure, shownPath(job.input));
  }
}

function describeNotKept(notKept: readonly NotKept[]): string {
  const lost = notKept.filter((what) => what !== 'hard links');
  return [
    ...(lost.length > 0 ? [`its ${lost.join(' and ')} could not be kept`] : []),
    ...(lost.length < notKept.length ? ['it has other names, which keep the old content'] : []),
  ].join('; ');
}

function named({ input, output }: Job) {
  const bytes = (name: 'inputBytes' | 'outputBytes', path: PlainPath) =>
    typeof path === 'string' ? {} : { [name]: path.toString('base64url') };
  const one = { input: shownPath(input), ...bytes('inputBytes', input) };
  return output === '' ? one : { ...one, output: shownPath(output), ...bytes('outputBytes', output) };
}

/** Says what failed, and on a second line what to do about it. */
export async function sayFailure({ code, message, hint }: Failure, input?: string): Promise<void> {
  const isNamed = input === undefined || input === pipe || message.endsWith(`: ${input}`);
  const where = isNamed ? noWords : words`${input}: `;
  await say(words`bulla: ${where}${message} (${code})`);
  if (hint !== undefined) await say(words`bulla: ${hint}`);
}
