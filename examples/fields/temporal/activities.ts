// A step of a job on encrypted columns as an activity of Temporal. It may be repeated, run twice at once, and die at any moment.
// A worker takes them as `Worker.create({ activities: fieldActivities(jobs), workflowsPath, taskQueue })`.

import type { BatchResult, FieldJobs } from 'bulla/fields/postgres';

export function fieldActivities(jobs: FieldJobs) {
  return {
    fieldStep: (id: string): Promise<BatchResult> => jobs.runBatch(id),
  };
}
