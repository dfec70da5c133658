/** What shredding a subject would do, counted without doing any of it: `docs/fields.md` §7.4. */

import type { Bytes } from '../../../types.ts';
import type { EngineSettings } from '../../engine.ts';
import { subjectTables } from '../../shred.ts';
import { countCells } from '../cells.ts';
import type { JobPool } from './database.ts';

/** What is there of a subject. */
export interface ShredEstimate {
  /** `absent`: neither data keys nor plaintext. `active`: nothing was done. `marked`: shredding began and is not done. `shredded`: it is, and `rows` would be changed by another call. */
  readonly state: 'absent' | 'active' | 'marked' | 'shredded';
  /** Data keys of the subject. */
  readonly dataKeys: number;
  /** Rows with cells that are sealed under them, or with plaintext of the subject. */
  readonly rows: number;
}

/** Counts the data keys and rows of a subject. */
export async function estimateShred(
  pool: JobPool,
  settings: EngineSettings,
  { tenant, subject }: { readonly tenant: string; readonly subject: string },
): Promise<ShredEstimate> {
  const { rows: keys } = await pool.query(
    `SELECT id, state, wrapped IS NULL AS gone FROM bulla_data_keys WHERE tenant = $1 AND subject = $2`,
    [tenant, subject],
  );
  const dataKeys = keys.map(({ id }) => id as Bytes);
  const rows = await countCells(pool, subjectTables(settings, tenant), { tenant, subject, dataKeys });
  return { state: stateOf(keys, rows), dataKeys: keys.length, rows };
}

function stateOf(keys: readonly Record<string, unknown>[], rows: number): ShredEstimate['state'] {
  if (keys.length === 0) return rows === 0 ? 'absent' : 'active';
  if (keys.every(({ state, gone }) => state === 'shredded' && gone === true)) return 'shredded';
  return keys.some(({ state }) => state === 'shredded') ? 'marked' : 'active';
}
