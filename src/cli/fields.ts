/** `bulla fields` */

import type { FieldJobs } from '../fields/postgres/jobs/jobs.ts';
import type { JobKind } from '../fields/postgres/jobs/work.ts';
import type { MigrationStep } from '../fields/postgres/migration.ts';
import { parseRecord } from '../fields/record.ts';
import { toHex } from '../lib/hex.ts';
import type { Bytes } from '../types.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { exitCodes, FormatError, UsageError } from './failure.ts';
import { runFieldJob, summaryOf } from './field-jobs.ts';
import { shredSubjectOf } from './field-shredding.ts';
import { databaseFailure, defaultConfig, openJobs } from './fields-config.ts';
import { commonOptions } from './run.ts';
import { printJson, standardOutput } from './standard-streams.ts';
import { joined, type Words, words } from './words.ts';

const config: Option = { name: 'config', value: 'FILE', help: `what exports the jobs; without it ${defaultConfig}` };
const json: Option = { name: 'json', help: 'prints lines of JSON' };
const quiet: Option = { name: 'quiet', short: 'q', help: 'no progress bar and no word of success' };
const back: Option = { name: 'back', help: 'takes the step back: of expand and switch' };
const help = commonOptions.filter(({ name }) => name === 'help');
const dryRun: Option = { name: 'dry-run', short: 'n', help: 'counts, and changes nothing' };
const jobOptions: readonly Option[] = [
  dryRun,
  { name: 'workers', value: 'N', help: 'batches at once; default 1' },
  { name: 'batch', value: 'N', help: 'rows of a batch; default 500' },
  { name: 'shards', value: 'N', help: 'parts of the table, of a job that is new; default 12' },
  { name: 'rows-per-second', value: 'N', help: 'the most that each worker does' },
  {
    name: 'max-replica-lag',
    value: 'N',
    help: 'seconds a replica may be behind; default 10',
  },
];

const shredOptions: readonly Option[] = [
  dryRun,
  { name: 'tenant', value: 'NAME', help: 'whose subject it is' },
  { name: 'no-revoke', help: 'asks no key service: copies of the wrapped keys still open what they sealed' },
  { name: 'block', help: 'also where nothing is found of the subject: it never gets a data key' },
];

/** What an action does with the jobs and the words behind its name. */
type FieldAction = (jobs: FieldJobs, names: readonly string[], args: Arguments) => Promise<number>;

const withJobs =
  (perform: FieldAction) =>
  async (args: Arguments): Promise<number> => {
    const jobs = await openJobs(args);
    try {
      return await perform(jobs, args.files.slice(1), args);
    } catch (error) {
      throw databaseFailure(error);
    }
  };

const jobAction = (kind: JobKind) => ({
  name: kind,
  options: [...jobOptions, config, json, quiet, ...help],
  run: withJobs(async (jobs, fields, args) => {
    if (kind === 'rewrap') {
      if (fields.length > 0) throw new UsageError('bulla fields rewrap takes no field: it is about all data keys');
      return runFieldJob(jobs, kind, undefined, args);
    }
    if (fields.length === 0) throw new UsageError(`Say which fields: ${jobs.fields().join(', ')}`);
    let exitCode: number = exitCodes.success;
    for (const field of fields) exitCode = Math.max(exitCode, await runFieldJob(jobs, kind, field, args));
    return exitCode;
  }),
});

/** Migrates and rotates encrypted columns of a database. */
export const fieldsCommand: Command = {
  name: 'fields',
  summary: 'migrates and rotates encrypted columns of a database',
  synopsis: 'ACTION [FIELD...] [OPTIONS]',
  details: `Actions, with FIELD such as patient.email:
  plan               what the database lacks      sql STEP [FIELD]   tables, expand, switch, contract, rotate
  status             fields and jobs              cancel JOB         what it did stays
  backfill FIELD...  seals plaintext              verify FIELD...    opens and compares every cell
  reindex FIELD...   to the written version       reencrypt FIELD... under data keys that still seal
  rewrap             data keys alone              inspect CELL       what a cell in hex says about itself
  shred SUBJECT      has its data keys refused for ever, which another person must approve

A job that was stopped is resumed by the same call, and may run in several processes.`,
  actions: [
    { name: 'plan', options: [config, json, ...help], run: withJobs(plan) },
    { name: 'sql', options: [back, config, json, ...help], run: withJobs(sql) },
    { name: 'status', options: [config, json, ...help], run: withJobs(status) },
    ...(['backfill', 'verify', 'reindex', 'reencrypt', 'rewrap'] as const).map(jobAction),
    { name: 'shred', options: [...shredOptions, config, json, quiet, ...help], run: withJobs(shredSubjectOf) },
    { name: 'cancel', options: [config, json, quiet, ...help], run: withJobs(cancel) },
    { name: 'inspect', options: [json, ...help], run: inspectCell },
  ],
};

