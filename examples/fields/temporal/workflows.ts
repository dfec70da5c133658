// A job on encrypted columns as a workflow of Temporal: steps until there is none left. Start as many as there shall be workers; they share the job.

import { continueAsNew, proxyActivities, sleep } from '@temporalio/workflow';
import type { fieldActivities } from './activities.ts';

const { fieldStep } = proxyActivities<ReturnType<typeof fieldActivities>>({ startToCloseTimeout: '5 minutes' });

/** A workflow's history is bounded. */
const stepsOfRun = 1_000;

export async function runFieldJob(id: string): Promise<'done' | 'cancelled'> {
  for (let step = 0; step < stepsOfRun; step++) {
    const { state } = await fieldStep(id);
    if (state === 'done' || state === 'cancelled') return state;
    // Others have all parts of the table that are left, or a replica is too far behind.
    if (state === 'busy') await sleep('1 second');
  }
  return continueAsNew<typeof runFieldJob>(id);
}
