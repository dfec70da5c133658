/** Shredding a subject, step by step, each of which may be the last one before a crash: `docs/fields.md` §7.4. */

import { randomBytes } from '../crypto/random.ts';
import type { DataKeyRevocation } from '../keyrings/keyring.ts';
import { assert } from '../lib/assert.ts';
import { compareBytes } from '../lib/bytes.ts';
import { timeOf } from '../lib/callbacks.ts';
import { toHex } from '../lib/hex.ts';
import { fieldKeyIdLength } from '../schedule/field-keys.ts';
import type { Bytes } from '../types.ts';
import type { DataKeyRow, SubjectName } from './data-key-store.ts';
import type { Engine, EngineSettings } from './engine.ts';

/** An encrypted column, as a database knows it. */
export interface SubjectColumn {
  readonly name: string;
  /** The plaintext column that it replaces, while it is being migrated. */
  readonly plain: string | undefined;
  /** The schema version that is written. */
  readonly version: number;
}

/** A table with cells of subjects, as a database knows it. */
export interface SubjectTable {
  readonly schema: string;
  readonly table: string;
  /** The column that names the tenant of a row, if there is one. */
  readonly tenant: string | undefined;
  /** Whether the plaintext of a table without such a column is the tenant's; `undefined` where nothing says so. */
  readonly isTenants: boolean | undefined;
  /** The column that names the subject of a row. */
  readonly subject: string;
  /** The encrypted columns. */
  readonly columns: readonly SubjectColumn[];
}

/** What shredding replaces: the cells of a subject that were sealed under some data keys, and the plaintext beside them. */
export interface CellsToShred {
  readonly tenant: string;
  readonly subject: string;
  /** The ids of the data keys. */
  readonly dataKeys: readonly Bytes[];
}

/** What a column holds of a subject. */
export interface FoundCells {
  /** The table in the database, such as `public.visit`. */
  readonly table: string;
  /** The column in the database. */
  readonly column: string;
  readonly holds: 'records' | 'plaintext';
  readonly rows: number;
}

