import { describe, expect, test } from 'vitest';
import {
  blindIndex,
  bucketIndex,
  compoundIndex,
  defineFields,
  encrypted,
  memoryDataKeyStore,
  prefixIndex,
} from '../../src/fields.ts';
import { encryptionOf, failureOf, patients, toHex } from './support.ts';

const tagAt = (record: Uint8Array | null | undefined, slot = 0): string =>
  toHex(record?.slice(3 + 12 * slot, 15 + 12 * slot) ?? new Uint8Array());
const none = '00'.repeat(12);
const north = { tenant: 'north' };

describe('tags', () => {
  test('§5.1 equal values of a tenant have equal tags; other tenants, fields and versions have others', async () => {
    const dataKeys = memoryDataKeyStore();
    const make = (version: number) =>
      defineFields({
        person: {
          ...{ row: 'id', tenant: 'clinic' },
          columns: {
            a: encrypted.string({ index: [blindIndex({ version })], version }),
            b: encrypted.string({ index: [blindIndex({ version })], version }),
          },
        },
      });
    const rows = [
      { id: 1, clinic: 'north', a: 'x', b: 'x' },
      { id: 2, clinic: 'north', a: 'x', b: 'y' },
      { id: 3, clinic: 'south', a: 'x', b: 'z' },
    ];
    const [first, second, third] = await encryptionOf(make(1), { dataKeys }).seal('person', rows);
    const [newer] = await encryptionOf(make(2), { dataKeys }).seal('person', rows);
    expect(tagAt(second?.a)).toBe(tagAt(first?.a));
    const all = [first?.a, first?.b, second?.b, third?.a, newer?.a].map((record) => tagAt(record));
    expect(new Set(all).size).toBe(5);
  });

  test('§5.2 buckets keep their bits, prefixes and compounds their parts', async () => {
    const fields = defineFields({
      person: {
        row: 'id',
        columns: {
          last: encrypted.string({ index: [bucketIndex({ bits: 11 }), prefixIndex({ lengths: [2, 4] })] }),
          first: encrypted.string({ index: [compoundIndex({ with: ['active'] })] }),
          active: encrypted.boolean(),
        },
      },
    });
    const encryption = encryptionOf(fields, north);
    const rows = await encryption.seal('person', [
      { id: 1, last: 'Meier', first: 'Eva', active: true },
      { id: 2, last: 'Meise', first: 'Eva', active: false },
      { id: 3, last: 'Me', first: 'Eva', active: null },
    ]);
    expect(tagAt(rows[0]?.last)).toMatch(/^..[02468ace]0(00){9}0b$/);
    expect(tagAt(rows[0]?.last, 1)).toBe(tagAt(rows[2]?.last, 1));
    expect(tagAt(rows[0]?.last, 2)).not.toBe(tagAt(rows[1]?.last, 2));
    const [, meis] = await Promise.all(
      ['Meie', 'Meis'].map((value) => encryption.index('person.last', value, { index: 'prefix4' })),
    );
    expect(meis?.tags.map(({ tag }) => toHex(tag))).toEqual([tagAt(rows[1]?.last, 2)]);
    expect(tagAt(rows[0]?.first)).not.toBe(tagAt(rows[1]?.first));
    const found = await encryption.index('person.first', 'Eva', { with: { active: false } });
    expect(found.tags.map(({ column, tag }) => [column, toHex(tag)])).toEqual([['first_idx', tagAt(rows[1]?.first)]]);
    expect(await encryption.open('person', rows)).toHaveLength(3);
  });

  test('§5.3 where there is no tag, it is zero, and cannot be searched for', async () => {
    const fields = defineFields({
      person: {
        row: 'id',
        columns: {
          name: encrypted.string({ index: [prefixIndex({ lengths: [3] }), compoundIndex({ with: ['born'] })] }),
          born: encrypted.date({
            index: [blindIndex({ of: (date) => (date.getUTCFullYear() === 1970 ? null : date.getUTCFullYear()) })],
          }),
        },
      },
    });
    const encryption = encryptionOf(fields, north);
    const [row] = await encryption.seal('person', [{ id: 1, name: 'Bo', born: null }]);
    expect([tagAt(row?.name), tagAt(row?.name, 1)]).toEqual([none, none]);
    const [other] = await encryption.seal('person', [{ id: 1, name: 'Bob', born: new Date(0) }]);
    expect([tagAt(other?.name) === none, tagAt(other?.born)]).toEqual([false, none]);
    for (const search of [
      encryption.index('person.name', 'Bo', { index: 'prefix3' }),
      encryption.index('person.name', 'Bob', { index: 'idx', with: { born: null } }),
      encryption.index('person.born', new Date(0)),
    ]) {
      expect((await failureOf(search)).code).toBe('ERR_FIELD_VALUE');
    }
  });

  test('§5.4 strings are compared after normalization, and sealed as they are', async () => {
    const fields = defineFields({
      person: {
        row: 'id',
        columns: {
          name: encrypted.string({ index: [blindIndex({ normalize: ['trim', 'lower'] })] }),
          phone: encrypted.string({ index: [blindIndex({ normalize: ['digits'] })] }),
          price: encrypted.decimal({ index: [blindIndex()] }),
        },
      },
    });
    const encryption = encryptionOf(fields, north);
    const names = ['Zoë ΟΔΟΣ', '\tZoe\u0308 οδοσ\u00a0', 'ZOË οδος'];
    const rows = await encryption.seal(
      'person',
      names.map((name, id) => ({ id, name, phone: '+49 30', price: `1.5${'0'.repeat(id)}` })),
    );
    expect(new Set(rows.map(({ name }) => tagAt(name))).size).toBe(1);
    expect(new Set(rows.map(({ price }) => tagAt(price))).size).toBe(1);
    expect((await encryption.open('person', rows)).map(({ name }) => name)).toEqual(names);
    const found = await encryption.index('person.phone', '(49)30');
    expect(toHex(found.tags[0]?.tag ?? new Uint8Array())).toBe(tagAt(rows[0]?.phone));
    // Assigned since Unicode 16.0.
    const error = await failureOf(encryption.seal('person', [{ id: 1, name: 'a\u1c89' }]));
    expect(error).toMatchObject({ code: 'ERR_FIELD_VALUE', column: 'name' });
    expect((await encryption.seal('person', [{ id: 1, name: 'a\u1c88' }])).length).toBe(1);
  });

  test('§5.5 a computed part has the type of what was computed', async () => {
    const fields = defineFields({
      person: {
        row: 'id',
        columns: {
          born: encrypted.date({ index: [blindIndex({ name: 'year', of: (date) => date.getUTCFullYear() })] }),
        },
      },
    });
    const encryption = encryptionOf(fields, north);
    const [row] = await encryption.seal('person', [{ id: 1, born: new Date('1971-03-04') }]);
    const { tags, index } = await encryption.index('person.born', new Date('1971-12-31'));
    expect([index, tags[0]?.column, toHex(tags[0]?.tag ?? new Uint8Array())]).toEqual([
      'year',
      'born_year',
      tagAt(row?.born),
    ]);
    const broken = defineFields({
      person: { row: 'id', columns: { born: encrypted.date({ index: [blindIndex({ of: () => ({}) as never })] }) } },
    });
    const error = await failureOf(encryptionOf(broken, north).seal('person', [{ id: 1, born: new Date() }]));
    expect(error.code).toBe('ERR_FIELD_VALUE');
  });
});

