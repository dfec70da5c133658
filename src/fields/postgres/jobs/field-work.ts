/** The jobs on the cells of one field: `docs/fields.md` §10.4, §10.6 and §10.12. */

import { compareBytes } from '../../../lib/bytes.ts';
import type { Bytes } from '../../../types.ts';
import type { Engine } from '../../engine.ts';
import type { CellContext } from '../../seal-cells.ts';
import { quoted } from '../sql-text.ts';
import { keyIdOf, openParts, openRowCells, type Parts, type RowValue, sealRowValues, tagsFit } from './cells.ts';
import {
  type Change,
  outdated,
  readingOf,
  type Source,
  type SourceRow,
  sourceRows,
  storeChanges,
  unsealed,
} from './field-rows.ts';
import { isFault, type Outcome } from './outcomes.ts';
import { comparableBytes, valueOfText } from './plain-text.ts';
import { faultsOf, type JobFault, nothing, type Prepared, type Work } from './work.ts';

/** Seals plaintext that has no record yet. */
export function backfillWork(source: Source): Work {
  const { type } = source.field.definition;
  return {
    walked: source.walked,
    reading: readingOf(source, unsealed(source.field)),
    left: unsealed(source.field),
    async prepare(batch, engine, signal) {
      const rows = sourceRows(source, batch);
      const context = await engine.begin(signal);
      const parts = await openParts(source, rows, context);
      const faults: JobFault[] = [];
      const values = rows.flatMap((row, i): RowValue[] => {
        const value = row.plain === null ? undefined : valueOfText(type, row.plain);
        if (value !== undefined) return [{ row, value, parts: parts[i] as Parts }];
        faults.push({ row: row.key, fault: 'ERR_FIELD_VALUE' });
        return [];
      });
      return sealing(source, values, faults, context);
    },
  };
}

/** Seals again what is under a data key that seals no more, or of another schema version than the written one. */
export function reencryptWork(source: Source): Work {
  const where = `${quoted(source.field.column)} IS NOT NULL`;
  return { ...resealing(source, where, isObsolete), left: undefined };
}

/** Seals again what is of another schema version than the written one. */
export function reindexWork(source: Source): Work {
  const where = outdated(source.field);
  return { ...resealing(source, where, async (rows) => rows.map(() => true)), left: where };
}

type Chooses = (
  rows: readonly SourceRow[],
  source: Source,
  context: CellContext,
) => Promise<readonly (boolean | string)[]>;

function resealing(source: Source, where: string, chooses: Chooses): Work {
  return {
    walked: source.walked,
    reading: readingOf(source, where),
    left: undefined,
    async prepare(batch, engine, signal) {
      const context = await engine.begin(signal);
      const all = sourceRows(source, batch);
      const chosen = await chooses(all, source, context);
      const faults = all.flatMap(({ key }, i): JobFault[] => {
        const fault = chosen[i];
        return typeof fault === 'string' ? [{ row: key, fault }] : [];
      });
      const rows = all.filter((_, i) => chosen[i] === true);
      const [opened, parts] = [await openRowCells(source, rows, context), await openParts(source, rows, context)];
      const values = rows.flatMap((row, i): RowValue[] => {
        const outcome = opened[i] as Outcome<unknown>;
        if (!isFault(outcome)) return [{ row, value: outcome.result, parts: parts[i] as Parts }];
        if (outcome.fault !== 'ERR_FIELD_SHREDDED') faults.push({ row: row.key, fault: outcome.fault });
        return [];
      });
      return sealing(source, values, faults, context);
    },
  };
}

async function isObsolete(
  rows: readonly SourceRow[],
  { field }: Source,
  { keys, signal }: CellContext,
): Promise<readonly (boolean | string)[]> {
  const found = rows.map(({ cell }) => keyIdOf(field, cell as Bytes));
  const ids = new Map<string, Bytes>();
  for (const each of found) if (each !== undefined && !isFault(each)) ids.set(each.result.key, each.result.id);
  const known = await keys.rows(ids, signal);
  return found.map((each) => {
    if (each === undefined) return false;
    if (isFault(each)) return each.fault;
    const row = known.get(each.result.key)?.row;
    if (row === undefined) return 'ERR_FIELD_KEY';
    return each.result.version !== field.definition.version || !keys.isCurrent(row);
  });
}

