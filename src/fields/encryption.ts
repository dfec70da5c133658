/** Rows sealed, opened and searched for, many at once: what `createFieldEncryption` makes. */

import { createDataKeyCache } from '../cache/caching-keyring.ts';
import type { DataKeyCache } from '../cache/data-key-cache.ts';
import type { Keyring } from '../keyrings/keyring.ts';
import { assert } from '../lib/assert.ts';
import type { OnEvent } from '../lib/events.ts';
import {
  arrayOf,
  func,
  integer,
  oneOf,
  optional,
  type Reader,
  type ReadersOf,
  recordOf,
  takeBoolean,
  takeOptions,
  takeSignal,
  takeString,
} from '../lib/options.ts';
import type { RandomSource } from '../types.ts';
import type { DataKeyStore } from './data-key-store.ts';
import { type Fields, type TableDefinition, tablesOf } from './define.ts';
import { Engine } from './engine.ts';
import type { FieldPath, OpenedRow, RowToSeal, SealedRow, ValueAt } from './infer.ts';
import { DataKeys } from './keys.ts';
import { isName, openRows, sealRows, takeRows } from './row-values.ts';
import { type FieldTags, searchFor, slotsByName, takeSearch, versionsToAsk } from './search.ts';
import { type CellStore, type Shredded, type ShredOptions, shredSubject } from './shred.ts';

/** Options of {@link createFieldEncryption}. */
export interface FieldEncryptionOptions<Of extends Fields> {
  /** What {@link defineFields} made. */
  readonly fields: Of;
  /**
   * The keyring of a tenant, asked for at each use: give the same one each time, since what a new one has unwrapped is not known to the next. Its key context must hold `use: 'bulla-fields'` and `tenant`, and it must wrap by a secret: `serviceKeyring` (online) or `aesKeyring`.
   * Data keys are kept in a cache: that of a `cachingKeyring`, or one that all share.
   */
  readonly keyring: (tenant: string) => Keyring | Promise<Keyring>;
  /** Where wrapped data keys are kept. */
  readonly dataKeys: DataKeyStore;
  /** A cache of `bulla/cache` for keyrings that bring none. Default: one of 10,000 data keys for five minutes. */
  readonly cache?: DataKeyCache | undefined;
  /** `migrating` reads plaintext too, and tells `onEvent` of each such cell. Default: `strict`. */
  readonly mode?: 'strict' | 'migrating' | undefined;
  /** The tenant of calls that say none. Default: none. */
  readonly tenant?: string | undefined;
  /** Milliseconds for which a data key seals new cells, at least 60,000; then another is made. Default: 90 days. */
  readonly maxWriteAge?: number | undefined;
  /** Data keys that were created before this moment seal nothing any more: after a leak. Default: none. */
  readonly notBefore?: Date | undefined;
  /** Milliseconds after which a row of a data key is read again, at most 600,000: so long may shredding take to reach this process. Default: 60,000. */
  readonly rowMaxAge?: number | undefined;
  /** The ids of tenants' index data keys, in hex. Of a tenant that is named here, no other is used and none is made. Default: none is pinned. */
  readonly pinnedIndexKeys?: Readonly<Record<string, readonly string[]>> | undefined;
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Replaces the platform's random generator. For reproducible tests alone: a predictable source gives everything away. */
  readonly random?: RandomSource | undefined;
  /** Is told of cells that are plaintext. */
  readonly onEvent?: OnEvent | undefined;
}

/** Options of each call. */
export interface FieldCallOptions {
  /** Whose rows these are. It must be that of the rows, where they say one. Default: the rows', else that of the field encryption. */
  readonly tenant?: string | undefined;
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link FieldEncryption.open}. */
export interface OpenFieldsOptions extends FieldCallOptions {
  /** What the rows were found by: each must hold such a tag (`ERR_FIELD_TAG`), and those of another value of a bucket are left out. */
  readonly foundBy?: FieldTags | undefined;
}

/** Options of {@link FieldEncryption.index}. */
export interface SearchOptions extends FieldCallOptions {
  /** The name of the index. Default: the only one that the field has. */
  readonly index?: string | undefined;
  /** The values of the other columns of a compound index. */
  readonly with?: Readonly<Record<string, unknown>> | undefined;
}

