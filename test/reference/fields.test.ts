// The reference of docs/fields.md opens every record of the vectors, agrees with their intermediate values, and refuses what must be refused.

import { describe, expect, test } from 'vitest';
import keyVectors from '../vectors/fields-keys.json' with { type: 'json' };
import recordVectors from '../vectors/fields-records.json' with { type: 'json' };
import refusedVectors from '../vectors/fields-refused.json' with { type: 'json' };
import tagVectors from '../vectors/fields-tags.json' with { type: 'json' };
import { type KeyRow, open, type Type } from './fields.ts';
import { fieldKeys, fieldRecords, fieldTags } from './generate/fields.ts';
import { refusedFields } from './generate/fields-refused.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
const keys = keyVectors.map(
  (row) => ({ ...row, id: bytes(row.id), dataKey: bytes(row.dataKey) }) as KeyRow & typeof row,
);
const versions = { 1: 0, 2: 1, 3: 2, 4: 3, 5: 0 };

test('§7.1 the vectors, tombstones among them, are what the reference makes', () => {
  expect(plain(fieldKeys)).toEqual(keyVectors);
  expect(plain(fieldTags)).toEqual(tagVectors);
  expect(plain(fieldRecords)).toEqual(recordVectors);
  expect(plain(refusedFields)).toEqual(refusedVectors);
});

describe('§1.6 a record', () => {
  test.each(recordVectors)('$name', ({ record, type, value, ...place }) => {
    expect(open(bytes(record), place, type as Type, versions, keys)).toEqual(value);
  });
});

describe('a cell', () => {
  test.each(refusedVectors)('$clause $name: $code', ({ cell, type, code, clause, rows, ...place }) => {
    const changes: Readonly<Record<string, object | null | undefined>> = rows ?? {};
    const changed = keys
      .filter(({ name }) => changes[name] !== null)
      .map((row) => ({ ...row, ...changes[row.name] }) as KeyRow);
    expect(() => open(bytes(cell), place, type as Type, versions, changed)).toThrow(
      expect.objectContaining({ code, clause }),
    );
  });
});
