import { describe, expect, expectTypeOf, test } from 'vitest';
import { blindIndex, defineFields, encrypted, memoryDataKeyStore } from '../../src/fields.ts';
import type { BullaEvent } from '../../src/lib/events.ts';
import { encryptionOf, failureOf, patients, tenantKeyring } from './support.ts';

const alice = { id: 42, clinic: 'north', email: 'alice@example', note: 'pollen', born: new Date(0) };

describe('sealing and opening', () => {
  test('§1.1 values become records and back; NULL and other columns stay, the empty string is sealed', async () => {
    const encryption = encryptionOf(patients);
    const given = [
      { ...alice, record: { blood: 'AB' }, name: 'Alice' },
      { id: 43, clinic: 'north', email: '', note: null, name: 'Bob' },
    ];
    const sealed = await encryption.seal('patient', given);
    expect(sealed[0]).toMatchObject({ id: 42, clinic: 'north', name: 'Alice' });
    expect(sealed[1]?.note).toBeNull();
    expect(sealed[1]?.email).toBeInstanceOf(Uint8Array);
    expect(sealed[0]?.email?.[0]).toBe(0xf9);
    expect(await encryption.open('patient', sealed)).toEqual(given);
  });

  test('§1.4 a record has 60 bytes more than its value, 72 with a tag, and padding hides lengths', async () => {
    const encryption = encryptionOf(patients);
    for (const length of [0, 1, 100, 10_000]) {
      const [row] = await encryption.seal('patient', [
        { ...alice, email: 'x'.repeat(length), note: 'y'.repeat(length) },
      ]);
      expect([row?.email.byteLength, row?.note.byteLength]).toEqual([length + 72, length + 60]);
    }
    const lengths = await encryption.seal('patient', [
      { ...alice, record: { blood: 'A' } },
      { ...alice, record: { blood: 'AB-' } },
    ]);
    expect(lengths.map(({ record }) => record.byteLength)).toEqual([59 + 64, 59 + 64]);
  });

  test('§1.4 a value of more than 16 MiB is refused', async () => {
    const fields = defineFields({ file: { row: 'id', columns: { data: encrypted.bytes() } } });
    const encryption = encryptionOf(fields, { tenant: 'north' });
    const big = new Uint8Array(2 ** 24 + 1);
    const error = await failureOf(encryption.seal('file', [{ id: 1, data: big }]));
    expect(error).toMatchObject({ code: 'ERR_FIELD_LIMIT', table: 'file', column: 'data', row: ['1'] });
  });

  test('§1.7 one salt for a batch, a nonce for each record', async () => {
    const encryption = encryptionOf(patients);
    const rows = await encryption.seal(
      'patient',
      Array.from({ length: 300 }, (_, id) => ({ ...alice, id })),
    );
    const parts = rows.map(({ note }) => [note.slice(19, 31).join(), note.slice(31, 43).join()]);
    expect(new Set(parts.map(([salt]) => salt)).size).toBe(1);
    expect(new Set(parts.map(([, nonce]) => nonce)).size).toBe(300);
    const other = await encryptionOf(patients).seal('patient', [alice]);
    expect(other[0]?.note.slice(19, 31).join()).not.toBe(parts[0]?.[0]);
  });

  test('§1.8 every bit of a record counts: header, tag, salt, nonce, ciphertext', async () => {
    const encryption = encryptionOf(patients);
    const [sealed] = await encryption.seal('patient', [alice]);
    const record = sealed?.email as Uint8Array<ArrayBuffer>;
    for (let bit = 0; bit < record.byteLength * 8; bit++) {
      const flipped = record.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const error = await failureOf(encryption.open('patient', [{ id: 42, clinic: 'north', email: flipped }]));
      expect(error.code, `bit ${bit}`).toMatch(/^ERR_FIELD_(OPEN|PLAINTEXT|UNSUPPORTED|KEY)$/);
      expect(error.message).not.toContain('alice@example');
    }
  });

  test('§1.8 every truncation is refused', async () => {
    const encryption = encryptionOf(patients);
    const [sealed] = await encryption.seal('patient', [alice]);
    for (let length = 0; length < (sealed?.email.byteLength ?? 0); length++) {
      const email = sealed?.email.slice(0, length);
      const error = await failureOf(encryption.open('patient', [{ id: 42, clinic: 'north', email }]));
      expect(error.code, `${length} bytes`).toMatch(/^ERR_FIELD_(OPEN|PLAINTEXT)$/);
    }
  });

  test.each([
    ['another row', 'patient', { id: 43 }, {}],
    ['another tenant, with a key of its own', 'patient', { clinic: 'south' }, {}],
    ['another table', 'doctor', {}, {}],
    ['another column', 'patient', {}, { note: 'email', email: 'note' }],
  ] as const)('§1.6 a record of %s is refused, with its place and no value', async (_, table, place, moved) => {
    const encryption = encryptionOf(patients);
    await encryption.seal('patient', [{ ...alice, clinic: 'south' }]);
    const [sealed] = await encryption.seal('patient', [alice]);
    const cells = { email: sealed?.email, note: sealed?.note };
    const swapped = Object.keys(moved).length > 0 ? { email: cells.note, note: cells.email } : { note: cells.note };
    const row = { id: 42, clinic: 'north', ...swapped, ...place };
    const error = await failureOf(encryption.open(table, [row]));
    expect(error).toMatchObject({ code: 'ERR_FIELD_OPEN', table });
    expect(error.message).not.toMatch(/alice|pollen/);
  });

  test('§1.9 one bad cell, and nothing of the others', async () => {
    const encryption = encryptionOf(patients);
    const sealed = await encryption.seal(
      'patient',
      Array.from({ length: 100 }, (_, id) => ({ ...alice, id })),
    );
    const swapped = sealed.map((row, i) => (i === 99 ? { ...row, note: sealed[0]?.note } : row));
    const error = await failureOf(encryption.open('patient', swapped));
    expect(error).toMatchObject({ code: 'ERR_FIELD_OPEN', column: 'note', row: ['99'] });
  });

  test('what a caller changes after the call is for the next one', async () => {
    const encryption = encryptionOf(patients);
    const row = { ...alice };
    const sealing = encryption.seal('patient', [row]);
    row.email = 'mallory@example';
    row.id = 1;
    const sealed = await sealing;
    const opening = encryption.open('patient', sealed);
    sealed[0]?.email.fill(0);
    expect((await opening)[0]?.email).toBe('alice@example');
  });

  test('an aborted signal ends a call with its reason', async () => {
    const encryption = encryptionOf(patients);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(encryption.seal('patient', [alice], { signal })).rejects.toThrow('enough');
    await expect(encryption.open('patient', [], { signal })).rejects.toThrow('enough');
  });
});