/** Seals, opens and searches for the encrypted columns of {@link Fields}. */
export interface FieldEncryption<Of extends Fields = Fields> {
  /**
   * Rows whose encrypted columns hold records: all else, NULL included, stays as it is. A column that is `undefined` is left out.
   * Rejects with a `FieldError` that names the place, with what the keyring rejects with, or with a `TypeError` for a wrong argument.
   */
  seal<Table extends keyof Of['options'] & string, const Row extends RowToSeal<Of, Table>>(
    table: Table,
    rows: readonly Row[],
    options?: FieldCallOptions,
  ): Promise<SealedRow<Of, Table, Row>[]>;

  /** Rows whose encrypted columns hold values: of all rows or of none. Rejects as {@link FieldEncryption.seal} does. */
  open<Table extends keyof Of['options'] & string, Row extends object>(
    table: Table,
    rows: readonly Row[],
    options?: OpenFieldsOptions,
  ): Promise<OpenedRow<Of, Table, Row>[]>;

  /** The tags by which rows with a value are found. Rejects as {@link FieldEncryption.seal} does. */
  index<Path extends FieldPath<Of>>(field: Path, value: ValueAt<Of, Path>, options?: SearchOptions): Promise<FieldTags>;

  /**
   * Shreds a subject (`docs/fields.md` §7.4): its cells are `ERR_FIELD_SHREDDED` from now on, no more can be written, and the key service is asked to refuse its data keys for ever. Another person
   * must approve that at the service; until then this resolves with the state `requested`, and is called again afterwards. It may be called again at any time, also after a crash.
   *
   * The keyring of the tenant must be that of somebody who may revoke data keys, which the application itself should not be. Rejects with `ERR_KEYRING_CANNOT` for a keyring that cannot.
   *
   * @example
   * const { state, receipts } = await erasure.shred({ tenant: 'north', subject: '4711', cells: postgresCells(pool) });
   */
  shred(subject: ShredOptions): Promise<Shredded>;
}

const day = 86_400_000;
const takeName: Reader<string> = (value, name) => {
  const text = takeString(value, name);
  assert(isName(text), name, '1 to 256 bytes');
  return text;
};
const takeDate: Reader<number> = (value, name) => {
  assert(Object.prototype.toString.call(value) === '[object Date]', name, 'a Date');
  const time = Date.prototype.getTime.call(value);
  assert(!Number.isNaN(time), name, 'a valid Date');
  return time;
};
const takePins = recordOf(arrayOf(takeString, 1));
const takeObject =
  <Type extends object>(methods: readonly (keyof Type & string)[], must: string): Reader<Type> =>
  (value, name) => {
    const complete = methods.every((method) => typeof (value as Type | null | undefined)?.[method] === 'function');
    assert(complete, name, must);
    return value as Type;
  };
const readers = {
  fields: tablesOf,
  keyring: func<(tenant: string) => Keyring | Promise<Keyring>>(),
  dataKeys: takeObject<DataKeyStore>(['byId', 'bySlot', 'add', 'shred', 'erase', 'define'], 'a DataKeyStore'),
  cache: optional(takeObject<DataKeyCache>(['invalidate'], 'made by createDataKeyCache')),
  mode: optional(oneOf('strict', 'migrating'), 'strict' as const),
  tenant: optional(takeName),
  maxWriteAge: optional(integer(60_000, 10 * 366 * day), 90 * day),
  notBefore: optional(takeDate, 0),
  rowMaxAge: optional(integer(0, 600_000), 60_000),
  pinnedIndexKeys: optional(takePins, {}),
  now: optional(func<() => number>(), Date.now),
  random: optional(func<RandomSource>()),
  onEvent: optional(func<OnEvent>()),
};
const call = { tenant: optional(takeName), signal: optional(takeSignal) } satisfies ReadersOf<FieldCallOptions>;
const openCall = {
  ...call,
  foundBy: optional((value: unknown) => value as FieldTags),
} satisfies ReadersOf<OpenFieldsOptions>;
const searchCall = {
  ...call,
  index: optional(takeString),
  with: optional(
    recordOf((value) => value),
    {} as Readonly<Record<string, unknown>>,
  ),
} satisfies ReadersOf<SearchOptions>;

