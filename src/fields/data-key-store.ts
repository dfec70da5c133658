/** Where the wrapped data keys of fields are kept, `docs/fields.md` §4.1: the contract, and an implementation in memory. */

import { bytesToKey, copy } from '../lib/bytes.ts';
import type { FieldKeyColumns } from '../schedule/field-keys.ts';
import type { Bytes } from '../types.ts';

/** What a data key is for. There is one active key for each. */
export interface DataKeySlot {
  readonly tenant: string;
  /** Whose cells it seals, or `null` for those of the whole tenant. */
  readonly subject: string | null;
  readonly purpose: 'data' | 'index';
  /** Which field's cells it seals, or `null` for all. */
  readonly field: string | null;
  /** 0, or the version of an index. */
  readonly version: number;
}

/** A data key, wrapped. */
export interface DataKeyRow extends DataKeySlot, FieldKeyColumns {
  /** 16 bytes (§4.3). */
  readonly id: Bytes;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly state: 'active' | 'retired' | 'shredded';
  /** Its wrapped keys, or `null` once they were deleted. */
  readonly wrapped: Bytes | null;
  /** What says that a key service refuses it (§7.5). Default: nothing does. */
  readonly receipt?: string | null;
}

/** Whom data keys are about. */
export interface SubjectName {
  readonly tenant: string;
  readonly subject: string;
}

/** A schema version of a field, in words that are compared (§5.6). */
export interface StoredDefinition {
  readonly field: string;
  readonly version: number;
  readonly definition: string;
}

/** Options of each call of a store. */
export interface DataKeyStoreOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps data keys. Nothing that it answers is believed unchecked, so it may be a table that others can write. What it acknowledges must be committed, whatever transaction
 * the caller is in, and seen by every call that begins later.
 */
export interface DataKeyStore {
  /** The rows of some ids, in any order; what is not there is left out. */
  byId(ids: readonly Bytes[], options?: DataKeyStoreOptions): Promise<readonly DataKeyRow[]>;

  /** The active rows of some slots, and shredded ones where a slot's subject was shredded. */
  bySlot(slots: readonly DataKeySlot[], options?: DataKeyStoreOptions): Promise<readonly DataKeyRow[]>;

  /**
   * Retires active rows, then adds new ones, one for a slot. Resolves to the rows that then hold the slots: those of somebody else who was faster, and shredded ones, since a
   * subject that was shredded gets no key again.
   */
  add(
    rows: readonly DataKeyRow[],
    retire: readonly Bytes[],
    options?: DataKeyStoreOptions,
  ): Promise<readonly DataKeyRow[]>;

  /** Marks all rows of a subject as shredded, and resolves to them; their wrapped keys stay. Where there is none, `marker` is added if it is given: it keeps the subject from ever getting a key. */
  shred(subject: SubjectName, marker?: DataKeyRow, options?: DataKeyStoreOptions): Promise<readonly DataKeyRow[]>;

  /** Deletes the wrapped keys of shredded rows that have some, and keeps a receipt with them. */
  erase(ids: readonly Bytes[], receipt: string | null, options?: DataKeyStoreOptions): Promise<void>;

  /** Keeps definitions that it does not have yet, and resolves to what it has for all of them. */
  define(definitions: readonly StoredDefinition[], options?: DataKeyStoreOptions): Promise<readonly StoredDefinition[]>;
}

/** A string that stands for a slot. */
export function slotKey({ tenant, subject, purpose, field, version }: DataKeySlot): string {
  return JSON.stringify([tenant, subject, purpose, field, version]);
}

/** Keeps data keys in memory: for tests and trials. When the process ends, nothing that was sealed opens again. */
export function memoryDataKeyStore(): DataKeyStore {
  const rows = new Map<string, DataKeyRow>();
  const definitions = new Map<string, StoredDefinition>();
  const ofSubject = (tenant: string, subject: string | null) =>
    subject === null ? [] : [...rows.values()].filter((row) => row.tenant === tenant && row.subject === subject);
  const holder = (slot: DataKeySlot): DataKeyRow | undefined =>
    ofSubject(slot.tenant, slot.subject).find(({ state }) => state === 'shredded') ??
    [...rows.values()].find((row) => row.state === 'active' && slotKey(row) === slotKey(slot));
  const holders = (slots: readonly DataKeySlot[]) =>
    slots.flatMap((slot) => {
      const row = holder(slot);
      return row === undefined ? [] : [row];
    });
  return {
    byId: async (ids) => ids.flatMap((id) => rows.get(bytesToKey(id)) ?? []),
    bySlot: async (slots) => holders(slots),
    async add(added, retired) {
      for (const id of retired) {
        const row = rows.get(bytesToKey(id));
        if (row?.state === 'active') rows.set(bytesToKey(id), { ...row, state: 'retired' });
      }
      for (const row of added) {
        if (holder(row) === undefined) rows.set(bytesToKey(row.id), { ...row, id: copy(row.id) });
      }
      return holders(added);
    },
    async shred({ tenant, subject }, marker) {
      const own = ofSubject(tenant, subject);
      if (own.length === 0 && marker !== undefined) rows.set(bytesToKey(marker.id), marker);
      for (const row of own) rows.set(bytesToKey(row.id), { ...row, state: 'shredded' });
      return ofSubject(tenant, subject);
    },
    async erase(ids, receipt) {
      for (const id of ids) {
        const row = rows.get(bytesToKey(id));
        if (row?.state !== 'shredded' || row.wrapped === null) continue;
        rows.set(bytesToKey(id), { ...row, wrapped: null, receipt });
      }
    },
    async define(given) {
      return given.map((each) => {
        const key = `${each.field} ${each.version}`;
        const known = definitions.get(key) ?? each;
        definitions.set(key, known);
        return known;
      });
    },
  };
}