describe('names and rows', () => {
  test('§2.1 a field keeps its name when table and column are called otherwise', async () => {
    const dataKeys = memoryDataKeyStore();
    const old = defineFields({ patient: { row: 'id', columns: { email: encrypted.string() } } });
    const renamed = defineFields({
      person: { name: 'patient', row: 'id', columns: { address: encrypted.string({ name: 'email' }) } },
    });
    const [sealed] = await encryptionOf(old, { dataKeys, tenant: 'n' }).seal('patient', [{ id: 1, email: 'a@b' }]);
    const rows = [{ id: 1, address: sealed?.email }];
    expect(await encryptionOf(renamed, { dataKeys, tenant: 'n' }).open('person', rows)).toEqual([
      { id: 1, address: 'a@b' },
    ]);
  });

  test('§2.2 the tenant of the call must be the row’s, and one must be said', async () => {
    const encryption = encryptionOf(patients);
    const codes = await Promise.all([
      failureOf(encryption.seal('patient', [alice], { tenant: 'south' })),
      failureOf(encryption.seal('patient', [{ id: 1, note: 'x' }])),
      failureOf(encryption.seal('patient', [{ id: 1, clinic: '', note: 'x' }])),
      failureOf(encryption.seal('patient', [{ id: 1, clinic: 'x'.repeat(257), note: 'x' }])),
    ]);
    expect(codes.map(({ code }) => code)).toEqual(Array(4).fill('ERR_FIELD_TENANT'));
    const [sealed] = await encryption.seal('patient', [alice], { tenant: 'north' });
    const error = await failureOf(encryption.open('patient', [{ ...sealed }], { tenant: 'south' }));
    expect(error.code).toBe('ERR_FIELD_TENANT');
  });

  test('§2.3 a composite key binds all of its columns, in their order', async () => {
    const fields = defineFields({ visit: { row: ['patient', 'day'], columns: { note: encrypted.string() } } });
    const encryption = encryptionOf(fields, { tenant: 'north' });
    const [sealed] = await encryption.seal('visit', [{ patient: 1, day: '2026-01-02', note: 'x' }]);
    expect((await encryption.open('visit', [{ ...sealed, patient: 1n }]))[0]?.note).toBe('x');
    const other = { patient: '2026-01-02', day: 1, note: sealed?.note };
    expect((await failureOf(encryption.open('visit', [other]))).code).toBe('ERR_FIELD_OPEN');
  });

  test.each([
    [
      'integer',
      [42, 42n, '42'],
      [4.2, '042', '-0', '42 ', 2 ** 60, 2n ** 63n, '9223372036854775808', true, new Date()],
    ],
    [
      'uuid',
      [
        '0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f',
        '0190A3C27F6E7CC398C4DC0C0C07398F',
        '{0190a3c2-7f6e7cc3-98c4dc0c-0c07398f}',
      ],
      ['0190a3c2-7f6e-7cc3-98c4-dc0c0c07398', '{0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f', 1, ''],
    ],
    ['text', ['a ', 'a '], ['\ud800', 'a\0', 1, 'é'.repeat(513)]],
  ] as const)('§2.4 a key of type %s has one spelling', async (type, same, refused) => {
    const fields = defineFields({ thing: { row: { key: type }, columns: { note: encrypted.string() } } });
    const encryption = encryptionOf(fields, { tenant: 'north' });
    const [sealed] = await encryption.seal('thing', [{ key: same[0], note: 'x' }]);
    for (const key of same) expect((await encryption.open('thing', [{ ...sealed, key }]))[0]?.note).toBe('x');
    for (const key of [...refused, null, undefined]) {
      const error = await failureOf(encryption.seal('thing', [{ key, note: 'x' }]));
      expect(error, String(key)).toMatchObject({ code: 'ERR_FIELD_ROW_UNKNOWN', table: 'thing', column: 'key' });
    }
  });

  test('§2.5 a row whose key was changed does not open; sealed again it does', async () => {
    const encryption = encryptionOf(patients);
    const [sealed] = await encryption.seal('patient', [alice]);
    const moved = { ...sealed, id: 7 };
    expect((await failureOf(encryption.open('patient', [moved]))).code).toBe('ERR_FIELD_OPEN');
    const again = await encryption.seal('patient', [{ ...alice, id: 7 }]);
    expect((await encryption.open('patient', again))[0]?.email).toBe('alice@example');
  });

  test('§6.1 a row without its key is not sealed', async () => {
    const encryption = encryptionOf(patients);
    const error = await failureOf(encryption.seal('patient', [{ clinic: 'north', email: 'x' }]));
    expect(error.code).toBe('ERR_FIELD_ROW_UNKNOWN');
    expect(await encryption.seal('patient', [{ email: null }])).toEqual([{ email: null }]);
  });

  test('a field that is not bound moves between rows, and not between tenants', async () => {
    const fields = defineFields({ tag: { row: false, tenant: 'clinic', columns: { text: encrypted.string() } } });
    const encryption = encryptionOf(fields);
    await encryption.seal('tag', [{ clinic: 'south', text: 'y' }]);
    const [sealed] = await encryption.seal('tag', [{ clinic: 'north', text: 'x' }]);
    expect((await encryption.open('tag', [{ clinic: 'north', text: sealed?.text }]))[0]?.text).toBe('x');
    const error = await failureOf(encryption.open('tag', [{ clinic: 'south', text: sealed?.text }]));
    expect(error.code).toBe('ERR_FIELD_OPEN');
  });
});

