/** What can be told of outputs before anybody is asked for a passphrase. */

import { findTarget } from '../node/replaced-file.ts';
import type { Arguments } from './arguments.ts';
import { isRegularOutput } from './files.ts';
import type { Job } from './plan.ts';
import { isStandardOutput } from './same-file.ts';

/** The jobs, with the failure of those that cannot write to their output or to `also`. Files are looked at again when they are written. */
export async function checkOutputs(args: Arguments, jobs: readonly Job[], also?: string): Promise<readonly Job[]> {
  const check = async (job: Job): Promise<Job> => {
    if (job.failure !== undefined) return job;
    try {
      for (const path of also === undefined || isStandardOutput(also) ? [job.output] : [also, job.output]) {
        if (await isRegularOutput(path)) await findTarget(path, args.has('force'));
      }
      return job;
    } catch (failure) {
      return { ...job, failure };
    }
  };
  return Promise.all(jobs.map(check));
}

/** Whether somebody would be asked for a passphrase though all jobs have failed already. */
export function isHopeless(args: Arguments, jobs: readonly Job[]): boolean {
  const asks = args.has('passphrase') || args.has('new-passphrase');
  return asks && jobs.length > 0 && jobs.every(({ failure }) => failure !== undefined);
}

/** The work where {@link isHopeless}, which nothing calls. */
export const noWork = (): never => {
  throw new Error('All of it has failed already');
};
