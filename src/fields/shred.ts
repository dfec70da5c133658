/** Shredding a subject, step by step, each of which may be the last one before a crash: `docs/fields.md` §7.4. */

import { randomBytes } from '../crypto/random.ts';
import type { DataKeyRevocation } from '../keyrings/keyring.ts';
import { compareBytes } from '../lib/bytes.ts';
import { timeOf } from '../lib/callbacks.ts';
import { toHex } from '../lib/hex.ts';
import { fieldKeyIdLength } from '../schedule/field-keys.ts';
import type { Bytes } from '../types.ts';
import type { DataKeyRow } from './data-key-store.ts';
import type { TableDefinition } from './define.ts';
import type { Engine } from './engine.ts';

/** A table with cells of subjects, as a database knows it. */
export interface SubjectTable {
  readonly schema: string;
  readonly table: string;
  /** The column that says whose a row is. */
  readonly subject: string;
  /** The encrypted columns. */
  readonly columns: readonly string[];
}

/** What shredding replaces: the cells of a subject that were sealed under some data keys. */
export interface CellsToShred {
  readonly subject: string;
  /** The ids of the data keys. */
  readonly dataKeys: readonly Bytes[];
}

/** Where cells are, for shredding them. */
export interface CellStore {
  /** Replaces cells by those of §7.3. Resolves to the number of rows; calling it again changes nothing. */
  shred(
    tables: readonly SubjectTable[],
    cells: CellsToShred,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<number>;
}

/** Who is shredded, and how. */
export interface ShredOptions {
  readonly tenant: string;
  /** In the text that PostgreSQL prints for it. */
  readonly subject: string;
  /** Where the subject's cells are, such as `postgresCells(pool)`: they are replaced, and so leave the indexes. Default: they stay, and do not open. */
  readonly cells?: CellStore | undefined;
  /**
   * `false` asks no key service, and only deletes the wrapped keys of this store. A copy of them, in a backup for example, opens the subject's cells as long as the key that wrapped them
   * exists. Default: `true`.
   */
  readonly revoke?: boolean | undefined;
  /** Ends the call; it rejects with the signal's reason. Calling again goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** What became of a subject's data keys. */
export interface Shredded {
  /** `requested` where a revocation waits for its approval: the data keys are not refused yet. Call again afterwards. */
  readonly state: 'requested' | 'shredded';
  /** The ids of the subject's data keys, in hex. */
  readonly dataKeys: readonly string[];
  /** The revocations at the key service; `leaf` is the index of each one's receipt in its audit log. */
  readonly receipts: readonly DataKeyRevocation[];
  /** Ids of data keys whose wrapped keys were deleted here and that no key service is known to refuse: what was copied of them before still opens. */
  readonly unrevoked: readonly string[];
  /** Rows whose cells this call replaced. */
  readonly rows: number;
}

/** Goes through the steps of §7.4, from wherever the last call stopped. */
export async function shredSubject(
  { settings }: Engine,
  { tenant, subject }: { readonly tenant: string; readonly subject: string },
  { cells, revoke }: { readonly cells: CellStore | undefined; readonly revoke: boolean },
  signal: AbortSignal | undefined,
): Promise<Shredded> {
  signal?.throwIfAborted();
  const { store, keys, now, random, tables } = settings;
  if (revoke) await keys.revoke([], tenant, signal);
  const id = await randomBytes(fieldKeyIdLength, random);
  const created = Math.floor(timeOf(now));
  const marker = { id, tenant, subject, purpose: 'data', field: null, version: 0, created, state: 'shredded' } as const;
  const marked = inOrder(await store.shred({ ...marker, wrapped: null, receipt: noReceipt }, { signal }));
  keys.forget();
  const rows = marked.filter((row) => !isMarker(row));
  const left = rows.filter(({ wrapped }) => wrapped !== null);
  const asked = revoke ? await keys.revoke(left, tenant, signal) : [];
  const about = { dataKeys: rows.map(({ id }) => toHex(id)), receipts: [...receiptsOf(rows), ...asked] };
  if (asked.some(({ state }) => state !== 'revoked')) return { state: 'requested', ...about, unrevoked: [], rows: 0 };
  const ids = left.map((row) => row.id);
  if (ids.length > 0) await store.erase(ids, asked.length === 0 ? null : encodeReceipt(asked), { signal });
  keys.forget();
  const changed = await cells?.shred(
    subjectTables(tables),
    { subject, dataKeys: rows.map((row) => row.id) },
    { signal },
  );
  const bare = rows.filter((row) => (row.wrapped === null ? receiptsOf([row]).length === 0 : asked.length === 0));
  return { state: 'shredded', ...about, unrevoked: bare.map(({ id }) => toHex(id)), rows: changed ?? 0 };
}

const noReceipt = '[]';

/** The row of a subject that had no data key, made when it was shredded: there is nothing to refuse. */
function isMarker({ wrapped, receipt }: DataKeyRow): boolean {
  return wrapped === null && receipt === noReceipt;
}

/** The tables that have a subject. */
export function subjectTables(tables: ReadonlyMap<string, TableDefinition>): readonly SubjectTable[] {
  return [...tables.values()].flatMap(({ schema, table, subject, fields }) =>
    subject === undefined
      ? []
      : [{ schema, table, subject, columns: [...fields.values()].map(({ column }) => column) }],
  );
}

// The same order at each call: the key service knows what was asked for by exactly these data keys.
function inOrder(rows: readonly DataKeyRow[]): readonly DataKeyRow[] {
  return [...rows].sort((a, b) => compareBytes(a.id, b.id));
}

/** §7.5 */
function encodeReceipt(revocations: readonly DataKeyRevocation[]): string {
  return JSON.stringify(revocations.map(({ service, id, dataKeys, leaf }) => ({ service, id, dataKeys, leaf })));
}

/** Those that stand in rows, each once. Anyone who can write to the database can write them. */
function receiptsOf(rows: readonly DataKeyRow[]): readonly DataKeyRevocation[] {
  const found = new Map<string, DataKeyRevocation>();
  for (const { receipt } of rows) {
    for (const { service, id, dataKeys, leaf } of parseReceipt(receipt)) {
      const isWhole = typeof service === 'string' && typeof id === 'string' && Number.isSafeInteger(dataKeys);
      if (!isWhole || !Number.isSafeInteger(leaf)) continue;
      found.set(`${service} ${id}`, { service, id, state: 'revoked', dataKeys: Number(dataKeys), leaf: Number(leaf) });
    }
  }
  return [...found.values()];
}

function parseReceipt(
  receipt: string | null | undefined,
): readonly Partial<Record<keyof DataKeyRevocation, unknown>>[] {
  try {
    const parsed: unknown = JSON.parse(receipt ?? '[]');
    return Array.isArray(parsed) ? parsed.filter((each) => typeof each === 'object' && each !== null) : [];
  } catch {
    return [];
  }
}
