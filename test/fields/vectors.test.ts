// test/vectors/fields-*.json through the public API: every record opens, every cell that must be refused is refused with its code.

import { describe, expect, test } from 'vitest';
import { encodeWrappedKey } from '../../src/envelope/wrapped-key.ts';
import type { Field } from '../../src/fields/define.ts';
import type { Slot } from '../../src/fields/indexes.ts';
import { computeTag, tagMessage } from '../../src/fields/tags.ts';
import {
  blindIndex,
  createFieldEncryption,
  type DataKeyRow,
  type DataKeyStore,
  defineFields,
  encrypted,
  memoryDataKeyStore,
  prefixIndex,
} from '../../src/fields.ts';
import { importDataKey } from '../../src/keyrings/custom.ts';
import { concat, lengthPrefixed } from '../../src/lib/bytes.ts';
import { deriveFieldKeyId, deriveIndexKey } from '../../src/schedule/field-keys.ts';
import keyVectors from '../vectors/fields-keys.json' with { type: 'json' };
import recordVectors from '../vectors/fields-records.json' with { type: 'json' };
import refusedVectors from '../vectors/fields-refused.json' with { type: 'json' };
import tagVectors from '../vectors/fields-tags.json' with { type: 'json' };
import { failureOf, fromHex, tenantKeyring, toHex } from './support.ts';

type Changes = Readonly<Record<string, Partial<DataKeyRow> | null | undefined>>;

/** A store that holds the data keys of the vectors, some of them changed. */
async function storeOf(changes: Changes): Promise<DataKeyStore> {
  const rows = keyVectors.flatMap(({ name, dataKey, ...row }) => {
    const change = changes[name];
    if (change === null) return [];
    const columns = { subject: null, field: null, ...row, ...change } as unknown as DataKeyRow;
    return [{ ...columns, id: fromHex(row.id), dataKey: fromHex(dataKey) }];
  });
  const wrapped = await Promise.all(
    rows.map(async ({ dataKey, ...row }): Promise<DataKeyRow> => {
      const [key] = await tenantKeyring(row.tenant).wrapDataKey(dataKey);
      if (key === undefined) throw new Error('nothing was wrapped');
      return { ...row, wrapped: row.state === 'shredded' ? null : concat(lengthPrefixed(encodeWrappedKey(key))) };
    }),
  );
  const has = (id: Uint8Array) => (row: DataKeyRow) => toHex(row.id) === toHex(id);
  return {
    ...memoryDataKeyStore(),
    byId: async (ids) => wrapped.filter((row) => ids.some((id) => has(id)(row))),
    bySlot: async (slots) =>
      wrapped.filter(({ state, tenant, subject }) =>
        slots.some((slot) => state === 'shredded' && slot.tenant === tenant && slot.subject === subject),
      ),
  };
}

interface Place {
  readonly tenant: string;
  readonly field: string;
  readonly subject?: string | undefined;
  readonly row?: readonly string[] | undefined;
}

/** Opens a cell as a reader that expects a type at a place, and knows the schema versions of test/vectors/README.md. */
async function openAt(place: Place, type: string, cell: Uint8Array, changes: Changes = {}): Promise<unknown> {
  const { tenant, field, subject, row = [] } = place;
  const [table = '', column = ''] = field.split('.');
  const tag = (name: string) => blindIndex<string>({ name });
  const earlier = {
    2: [tag('idx')],
    3: [tag('idx'), blindIndex<string>({ version: 2 })],
    4: [prefixIndex({ lengths: [3, 5] }), tag('idx')],
    5: [],
  };
  const make = encrypted[type as 'string'];
  const columns = { [column]: type === 'string' ? make({ earlier }) : make({ earlier: { 5: [] } }) };
  const names = row.map((_, i) => `key${i}`);
  const options = { row: names.length > 0 ? names : (false as const), columns };
  const fields = defineFields({ [table]: subject === undefined ? options : { ...options, subject: 'subject' } });
  const encryption = createFieldEncryption({
    ...{ fields, keyring: (of: string) => tenantKeyring(of) },
    dataKeys: await storeOf(changes),
  });
  const identity = Object.fromEntries(row.map((value, i) => [`key${i}`, value]));
  const [opened] = await encryption.open(table, [{ ...identity, subject, [column]: cell }], { tenant });
  return (opened as Record<string, unknown> | undefined)?.[column];
}

/** As JSON has it. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (value instanceof Date) return value.getTime();
  return typeof value === 'bigint' ? String(value) : value;
}

describe('§1.5 a record of the vectors opens', () => {
  test.each(recordVectors)('$name', async ({ record, type, value, ...place }) => {
    expect(plain(await openAt(place, type, fromHex(record)))).toEqual(value);
  });
});

describe('a cell of the vectors', () => {
  test.each(refusedVectors)('$clause $name: $code', async ({ cell, type, code, rows, ...place }) => {
    const error = await failureOf(openAt(place, type, fromHex(cell), (rows ?? {}) as Changes));
    expect(error.code).toBe(code);
  });
});

describe('§4.3 the id of a data key', () => {
  test.each(keyVectors)('$name', async ({ dataKey, id, ...row }) => {
    const columns = { subject: null, field: null, ...row } as unknown as DataKeyRow;
    expect(toHex(await deriveFieldKeyId(await importDataKey(fromHex(dataKey)), columns))).toBe(id);
  });
});

describe('§5.2 a tag of the vectors', () => {
  test.each(tagVectors)('$name', async ({ index, parts, key, tenant, field, message, tag }) => {
    const names = index.parts.map((name) => name.replace('()', ''));
    const slot: Slot = {
      ...{ index: index.name, version: index.version, kind: index.kind, bits: index.bits, unique: false },
      steps: index.steps as Slot['steps'],
      prefix: Number(/^prefix:(\d+)$/.exec(index.kind)?.[1] ?? 0),
      of: undefined,
      others: names.slice(1),
    };
    const fields = new Map(names.map((name, i) => [name, { key: name, definition: { type: parts[i]?.type } }]));
    const own = {
      id: field,
      name: names[0],
      key: names[0],
      table: { key: 'patient', fields },
      definition: { type: parts[0]?.type },
    };
    const values = parts.map(({ type, value }) => {
      if (type === 'bigint' && value !== null) return BigInt(value as string);
      return type === 'date' ? new Date(value as number) : value;
    });
    const made = tagMessage(own as unknown as Field, slot, values[0], (name) => values[names.indexOf(name)]);
    expect(made && toHex(made)).toBe(message);
    if (made === undefined) return expect(tag).toBe('00'.repeat(12));
    const dataKey = await importDataKey(fromHex(keyVectors.find(({ name }) => name === key)?.dataKey ?? ''));
    const { name, version, kind, bits } = index;
    const scope = {
      tenant,
      field,
      index: name,
      version,
      kind,
      bits,
      parts: index.parts.join(),
      steps: index.steps.join(),
    };
    expect(toHex(await computeTag(await deriveIndexKey(dataKey, scope), made, bits))).toBe(tag);
  });
});