describe('values', () => {
  const everything = defineFields({
    all: {
      row: 'id',
      columns: {
        string: encrypted.string(),
        bytes: encrypted.bytes(),
        boolean: encrypted.boolean(),
        number: encrypted.number(),
        bigint: encrypted.bigint(),
        decimal: encrypted.decimal(),
        date: encrypted.date(),
        json: encrypted.json(),
      },
    },
  });
  const encryption = encryptionOf(everything, { tenant: 'north' });

  test.each([
    ['string', ['', 'Zoe\u0308', '\ufeff\u{1F600}', 'x'.repeat(100_000)]],
    ['bytes', [new Uint8Array(), new Uint8Array([0xf9, 0x80, 1])]],
    ['boolean', [true, false]],
    ['number', [0, -1.5, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53]],
    ['bigint', [0n, -(2n ** 63n), 2n ** 63n - 1n]],
    ['decimal', ['0', '-12.50', '0.000', '1'.repeat(1_000)]],
    ['date', [new Date(0), new Date(-1), new Date(8.64e15)]],
    ['json', [null, 0, '', [1, { a: null }], { b: 1, a: '\u0000' }]],
  ] as const)('§3.1 a %s comes back as it was', async (column, values) => {
    const rows = values.map((value, id) => ({ id, [column]: value }));
    const sealed = await encryption.seal('all', rows as never[]);
    // NULL in JavaScript is NULL in SQL, of every type.
    expect(await encryption.open('all', sealed)).toEqual(rows);
  });

  test('§3.1 negative zero becomes zero', async () => {
    const opened = await encryption.open('all', await encryption.seal('all', [{ id: 1, number: -0 }]));
    expect(Object.is(opened[0]?.number, 0)).toBe(true);
  });

  test.each([
    ['string', [1, 'a\0', '\ud800', new Uint8Array(), {}]],
    ['bytes', ['x', [1], new ArrayBuffer(1), new Uint16Array(1)]],
    ['boolean', [0, 'true', new Boolean(true)]],
    ['number', [Number.NaN, Number.POSITIVE_INFINITY, '1', 1n]],
    ['bigint', [1, 2n ** 63n, -(2n ** 63n) - 1n, '1']],
    ['decimal', [1.5, '', '+1', '01', '1.', '.5', '-0', '-0.0', '1e3', ' 1', '1'.repeat(1_001), 'NaN']],
    ['date', [new Date(Number.NaN), 0, '2026-01-01']],
    ['json', [() => 1, Symbol('x'), { a: 1n }, Number.NaN, { a: Number.POSITIVE_INFINITY }, { a() {} }, [undefined]]],
    ['json', [new Array(1), new Map([['a', 1]]), new Set([1]), new Date(0), { a: new Date(0) }, /x/, new Error('x')]],
    ['json', [new Uint8Array(2), Promise.resolve(1), new (class A {})(), { a: 1, toJSON: () => 2 }, cyclic()]],
  ] as const)('§3.2 what is no %s is refused, and not shown', async (column, values) => {
    for (const value of values) {
      const error = await failureOf(encryption.seal('all', [{ id: 1, [column]: value } as never]));
      expect(error).toMatchObject({ code: 'ERR_FIELD_VALUE', table: 'all', column, row: ['1'] });
    }
  });
});