describe('schema versions', () => {
  const email = (version: number) =>
    defineFields({
      person: {
        row: 'id',
        columns: {
          email:
            [
              encrypted.string({ index: [blindIndex()] }),
              encrypted.string({
                version: 2,
                index: [blindIndex(), blindIndex({ version: 2 })],
                earlier: { 1: [blindIndex()] },
              }),
              encrypted.string({
                version: 3,
                index: [blindIndex({ version: 2 })],
                earlier: { 2: [blindIndex(), blindIndex({ version: 2 })] },
              }),
              encrypted.string({
                version: 4,
                index: [blindIndex({ version: 3 })],
                earlier: { 3: [blindIndex({ version: 2 })] },
              }),
            ][version - 1] ?? encrypted.string(),
        },
      },
    });

  test.each([
    ['new records have', { version: 2, index: [blindIndex()], earlier: { 1: [] } }],
    ['old records have', { version: 2, index: [], earlier: { 1: [blindIndex()] } }],
    [
      'has other columns in each version',
      {
        ...{ version: 2, index: [compoundIndex({ with: ['born', 'town'], version: 2 })] },
        earlier: { 1: [compoundIndex({ with: ['town'] })] },
      },
    ],
  ])('§5.6 a search by an index that only %s is refused: it would miss records, or find others', async (_, options) => {
    const columns = { email: encrypted.string(options), town: encrypted.string(), born: encrypted.string() };
    const encryption = encryptionOf(defineFields({ person: { row: 'id', columns } }), north);
    const search = encryption.index('person.email', 'x', { with: { town: 'y', born: 'z' } });
    expect((await failureOf(search)).code).toBe('ERR_FIELD_QUERY');
  });

  test('§5.6 an index is rotated through two slots, and searches ask for what all records have', async () => {
    const dataKeys = memoryDataKeyStore();
    const at = (version: number) => encryptionOf(email(version), { dataKeys, ...north });
    const columnsAt = async (version: number) =>
      (await at(version).index('person.email', 'x')).tags.map(({ column }) => column);
    const [first] = await at(1).seal('person', [{ id: 1, email: 'x' }]);
    const [second] = await at(2).seal('person', [{ id: 1, email: 'x' }]);
    const [third] = await at(3).seal('person', [{ id: 1, email: 'x' }]);
    expect(tagAt(second?.email)).toBe(tagAt(first?.email));
    expect(tagAt(third?.email)).toBe(tagAt(second?.email, 1));
    expect([first, second, third].map((row) => row?.email[2])).toEqual([1, 2, 3]);
    expect(await columnsAt(1)).toEqual(['email_idx']);
    expect(await columnsAt(2)).toEqual(['email_idx']);
    expect(await columnsAt(3)).toEqual(['email_idx_v2']);
    await at(4).seal('person', [{ id: 1, email: 'x' }]);
    expect(await columnsAt(4)).toEqual(['email_idx_v3', 'email_idx_v2']);
    expect((await at(2).open('person', [{ id: 1, email: first?.email }]))[0]?.email).toBe('x');
    expect((await failureOf(at(3).open('person', [{ id: 1, email: first?.email }]))).code).toBe(
      'ERR_FIELD_UNSUPPORTED',
    );
    expect((await failureOf(at(1).open('person', [{ id: 1, email: second?.email }]))).code).toBe(
      'ERR_FIELD_UNSUPPORTED',
    );
  });

  test.each([
    ['an index less', { index: [] }],
    ['another normalization', { index: [blindIndex({ normalize: ['lower'] })] }],
    ['another name', { index: [blindIndex({ name: 'other' })] }],
    ['a bucket', { index: [bucketIndex({ bits: 8 })] }],
    ['something computed', { index: [blindIndex<string>({ of: (text) => text.length })] }],
  ] as const)('§5.6 %s under the same version is noticed before anything is done', async (_, options) => {
    const dataKeys = memoryDataKeyStore();
    await encryptionOf(email(1), { dataKeys, ...north }).seal('person', [{ id: 1, email: 'x' }]);
    const changed = defineFields({ person: { row: 'id', columns: { email: encrypted.string(options) } } });
    const encryption = encryptionOf(changed, { dataKeys, ...north });
    for (const call of [encryption.seal('person', []), encryption.open('person', [])]) {
      expect((await failureOf(call)).code).toBe('ERR_FIELD_SCHEMA');
    }
  });
});

