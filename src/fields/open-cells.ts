/** Cells of many rows at once, opened with one fetch of rows and one unwrap of data keys: `docs/fields.md` §1, §4.9 and §5.8. */

import { open } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { type FieldError, isBullaError } from '../errors.ts';
import type { DataKey } from '../keyrings/keyring.ts';
import { isPromise, whenAllThere, whenThere } from '../lib/awaitable.ts';
import { bytesToKey, compareBytes, copy, equalConstantTime } from '../lib/bytes.ts';
import { additionalData, type Binding } from '../schedule/field-keys.ts';
import type { Awaitable, Bytes } from '../types.ts';
import type { DataKeyRow } from './data-key-store.ts';
import type { Field } from './define.ts';
import type { Slot } from './indexes.ts';
import { inChunks } from './pieces.ts';
import { type NoRecord, type ParsedRecord, parseRecord } from './record.ts';
import { type CellContext, dataSlot, failureAt, type Place } from './seal-cells.ts';
import { type Asked, tagsOf } from './search.ts';
import { noTag, tagMessage } from './tags.ts';
import { decodeValue, unpad } from './values.ts';

/** A tag by which a cell was found. */
export interface ExpectedTag {
  readonly index: string;
  /** One for each value and version that was searched for. */
  readonly tags: readonly AskedTag[];
}

/** A tag that was searched for, with what it was computed from where that is known. */
export interface AskedTag extends Partial<Asked> {
  readonly tag: Bytes;
}

/** A cell on its way to a value. Nothing of the caller's is in it. */
export interface CellToOpen extends Place {
  readonly cell: Bytes;
  /** §5.8 */
  readonly expected?: ExpectedTag | undefined;
}

/** The values of cells, in their order, or an error about one of them: all or nothing (§1.9). */
export async function openCells(cells: readonly CellToOpen[], context: CellContext): Promise<unknown[]> {
  const { keys, signal } = context;
  const records: ParsedRecord[] = [];
  const ids = new Map<string, Bytes>();
  const keyOf: string[] = [];
  for (const cell of cells) {
    const record = parseRecord(cell.cell, tagCounts(cell.field));
    if (typeof record === 'string') throw await refusal(cell, record, context);
    const key = bytesToKey(record.keyId);
    if (!ids.has(key)) ids.set(key, copy(record.keyId));
    records.push(record);
    keyOf.push(key);
  }
  if (cells.length === 0) return [];
  const rows = await keys.rows(ids, signal);
  for (const [i, cell] of cells.entries()) assertOwnKey(cell, rows.get(keyOf[i] as string)?.row);
  const opened = await keys.open([...rows.values()], signal);
  const dataKeys = new Map([...rows.keys()].map((key, i) => [key, opened[i]?.dataKey as DataKey]));
  const reader = new Reader(context);
  await reader.prepare(cells, records);
  return inChunks(cells.length, signal, (i) =>
    reader.open(cells[i] as CellToOpen, records[i] as ParsedRecord, dataKeys.get(keyOf[i] as string) as DataKey),
  );
}

const counts = new WeakMap<Field, ReadonlyMap<number, number>>();

/** How many tags each schema version of a field has. */
export function tagCounts(field: Field): ReadonlyMap<number, number> {
  let known = counts.get(field);
  if (known === undefined) {
    known = new Map([...field.definition.schemas].map(([version, slots]) => [version, slots.length]));
    counts.set(field, known);
  }
  return known;
}

const reasons: Readonly<Record<Exclude<NoRecord, 'shredded'>, string>> = {
  ERR_FIELD_PLAINTEXT: 'the cell is not encrypted',
  ERR_FIELD_UNSUPPORTED: 'the record has a schema version or flags that are not known here',
  ERR_FIELD_OPEN: 'the record does not open',
  ERR_FIELD_LIMIT: 'the record is too large',
};

async function refusal(cell: CellToOpen, why: NoRecord, { keys, signal }: CellContext): Promise<FieldError> {
  if (why !== 'shredded') return failureAt(cell, why, reasons[why]);
  if (!(await keys.isShredded(dataSlot(cell), signal)))
    return failureAt(cell, 'ERR_FIELD_OPEN', reasons.ERR_FIELD_OPEN);
  return failureAt(cell, 'ERR_FIELD_SHREDDED', 'the data keys of the subject were destroyed');
}

/** §2.2, §4.8, §7.2: before anything is unwrapped. */
function assertOwnKey(cell: CellToOpen, row: DataKeyRow | undefined): void {
  if (row === undefined) throw failureAt(cell, 'ERR_FIELD_KEY', 'its data key is not in the store');
  const { tenant, subject, field } = cell;
  const isOwn = row.tenant === tenant && row.subject === subject && row.purpose === 'data';
  if (!isOwn || (row.field !== null && row.field !== field.id)) {
    throw failureAt(cell, 'ERR_FIELD_OPEN', reasons.ERR_FIELD_OPEN);
  }
  if (row.state === 'shredded' || row.wrapped === null) {
    throw failureAt(cell, 'ERR_FIELD_SHREDDED', 'the data keys of the subject were destroyed');
  }
}