/** Where cells are, for shredding them. */
export interface CellStore {
  /** Replaces cells by those of §7.3 and clears the plaintext beside them. Resolves to the number of rows; calling it again changes nothing. */
  shred(
    tables: readonly SubjectTable[],
    cells: CellsToShred,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<number>;

  /** Finds what is there of a subject: records under the data keys, and plaintext. */
  find(
    tables: readonly SubjectTable[],
    cells: CellsToShred,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly FoundCells[]>;
}

/** Who is shredded, and how. */
export interface ShredOptions {
  readonly tenant: string;
  /** In the text that PostgreSQL prints for it. */
  readonly subject: string;
  /** Where the subject's cells are, such as `postgresCells(pool)`: they are replaced, and so leave the indexes. It must be given while a field names a `plain` column. Default: they stay, and do not open. */
  readonly cells?: CellStore | undefined;
  /**
   * `false` asks no key service, and only deletes the wrapped keys of this store. A copy of them, in a backup for example, opens the subject's cells as long as the key that wrapped them
   * exists. Default: `true`.
   */
  readonly revoke?: boolean | undefined;
  /** Whether a subject of which nothing is found is shredded as well: then it never gets a data key. Default: `false`; a mistyped name would be kept out for ever. */
  readonly block?: boolean | undefined;
  /** Ends the call; it rejects with the signal's reason. Calling again goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** What became of a subject's data keys. */
export interface Shredded {
  /**
   * `absent` where nothing was found of the subject: nothing was done. `requested` where a revocation waits for its approval: the data keys are not refused yet. Call again afterwards. `remaining`
   * where records or plaintext of the subject are left: `remaining` says which.
   */
  readonly state: 'absent' | 'requested' | 'remaining' | 'shredded';
  /** The ids of the subject's data keys, in hex. */
  readonly dataKeys: readonly string[];
  /** The revocations at the key service; `leaf` is the index of each one's receipt in its audit log. */
  readonly receipts: readonly DataKeyRevocation[];
  /** Ids of data keys whose wrapped keys were deleted here and that no key service is known to refuse: what was copied of them before still opens. */
  readonly unrevoked: readonly string[];
  /** Rows whose cells this call replaced. */
  readonly rows: number;
  /** What the database still holds of the subject; looked for where `cells` was given. */
  readonly remaining: readonly FoundCells[];
}

/** Goes through the steps of §7.4, from wherever the last call stopped. */
export async function shredSubject(
  { settings }: Engine,
  { tenant, subject }: { readonly tenant: string; readonly subject: string },
  { cells, revoke, block }: Pick<ShredOptions, 'cells' | 'revoke' | 'block'>,
  signal: AbortSignal | undefined,
): Promise<Shredded> {
  signal?.throwIfAborted();
  const { store, keys } = settings;
  const about = { tenant, subject };
  const tables = subjectTables(settings, tenant);
  assert(cells !== undefined || !tables.some(hasPlain), 'subject.cells', 'given: fields name a plaintext column');
  if (revoke) await keys.revoke([], tenant, signal);
  let marked = inOrder(await store.shred(about, undefined, { signal }));
  if (marked.length === 0) {
    const found = await cells?.find(tables, { ...about, dataKeys: [] }, { signal });
    const isThere = found !== undefined && found.length > 0;
    if (!isThere && block !== true) return { state: 'absent', ...nothing };
    marked = inOrder(await store.shred(about, await markerOf(settings, about), { signal }));
  }
  keys.forget();
  const rows = marked.filter((row) => !isMarker(row));
  const left = rows.filter(({ wrapped }) => wrapped !== null);
  const asked = revoke ? await keys.revoke(left, tenant, signal) : [];
  const found = { dataKeys: rows.map(({ id }) => toHex(id)), receipts: [...receiptsOf(rows), ...asked] };
  if (asked.some(({ state }) => state !== 'revoked')) return { state: 'requested', ...nothing, ...found };
  const ids = left.map((row) => row.id);
  if (ids.length > 0) await store.erase(ids, asked.length === 0 ? null : encodeReceipt(asked), { signal });
  keys.forget();
  const target = { ...about, dataKeys: rows.map((row) => row.id) };
  const changed = (await cells?.shred(tables, target, { signal })) ?? 0;
  const remaining = (await cells?.find(tables, target, { signal })) ?? [];
  const bare = rows.filter((row) => (row.wrapped === null ? receiptsOf([row]).length === 0 : asked.length === 0));
  const state = remaining.length > 0 ? 'remaining' : 'shredded';
  return { state, ...found, unrevoked: bare.map(({ id }) => toHex(id)), rows: changed, remaining };
}

const noReceipt = '[]';
const nothing = { dataKeys: [], receipts: [], unrevoked: [], rows: 0, remaining: [] } as const;

/** What keeps a subject out that has no data key. */
async function markerOf({ now, random }: EngineSettings, about: SubjectName): Promise<DataKeyRow> {
  const id = await randomBytes(fieldKeyIdLength, random);
  const slot = { ...about, purpose: 'data', field: null, version: 0 } as const;
  return { ...slot, id, created: Math.floor(timeOf(now)), state: 'shredded', wrapped: null, receipt: noReceipt };
}

/** The row of {@link markerOf}: there is nothing to refuse. */
function isMarker({ wrapped, receipt }: DataKeyRow): boolean {
  return wrapped === null && receipt === noReceipt;
}

/** The tables that have a subject, for shredding one of a tenant. */
export function subjectTables(
  { tables, tenant: ownTenant }: Pick<EngineSettings, 'tables' | 'tenant'>,
  tenant: string,
): readonly SubjectTable[] {
  const isTenants = ownTenant === undefined ? undefined : ownTenant === tenant;
  return [...tables.values()].flatMap(({ schema, table, subject, tenant: named, fields }) => {
    if (subject === undefined) return [];
    const columns = [...fields.values()].map(({ column, definition: { plain, version } }) => ({
      ...{ name: column, plain, version },
    }));
    return [{ schema, table, tenant: named, isTenants, subject, columns }];
  });
}

const hasPlain = ({ columns }: SubjectTable): boolean => columns.some(({ plain }) => plain !== undefined);

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