describe('searching', () => {
  const alice = { id: 1, clinic: 'north', email: 'Alice@example' };

  test('§5.8 a row that was found by a tag must hold it', async () => {
    const encryption = encryptionOf(patients);
    const [first, second] = await encryption.seal('patient', [alice, { ...alice, id: 2, email: 'bob@example' }]);
    const foundBy = await encryption.index('patient.email', ' alice@EXAMPLE', north);
    expect(foundBy.tags).toMatchObject([{ column: 'email_idx', version: 1 }]);
    expect(toHex(foundBy.tags[0]?.tag ?? new Uint8Array())).toBe(tagAt(first?.email));
    expect(await encryption.open('patient', [{ ...first }], { foundBy })).toEqual([alice]);
    const error = await failureOf(encryption.open('patient', [{ ...second }], { foundBy }));
    expect(error).toMatchObject({ code: 'ERR_FIELD_TAG', column: 'email', row: ['2'] });
    await expect(encryption.open('patient', [{ id: 1, clinic: 'north' }], { foundBy })).rejects.toThrow(TypeError);
  });

  test('§5.8 others of a bucket are left out', async () => {
    const fields = defineFields({
      person: { row: 'id', columns: { name: encrypted.string({ index: [bucketIndex({ bits: 4 })] }) } },
    });
    const encryption = encryptionOf(fields, north);
    const rows = await encryption.seal(
      'person',
      Array.from({ length: 100 }, (_, id) => ({ id, name: `n${id % 50}` })),
    );
    const foundBy = await encryption.index('person.name', 'n7');
    const tag = toHex(foundBy.tags[0]?.tag ?? new Uint8Array());
    const candidates = rows.filter(({ name }) => tagAt(name) === tag);
    expect(candidates.length).toBeGreaterThan(2);
    expect((await encryption.open('person', candidates, { foundBy })).map(({ id }) => id)).toEqual([7, 57]);
  });

  test('§5.9 a pinned index key is the only one, and is not made again', async () => {
    const dataKeys = memoryDataKeyStore();
    await encryptionOf(patients, { dataKeys }).seal('patient', [alice]);
    const slot = { tenant: 'north', subject: null, purpose: 'index', field: null, version: 1 } as const;
    const [row] = await dataKeys.bySlot([slot]);
    const pinned = (id: string) => ({ pinnedIndexKeys: { north: [id] } });
    const right = encryptionOf(patients, { dataKeys, ...pinned(toHex(row?.id ?? new Uint8Array())) });
    expect((await right.index('patient.email', 'x', north)).tags).toHaveLength(1);
    const wrong = encryptionOf(patients, { dataKeys, ...pinned('00'.repeat(16)) });
    expect((await failureOf(wrong.index('patient.email', 'x', north))).code).toBe('ERR_FIELD_KEY');
    const deleted = encryptionOf(patients, pinned('00'.repeat(16)));
    expect((await failureOf(deleted.seal('patient', [alice]))).code).toBe('ERR_FIELD_KEY');
  });

  test('a search before anything was written finds nothing and makes no key', async () => {
    const dataKeys = memoryDataKeyStore();
    const encryption = encryptionOf(patients, { dataKeys });
    expect((await encryption.index('patient.email', 'x', north)).tags).toEqual([]);
    expect(
      await dataKeys.bySlot([{ tenant: 'north', subject: null, purpose: 'index', field: null, version: 1 }]),
    ).toEqual([]);
  });

  test('§5.10 the parts of a compound index are written together', async () => {
    const fields = defineFields({
      person: {
        row: 'id',
        columns: { last: encrypted.string({ index: [compoundIndex({ with: ['first'] })] }), first: encrypted.string() },
      },
    });
    const encryption = encryptionOf(fields, north);
    for (const row of [
      { id: 1, last: 'x' },
      { id: 1, first: 'y' },
    ]) {
      expect((await failureOf(encryption.seal('person', [row]))).code).toBe('ERR_FIELD_VALUE');
    }
    await expect(encryption.seal('person', [{ id: 1, last: 'x', first: null }])).resolves.toHaveLength(1);
    expect((await failureOf(encryption.index('person.last', 'x'))).code).toBe('ERR_FIELD_VALUE');
  });
});