function cyclic(): object {
  const value: { self?: object } = {};
  value.self = value;
  return value;
}

const jsons = defineFields({ all: { row: 'id', columns: { json: encrypted.json() } } });

test('json: members that are undefined are absent, and __proto__ is a name like another', async () => {
  const encryption = encryptionOf(jsons, { tenant: 'north' });
  const json = JSON.parse('{"__proto__":1,"b":[null]}');
  const [opened] = await encryption.open(
    'all',
    await encryption.seal('all', [{ id: 1, json: { ...json, c: undefined } }]),
  );
  expect(JSON.stringify(opened?.json)).toBe('{"__proto__":1,"b":[null]}');
});

test('a row whose columns are not its own properties is refused, never sealed without them', async () => {
  const encryption = encryptionOf(patients);
  class Model {
    readonly #row = alice;
    get note() {
      return this.#row.note;
    }
  }
  const hidden = Object.defineProperty({ ...alice }, 'note', { value: 'pollen', enumerable: false });
  for (const row of [new Model(), Object.assign(Object.create({ note: 'pollen' }), { id: 1 }), hidden]) {
    for (const work of [encryption.seal('patient', [row]), encryption.open('patient', [row as never])]) {
      await expect(work).rejects.toThrow(/^rows\[0\]\.note must be an enumerable property of the row itself/);
    }
  }
});

