/** A subject of database fields, shredded from the command line: `docs/fields.md` §7.4. */

import { isBullaError } from '../errors.ts';
import type { FieldJobs } from '../fields/postgres/jobs/jobs.ts';
import type { FoundCells, Shredded } from '../fields/shred.ts';
import type { DataKeyRevocation } from '../keyrings/keyring.ts';
import type { Arguments } from './arguments.ts';
import { exitCodes, FileError, UsageError } from './failure.ts';
import { printJson, say, standardOutput } from './standard-streams.ts';
import { joined, type Words, words } from './words.ts';

/** Shreds the subject that was named, or goes on with it, or counts what that is about. Gives the exit code. */
export async function shredSubjectOf(jobs: FieldJobs, names: readonly string[], args: Arguments): Promise<number> {
  const [subject, ...more] = names;
  const tenant = args.get('tenant');
  if (subject === undefined || more.length > 0) throw new UsageError('bulla fields shred takes one subject');
  if (tenant === undefined) throw new UsageError('Say whose subject it is with --tenant');
  const about = { tenant, subject };
  if (args.has('dry-run')) return printEstimate(jobs, about, args);
  const how = { revoke: !args.has('no-revoke'), block: args.has('block') };
  const shredded = await jobs.shred({ ...about, ...how }).catch(notRevocable);
  if (args.has('json')) await printJson({ ...about, ...shredded });
  else {
    if (!args.has('quiet')) await standardOutput.write(described(about, shredded));
    if (shredded.state === 'absent') await say(absent);
    if (shredded.unrevoked.length > 0) await say(unrevoked(shredded));
    for (const found of shredded.remaining) await say(remaining(found));
  }
  return exitCodesOfShredding[shredded.state];
}

const exitCodesOfShredding = {
  absent: exitCodes.unexpected,
  requested: exitCodes.waiting,
  remaining: exitCodes.unexpected,
  shredded: exitCodes.success,
} as const;

interface About {
  readonly tenant: string;
  readonly subject: string;
}

async function printEstimate(jobs: FieldJobs, about: About, args: Arguments): Promise<number> {
  const estimate = await jobs.estimateShred(about);
  if (args.has('json')) await printJson({ ...about, ...estimate });
  else {
    const { state, dataKeys, rows } = estimate;
    await standardOutput.write(words`${nameOf(about)}: ${state}, ${dataKeys} data keys, ${rows} rows\n`);
  }
  return exitCodes.success;
}

const nameOf = ({ tenant, subject }: About): Words => words`subject ${subject} of ${tenant}`;

const absent = words`no data key and no plaintext was found of it: look at its spelling, or give --block to keep it from ever getting a data key`;

function described(about: About, { state, dataKeys, receipts, rows }: Shredded): Words {
  if (state === 'absent') return words`${nameOf(about)}: not found, nothing was done\n`;
  const isAsked = state === 'requested';
  const counts = words`${dataKeys.length} data keys, ${rows} rows`;
  const what = state === 'shredded' ? words`shredded, ${counts}` : words`not shredded yet`;
  const each = receipts.map((receipt) => (receipt.state === 'revoked' ? receiptOf(receipt) : pending(receipt)));
  const next = isAsked ? words`Run this again once that is approved.\n` : words``;
  return words`${nameOf(about)}: ${what}\n${joined(each)}${next}`;
}

function receiptOf({ service, id, dataKeys, leaf }: DataKeyRevocation): Words {
  return words`receipt: leaf ${leaf ?? 'unknown'} of the audit log of ${service}, revocation ${id} of ${dataKeys} data keys\n`;
}

function pending({ service, id, dataKeys }: DataKeyRevocation): Words {
  return words`revocation ${id} of ${dataKeys} data keys waits at ${service} for another person, a revocation-approver, within seven days:
  bulla revocations approve ${id} --data-keys ${dataKeys} --key-service FILE\n`;
}

function unrevoked({ unrevoked: ids }: Shredded): Words {
  return words`no key service refuses ${ids.length} of its data keys: copies of bulla_data_keys from before still open what they sealed`;
}

function remaining({ table, column, holds, rows }: FoundCells): Words {
  const instead =
    holds === 'plaintext'
      ? words`clear it, or let the column take NULL and say whose the rows are, and run this again`
      : words`run this again`;
  return words`${rows} rows of ${table} still hold ${holds} of the subject in ${column}: ${instead}`;
}

function notRevocable(error: unknown): never {
  if (!isBullaError(error) || error.code !== 'ERR_KEYRING_CANNOT') throw error;
  const hint = 'a keyring of a key service can, for somebody who may revoke data keys; --no-revoke does without';
  throw new FileError(error.code, error.message, hint);
}