/** What cells of a field, tenant and schema version have in common. */
interface Scope {
  readonly info: Bytes;
  readonly binding: Binding;
  readonly slots: readonly Slot[];
}

class Reader {
  readonly #context: CellContext;
  readonly #scopes = new Map<Field, Map<string, Scope>>();
  // Cells that stand together were mostly written together.
  #last:
    | { readonly dataKey: DataKey; readonly scope: Scope; readonly salt: Bytes; readonly key: Awaitable<AeadKey> }
    | undefined;

  constructor(context: CellContext) {
    this.#context = context;
  }

  async prepare(cells: readonly CellToOpen[], records: readonly ParsedRecord[]): Promise<void> {
    for (const [i, { field, tenant }] of cells.entries()) {
      const { schemaVersion } = records[i] as ParsedRecord;
      const scopes = this.#scopes.get(field) ?? new Map<string, Scope>();
      const key = `${schemaVersion} ${tenant}`;
      if (scopes.has(key)) continue;
      const info = await this.#context.derived.info({ tenant, field: field.id, schemaVersion });
      const slots = field.definition.schemas.get(schemaVersion) ?? [];
      this.#scopes.set(
        field,
        scopes.set(key, { info, binding: this.#context.derived.binding(field.id, tenant), slots }),
      );
    }
  }

  open(cell: CellToOpen, record: ParsedRecord, dataKey: DataKey): Awaitable<unknown> {
    const { field, tenant, row, subject } = cell;
    const scope = this.#scopes.get(field)?.get(`${record.schemaVersion} ${tenant}`) as Scope;
    const key = this.#recordKey(dataKey, scope, record.salt);
    const bound = additionalData(scope.binding, record.header, row, subject);
    if (isPromise(key)) return key.then((ready) => this.#decrypt(ready, cell, record, scope, bound));
    return this.#decrypt(key, cell, record, scope, bound);
  }

  #recordKey(dataKey: DataKey, scope: Scope, salt: Bytes): Awaitable<AeadKey> {
    const last = this.#last;
    if (last?.dataKey === dataKey && last.scope === scope && equalConstantTime(last.salt, salt)) return last.key;
    const key = this.#context.derived.recordKey(dataKey, salt, scope.info, 'open');
    this.#last = { dataKey, scope, salt, key };
    return key;
  }

  #decrypt(key: AeadKey, cell: CellToOpen, record: ParsedRecord, scope: Scope, bound: Bytes): Awaitable<unknown> {
    try {
      const opened = open(key, record.nonce, record.sealed, bound);
      if (!isPromise(opened)) return this.#read(opened, cell, record, scope);
      return opened.then(
        (plaintext) => this.#read(plaintext, cell, record, scope),
        (error: unknown) => {
          throw atPlace(error, cell);
        },
      );
    } catch (error) {
      throw atPlace(error, cell);
    }
  }

  #read(plaintext: Bytes, cell: CellToOpen, record: ParsedRecord, { slots }: Scope): Awaitable<unknown> {
    const encoded = record.padded ? unpad(plaintext) : plaintext;
    const value = encoded === undefined ? undefined : decodeValue(cell.field.definition.type, encoded);
    if (value === undefined) {
      throw failureAt(cell, 'ERR_FIELD_VALUE', `the record opens and holds no ${cell.field.definition.type}`);
    }
    if (cell.expected === undefined) return value;
    return whenThere(this.#fitsTag(cell, record, slots, value, cell.expected), (fits) => {
      if (fits) return value;
      const message = `it was found by a tag of the index ${cell.expected?.index} that is not its own`;
      throw failureAt(cell, 'ERR_FIELD_TAG', message);
    });
  }

  /** §5.8: the header is authentic by now; and what it holds is computed again, or was when it was asked for. */
  #fitsTag(
    cell: CellToOpen,
    { tags }: ParsedRecord,
    slots: readonly Slot[],
    value: unknown,
    { index, tags: asked }: ExpectedTag,
  ): Awaitable<boolean> {
    const checks: Awaitable<boolean>[] = [];
    for (const [i, slot] of slots.entries()) {
      const tag = tags[i] as Bytes;
      const found = slot.index === index ? asked.filter((one) => equalConstantTime(one.tag, tag)) : [];
      if (found.length === 0) continue;
      if (slot.others.length > 0) return true;
      const message = tagMessage(cell.field, slot, value, () => null);
      if (message === undefined) continue;
      // The tag of this message under this key is known.
      if (found.some((one) => one.slot === slot && one.message && compareBytes(one.message, message) === 0))
        return true;
      checks.push(
        whenThere(tagsOf(cell.field, cell.tenant, [{ slot, message }], this.#context), ([own]) =>
          equalConstantTime(tag, own ?? noTag),
        ),
      );
    }
    return whenThere(
      whenAllThere(checks, (fits) => fits),
      (fits) => fits.includes(true),
    );
  }
}

/** A wrong tag of AES-GCM is an error about the place; all else stays what it is. */
function atPlace(error: unknown, cell: CellToOpen): unknown {
  const isWrong = isBullaError(error) && error.code === 'ERR_DECRYPTION_FAILED';
  return isWrong ? failureAt(cell, 'ERR_FIELD_OPEN', reasons.ERR_FIELD_OPEN) : error;
}
