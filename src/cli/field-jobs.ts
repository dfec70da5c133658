/** A job on database fields, run from the command line: progress, what it came to, and an end at the first signal. */

import type { FieldJobs } from '../fields/postgres/jobs/jobs.ts';
import type { JobStatus } from '../fields/postgres/jobs/state.ts';
import type { JobFault, JobKind } from '../fields/postgres/jobs/work.ts';
import type { Arguments } from './arguments.ts';
import { exitCodes } from './failure.ts';
import { endBy } from './interruption.ts';
import { printJson, say, standardOutput } from './standard-streams.ts';
import { formatBytes, progressBar } from './terminal.ts';
import { joined, type Words, words } from './words.ts';

/** Faults that are shown to people. */
const mostShown = 20;

/** Runs the job of a kind and field, or counts what it would do. Gives the exit code. */
export async function runFieldJob(jobs: FieldJobs, kind: JobKind, field: string | undefined, args: Arguments) {
  if (args.has('dry-run')) return printEstimate(jobs, kind, field, args);
  const options = {
    batch: args.integer('batch', 1),
    workers: args.integer('workers', 1),
    rowsPerSecond: args.integer('rows-per-second', 1),
    maxReplicaLag: milliseconds(args.integer('max-replica-lag', 0)),
  };
  const { id } = await jobs.start({ kind, field, shards: args.integer('shards', 1) });
  const bar = progressBar(words`${nameOf(kind, field)}`, args.has('json') || args.has('quiet'), 'rows');
  const onProgress = ({ rows, total }: JobStatus) => bar.update(rows, total);
  const status = await interruptible((signal) => jobs.run(id, { ...options, signal, onProgress })).finally(bar.clear);
  const faults = await jobs.faults(id);
  if (args.has('json')) await printJson({ ...status, faultList: faults });
  else {
    if (!args.has('quiet')) await say(summaryOf(status));
    await standardOutput.write(joined(faults.slice(0, mostShown).map(describeFault)));
    const more = status.faults - mostShown;
    if (more > 0) await say(words`and ${more} more; --json prints up to 1,000 of each shard`);
  }
  return status.faults > 0 ? exitCodes.unexpected : exitCodes.success;
}

const milliseconds = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1_000);

const nameOf = (kind: string, field: string | undefined) => (field ? `${kind} ${field}` : kind);

/** One line about a job. */
export function summaryOf({ id, kind, field, state, rows, written, faults, pass }: JobStatus): Words {
  const passes = pass > 1 ? words`, ${pass} passes` : words``;
  return words`job ${id}, ${nameOf(kind, field)}: ${state}, ${rows} rows, ${written} written, ${faults} faults${passes}`;
}

function describeFault({ row, fault }: JobFault): Words {
  return words`${fault}  row ${row.join(', ')}\n`;
}

async function printEstimate(jobs: FieldJobs, kind: JobKind, field: string | undefined, args: Arguments) {
  const estimate = await jobs.estimate({ kind, field });
  const { rows, bytes, dataKeys, distinct, mostFrequent } = estimate;
  if (args.has('json')) await printJson({ kind, field, ...estimate });
  else {
    const values =
      distinct === null ? words`` : words`, ${distinct} different values, one of them in ${mostFrequent ?? 0} rows`;
    await standardOutput.write(
      words`${nameOf(kind, field)}: ${rows} rows, ${formatBytes(bytes)}, ${dataKeys} data keys${values}\n`,
    );
  }
  return exitCodes.success;
}

/** Work that the first signal stops: it gives back what it holds, and then the process ends by the signal. A second one ends it at once. */
async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let caught: (typeof names)[number] | undefined;
  const stop = (name: (typeof names)[number]) => {
    caught = name;
    for (const each of names) process.off(each, stop);
    controller.abort();
  };
  for (const name of names) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of names) process.off(name, stop);
    if (caught !== undefined) endBy(caught);
  }
}