const shredCall = {
  tenant: takeName,
  subject: takeName,
  cells: optional(takeObject<CellStore>(['shred', 'find'], 'made by postgresCells')),
  revoke: optional(takeBoolean, true),
  block: optional(takeBoolean, false),
  signal: optional(takeSignal),
} satisfies ReadersOf<ShredOptions>;

const engines = new WeakMap<object, Engine>();

/** What stands behind a field encryption. Throws a `TypeError` for anything else. */
export function engineOf(encryption: unknown): Engine {
  const engine = engines.get(encryption as object);
  assert(engine !== undefined, 'encryption', 'made by createFieldEncryption');
  return engine;
}

/**
 * Seals and opens the encrypted columns of a database (`docs/fields.md`): each cell bound to its tenant, field and row, with data keys that a tenant's keyring wraps.
 *
 * Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const encryption = createFieldEncryption({
 *   fields,
 *   keyring: (tenant) => serviceKeyring({ client, keyId: 'alias:fields', keyContext: { use: 'bulla-fields', tenant } }),
 *   dataKeys: postgresDataKeyStore(pool),
 * });
 * const [row] = await encryption.seal('patient', [{ id: 42, clinic: 'north', email: 'alice@example' }]);
 */
export function createFieldEncryption<Of extends Fields>(options: FieldEncryptionOptions<Of>): FieldEncryption<Of> {
  const taken = takeOptions(options, readers);
  const { fields: tables, dataKeys: store, keyring, random, now, pinnedIndexKeys: pinned } = taken;
  const cache = taken.cache ?? createDataKeyCache({ maxEntries: 10_000 });
  const keys = new DataKeys({ ...taken, store, keyring, cache, pinned, now, random });
  const engine = new Engine({ ...taken, tables, keys, store });
  const tableOf = (name: unknown): TableDefinition => {
    const table = tables.get(name as string);
    assert(table !== undefined, 'table', `one of ${[...tables.keys()].join(', ')}`);
    return table;
  };
  const encryption = {
    async seal(table: string, rows: unknown, callOptions = {}) {
      const { tenant, signal } = takeOptions(callOptions, call);
      const definition = tableOf(table);
      return sealRows(engine, definition, takeRows(rows, definition), tenant, signal);
    },
    async open(table: string, rows: unknown, callOptions = {}) {
      const { tenant, foundBy, signal } = takeOptions(callOptions, openCall);
      const definition = tableOf(table);
      return openRows(engine, definition, takeRows(rows, definition), tenant, foundBy, signal);
    },
    index: async (path: string, value: unknown, callOptions = {}) => search(engine, tableOf, path, value, callOptions),
    async shred(options: unknown) {
      const { signal, tenant, subject, ...how } = takeOptions(options, shredCall, 'subject');
      return shredSubject(engine, { tenant, subject }, how, signal);
    },
  };
  engines.set(encryption, engine);
  return Object.freeze(encryption) as FieldEncryption<Of>;
}

async function search(
  engine: Engine,
  tableOf: (name: string) => TableDefinition,
  path: string,
  value: unknown,
  options: unknown,
): Promise<FieldTags> {
  const { tenant = engine.settings.tenant, signal, index, with: parts } = takeOptions(options, searchCall);
  const [table = '', column = ''] = takeString(path, 'field').split('.');
  const field = tableOf(table).fields.get(column);
  assert(
    field !== undefined,
    'field',
    `a table and one of its columns, such as ${table}.${[...tableOf(table).fields.keys()][0]}`,
  );
  assert(tenant !== undefined, 'tenant', 'given');
  const name = slotsByName(field, index)[0]?.index ?? '';
  const other = (part: string) => (Object.hasOwn(parts, part) ? parts[part] : undefined);
  const asked = versionsToAsk(field, name).map((slot) => ({ slot, message: takeSearch(field, slot, value, other) }));
  return searchFor(field, tenant, asked, await engine.begin(signal));
}