async function sealing(
  source: Source,
  values: readonly RowValue[],
  faults: JobFault[],
  context: CellContext,
): Promise<Prepared> {
  const sealed = await sealRowValues(source, values, context);
  const changes = values.flatMap(({ row }, i): Change[] => {
    const outcome = sealed[i] as Outcome<Bytes>;
    if (!isFault(outcome)) return [{ row, record: outcome.result }];
    faults.push({ row: row.key, fault: outcome.fault });
    return [];
  });
  return {
    faults,
    async store(client) {
      const { duplicates, shredded, written, missed } = await storeChanges(client, source, changes);
      // Of who was shredded, plaintext must not be left.
      const left = shredded.filter(({ plain }) => plain !== null).map(({ key }) => key);
      const found = [...faultsOf(duplicates, 'duplicate'), ...faultsOf(left, 'ERR_FIELD_SHREDDED')];
      return { written, missed, faults: found };
    },
  };
}

/** Opens every cell, and compares it with its plaintext and its tags. */
export function verifyWork(source: Source): Work {
  const { column, definition } = source.field;
  const hasPlain = definition.plain === undefined ? '' : ` OR ${quoted(definition.plain)} IS NOT NULL`;
  return {
    walked: source.walked,
    reading: readingOf(source, `${quoted(column)} IS NOT NULL${hasPlain}`),
    left: undefined,
    async prepare(batch, engine, signal) {
      return { faults: await verified(source, sourceRows(source, batch), engine, signal), store: nothing };
    },
  };
}

async function verified(
  source: Source,
  rows: readonly SourceRow[],
  engine: Engine,
  signal: AbortSignal | undefined,
): Promise<readonly JobFault[]> {
  const context = await engine.begin(signal);
  const opened = await openRowCells(source, rows, context);
  const parts = await openParts(source, rows, context);
  const found = rows.map((row, i) => {
    const outcome = opened[i] as Outcome<unknown>;
    return isFault(outcome) ? outcome.fault : comparedFault(source, row, outcome.result);
  });
  const sound = rows.flatMap((row, i): (RowValue & { readonly i: number })[] => {
    const outcome = opened[i] as Outcome<unknown>;
    if (isFault(outcome) || found[i] !== undefined) return [];
    return [{ i, row, value: outcome.result, parts: parts[i] as Parts }];
  });
  for (const [n, outcome] of (await tagsFit(source, sound, context)).entries()) {
    const { i, row } = sound[n] as (typeof sound)[number];
    if (isFault(outcome)) found[i] = outcome.fault;
    else if (!outcome.result || !row.fits) found[i] = 'ERR_FIELD_TAG';
  }
  return rows.flatMap(({ key, plain }, i): JobFault[] => {
    const fault = found[i];
    // Of who was shredded, plaintext must not be left.
    const isNone = fault === undefined || (fault === 'ERR_FIELD_SHREDDED' && plain === null);
    return isNone ? [] : [{ row: key, fault }];
  });
}

/** What is wrong with a value beside its plaintext (§10.6). */
function comparedFault({ field }: Source, { cell, plain }: SourceRow, value: unknown): string | undefined {
  const { type, plain: name } = field.definition;
  if (name === undefined) return undefined;
  if (cell === null) return plain === null ? undefined : 'unsealed';
  if (plain === null) return 'orphaned';
  const expected = valueOfText(type, plain);
  const [a, b] = [comparableBytes(type, value), expected === undefined ? undefined : comparableBytes(type, expected)];
  return a !== undefined && b !== undefined && compareBytes(a, b) === 0 ? undefined : 'differs';
}