async function plan(jobs: FieldJobs, names: readonly string[], args: Arguments): Promise<number> {
  assertNone('plan', names);
  const findings = await jobs.plan();
  for (const finding of findings) {
    if (args.has('json')) await printJson(finding);
    else {
      const { level, field, message } = finding;
      await standardOutput.write(words`${level.padEnd(7)}  ${field === '' ? 'database' : field}: ${message}\n`);
    }
  }
  return findings.some(({ level }) => level === 'error') ? exitCodes.unexpected : exitCodes.success;
}

async function sql(jobs: FieldJobs, [step, field, ...more]: readonly string[], args: Arguments): Promise<number> {
  if (step === undefined || more.length > 0)
    throw new UsageError('bulla fields sql takes a step and, but for tables, a field');
  const statements = jobs.sql({ step: step as MigrationStep, field, back: args.has('back') });
  if (args.has('json')) await printJson({ step, field, back: args.has('back'), statements });
  else {
    const text = `BEGIN;\n\n${statements.map((each) => `${each};\n\n`).join('')}COMMIT;\n`;
    // A file for a migration, byte for byte.
    await standardOutput.write(new TextEncoder().encode(text));
  }
  return exitCodes.success;
}

async function status(jobs: FieldJobs, names: readonly string[], args: Arguments): Promise<number> {
  assertNone('status', names);
  const [states, all] = [await jobs.states(), await jobs.list()];
  if (args.has('json')) await printJson({ fields: states, jobs: all });
  else {
    const fields = states.map(({ field, phase, validated }) => {
      const check = validated || phase === 'missing' ? words`` : words`, check not validated`;
      return words`${field}: ${phase}${check}\n`;
    });
    await standardOutput.write(joined([...fields, ...all.map((job) => words`${summaryOf(job)}\n`)]));
  }
  return exitCodes.success;
}

async function cancel(jobs: FieldJobs, [id, ...more]: readonly string[], args: Arguments): Promise<number> {
  if (id === undefined || more.length > 0) throw new UsageError('bulla fields cancel takes the number of a job');
  const job = await jobs.cancel(id);
  if (args.has('json')) await printJson(job);
  else if (!args.has('quiet')) await standardOutput.write(words`${summaryOf(job)}\n`);
  return exitCodes.success;
}

function assertNone(action: string, names: readonly string[]): void {
  if (names.length > 0) throw new UsageError(`bulla fields ${action} takes no field`);
}

/** Schema versions that a cell may say, and tags that it then must have: as many as it says. */
const anyVersion = (cell: Bytes) => new Map(Array.from({ length: 255 }, (_, i) => [i + 1, (cell[1] ?? 0) & 3]));

async function inspectCell(args: Arguments): Promise<number> {
  const [, text, ...more] = args.files;
  if (text === undefined || more.length > 0)
    throw new UsageError('bulla fields inspect takes a cell in hex, such as \\xf901…');
  const digits = /^(?:\\x)?((?:[0-9a-f]{2})+)$/i.exec(text)?.[1];
  if (digits === undefined) throw new UsageError('The cell must be given in hex');
  const cell = new Uint8Array(Buffer.from(digits, 'hex'));
  const record = parseRecord(cell, anyVersion(cell));
  if (record === 'shredded') return show(args, [['shredded', `schema version ${cell[2]}`]]);
  if (typeof record === 'string') throw new FormatError(record, 'The cell is no record that this version can read');
  return show(args, [
    ['schemaVersion', record.schemaVersion],
    ['tags', record.tags.map(toHex).join(' ')],
    ['dataKeyId', toHex(record.keyId)],
    ['salt', toHex(record.salt)],
    ['nonce', toHex(record.nonce)],
    // The type in front, and GCM's tag behind.
    [record.padded ? 'paddedLength' : 'valueLength', record.sealed.byteLength - 17],
  ]);
}

async function show(
  args: Arguments,
  members: readonly (readonly [name: string, value: string | number])[],
): Promise<number> {
  if (args.has('json')) await printJson(Object.fromEntries(members));
  else await standardOutput.write(joined(members.map(([name, value]): Words => words`${name.padEnd(13)}  ${value}\n`)));
  return exitCodes.success;
}