describe('reading plaintext', () => {
  test('§6.2 strict refuses it, migrating reads it and tells of it; records are held to every rule', async () => {
    const events: BullaEvent[] = [];
    const dataKeys = memoryDataKeyStore();
    const strict = encryptionOf(patients, { dataKeys });
    const migrating = encryptionOf(patients, { dataKeys, mode: 'migrating', onEvent: (event) => events.push(event) });
    const [sealed] = await strict.seal('patient', [alice]);
    const plain = { ...sealed, id: 42, note: 'pollen' };
    for (const note of ['pollen', new Uint8Array(), new TextEncoder().encode('pollen'), 5]) {
      const error = await failureOf(strict.open('patient', [{ ...plain, note }]));
      expect(error).toMatchObject({ code: 'ERR_FIELD_PLAINTEXT', column: 'note', row: ['42'] });
    }
    expect((await migrating.open('patient', [plain]))[0]).toMatchObject({ email: 'alice@example', note: 'pollen' });
    expect(events).toEqual([{ type: 'field-plaintext', table: 'patient', column: 'note', row: ['42'] }]);
    const moved = { ...sealed, id: 43 };
    expect((await failureOf(migrating.open('patient', [moved]))).code).toBe('ERR_FIELD_OPEN');
  });
});

describe('arguments', () => {
  test('a wrong one is a TypeError that names it', async () => {
    const encryption = encryptionOf(patients);
    const wrong = [
      encryption.seal('person' as 'patient', []),
      encryption.seal('patient', {} as never[]),
      encryption.seal('patient', [null as never]),
      encryption.seal('patient', [], { tenant: 5 as never }),
      encryption.seal('patient', [], { tennant: 'north' } as never),
      encryption.index('patient.note' as 'patient.email', 'x', { tenant: 'north' }),
      encryption.index('patient.email', 'x'),
      encryption.open('patient', [], { foundBy: {} as never }),
    ];
    for (const call of wrong) expect(await failureOf(call)).toBeInstanceOf(TypeError);
  });

  test.each([
    { keyring: undefined },
    { dataKeys: {} },
    { fields: {} },
    { mode: 'lenient' },
    { maxWriteAge: 1 },
    { rowMaxAge: -1 },
    { notBefore: 5 },
    { pinnedIndexKeys: { north: [] } },
    { unknown: 1 },
  ])('the option %o is refused', (option) => {
    expect(() => encryptionOf(patients, option as never)).toThrow(TypeError);
  });

  test('a keyring that is none', async () => {
    const encryption = encryptionOf(patients, { keyring: () => ({}) as never });
    expect(await failureOf(encryption.seal('patient', [alice]))).toBeInstanceOf(TypeError);
    expect(tenantKeyring('north')).toBeDefined();
  });
});

test('types: rows, values and paths are inferred', async () => {
  const encryption = encryptionOf(patients);
  const [sealed] = await encryption.seal('patient', [{ id: 1, clinic: 'n', email: 'x', note: null }]);
  expectTypeOf(sealed?.email).toEqualTypeOf<Uint8Array<ArrayBuffer> | undefined>();
  expectTypeOf(sealed?.note).toEqualTypeOf<Uint8Array<ArrayBuffer> | null | undefined>();
  const [opened] = await encryption.open('patient', [{ id: 1, clinic: 'n', born: sealed?.email }].slice(1));
  expectTypeOf(opened?.born).toEqualTypeOf<Date | null | undefined>();
  expectTypeOf(opened?.id).toEqualTypeOf<number | undefined>();
  const index = blindIndex<string>();
  // @ts-expect-error a boolean is no string
  expect(() => encrypted.boolean({ index: [index] })).toThrow(TypeError);
  // @ts-expect-error the row must be said
  expect(() => defineFields({ x: { columns: { y: encrypted.string() } } })).toThrow(TypeError);
  // @ts-expect-error no such column
  await expect(encryption.index('patient.name', 'x')).rejects.toThrow(TypeError);
  // @ts-expect-error a number is no e-mail address
  await expect(encryption.seal('patient', [{ id: 1, clinic: 'n', email: 5 }])).rejects.toThrow('patient.email');
});