describe('definitions', () => {
  test.each([
    ['two indexes of one name', () => encrypted.string({ index: [blindIndex(), blindIndex()] })],
    ['four tags', () => encrypted.string({ index: [prefixIndex({ lengths: [1, 2, 3, 4] })] })],
    ['a boolean alone', () => encrypted.boolean({ index: [blindIndex()] })],
    ['JSON', () => encrypted.json({ index: [blindIndex()] })],
    ['a prefix of a number', () => encrypted.number({ index: [prefixIndex({ lengths: [1] }) as never] })],
    ['what is no index', () => encrypted.string({ index: [{} as never] })],
    ['a bucket of 33 bits', () => bucketIndex({ bits: 33 })],
    ['version 0', () => blindIndex({ version: 0 })],
    ['an unknown step', () => blindIndex({ normalize: ['upper' as 'lower'] })],
    ['padding to one', () => encrypted.string({ pad: 1 })],
    ['its own version as an earlier one', () => encrypted.string({ earlier: { 1: [] } })],
    ['no columns', () => defineFields({ x: { row: 'id', columns: {} } })],
    ['no tables', () => defineFields({})],
    ['a field with a dot', () => defineFields({ x: { row: 'id', columns: { 'a.b': encrypted.string() } } })],
    ['a column that is none', () => defineFields({ x: { row: 'id', columns: { a: {} } } })],
    ['an encrypted key', () => defineFields({ x: { row: 'a', columns: { a: encrypted.string() } } })],
    ['nine key columns', () => defineFields({ x: { row: [...'bcdefghij'], columns: { a: encrypted.string() } } })],
    ['a key column twice', () => defineFields({ x: { row: ['b', 'b'], columns: { a: encrypted.string() } } })],
    [
      'a part that is not encrypted',
      () =>
        defineFields({
          x: { row: 'id', columns: { a: encrypted.string({ index: [compoundIndex({ with: ['b'] })] }) } },
        }),
    ],
    [
      'two fields of one name',
      () => defineFields({ x: { row: 'id', columns: { a: encrypted.string(), b: encrypted.string({ name: 'a' }) } } }),
    ],
    [
      'two tables that are one',
      () =>
        defineFields({
          x: { row: 'id', columns: { a: encrypted.string() } },
          y: { table: 'x', row: 'id', columns: { a: encrypted.string() } },
        }),
    ],
    [
      'an unknown option',
      () => defineFields({ x: { row: 'id', rows: 1, columns: { a: encrypted.string() } } as never }),
    ],
  ])('%s is refused', (_, make) => {
    expect(make).toThrow(TypeError);
  });
});
