/** Rows of databases that earlier versions of the service wrote, as their backups hold them. */

import type { TableRow } from '../../src/store/store.ts';

/** A row, whose bytes are `{ "b": base64url }`. */
export interface FixtureRow {
  readonly t: string;
  readonly r: Readonly<Record<string, unknown>>;
}

/** The rows as the store takes them. */
export function tableRowsOf(rows: readonly FixtureRow[]): TableRow[] {
  return rows.map(({ t, r }) => {
    const entries = Object.entries(r).map(([name, value]) => {
      const bytes = (value as { b?: string } | null)?.b;
      return [name, bytes === undefined ? value : Uint8Array.from(Buffer.from(bytes, 'base64url'))];
    });
    return { table: t, row: Object.fromEntries(entries) };
  });
}
