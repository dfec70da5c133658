import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { encodeWrappedKey } from '../../src/envelope/wrapped-key.ts';
import { type DataKeyRow, type DataKeyStore, defineFields, encrypted, memoryDataKeyStore } from '../../src/fields.ts';
import { encrypt, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { concat, lengthPrefixed } from '../../src/lib/bytes.ts';
import { inspect } from '../../src/message/inspect.ts';
import { encryptionOf, failureOf, patients, tenantKeyring, toHex } from './support.ts';

const alice = { id: 42, clinic: 'north', email: 'alice@example', note: 'pollen' };

/** A store in memory whose calls are counted, and whose rows are changed on their way out. */
function watchedStore(change: (row: DataKeyRow) => DataKeyRow = (row) => row) {
  const store = memoryDataKeyStore();
  const calls = { byId: 0, bySlot: 0, add: 0, define: 0 };
  const watched: DataKeyStore = {
    ...store,
    async byId(ids) {
      calls.byId++;
      return (await store.byId(ids)).map(change);
    },
    async bySlot(slots) {
      calls.bySlot++;
      return (await store.bySlot(slots)).map(change);
    },
    async add(rows, retire) {
      calls.add++;
      return (await store.add(rows, retire)).map(change);
    },
    define(definitions) {
      calls.define++;
      return store.define(definitions);
    },
  };
  return { store: watched, calls, plain: store };
}

describe('data keys', () => {
  const perSubject = defineFields({
    note: { row: 'id', tenant: 'clinic', subject: 'patient', columns: { text: encrypted.string() } },
  });
  const perField = defineFields({
    note: {
      row: 'id',
      tenant: 'clinic',
      columns: { text: encrypted.string({ key: 'field' }), more: encrypted.string() },
    },
  });

  test('§4.2 of the tenant, of a subject, or of a field', async () => {
    const idOf = (record: Uint8Array | undefined | null) => toHex(record?.slice(3, 19) ?? new Uint8Array());
    const subjects = await encryptionOf(perSubject).seal('note', [
      { id: 1, clinic: 'north', patient: 1, text: 'a' },
      { id: 2, clinic: 'north', patient: 1, text: 'a' },
      { id: 3, clinic: 'north', patient: '2', text: 'a' },
      { id: 4, clinic: 'south', patient: 1, text: 'a' },
    ]);
    const [first, second, third, fourth] = subjects.map(({ text }) => idOf(text));
    expect(second).toBe(first);
    expect(new Set([first, third, fourth]).size).toBe(3);
    const [row] = await encryptionOf(perField).seal('note', [{ id: 1, clinic: 'north', text: 'a', more: 'b' }]);
    expect(idOf(row?.text)).not.toBe(idOf(row?.more));
    const error = await failureOf(
      encryptionOf(perSubject).seal('note', [{ id: 1, clinic: 'north', text: 'a' } as never]),
    );
    expect(error).toMatchObject({ code: 'ERR_FIELD_ROW_UNKNOWN', column: 'patient' });
  });

  test('§4.1 a row has its slot, its time, its state and its wrapped key', async () => {
    const dataKeys = memoryDataKeyStore();
    await encryptionOf(patients, { dataKeys, now: () => 1_790_000_000_000.5 }).seal('patient', [alice]);
    const slot = { tenant: 'north', subject: null, field: null };
    const rows = await dataKeys.bySlot([
      { ...slot, purpose: 'data', version: 0 },
      { ...slot, purpose: 'index', version: 1 },
    ]);
    expect(rows).toMatchObject([
      { ...slot, purpose: 'data', version: 0, created: 1_790_000_000_000, state: 'active' },
      { ...slot, purpose: 'index', version: 1, created: 1_790_000_000_000, state: 'active' },
    ]);
    expect(rows.map(({ id }) => id.byteLength)).toEqual([16, 16]);
  });

  test.each([
    ['tenant', { tenant: 'south' }, 'ERR_FIELD_OPEN'],
    ['subject', { subject: '42' }, 'ERR_FIELD_OPEN'],
    ['purpose', { purpose: 'index' }, 'ERR_FIELD_OPEN'],
    ['field', { field: 'patient.note' }, 'ERR_FIELD_KEY'],
    ['version', { version: 1 }, 'ERR_FIELD_KEY'],
    ['time', { created: 1 }, 'ERR_FIELD_KEY'],
  ] as const)('§4.3 a row whose %s was changed is refused', async (_, columns, code) => {
    const { store, plain } = watchedStore((row) => ({ ...row, ...columns }));
    const [sealed] = await encryptionOf(patients, { dataKeys: plain }).seal('patient', [alice]);
    const row = { id: 42, clinic: 'north', note: sealed?.note };
    expect((await failureOf(encryptionOf(patients, { dataKeys: store }).open('patient', [row]))).code).toBe(code);
  });

  test('§4.3 a wrapped key of another row is refused, also where it unwraps', async () => {
    const { store, plain } = watchedStore((row) => ({ ...row, wrapped: other }));
    let other = new Uint8Array(0) as DataKeyRow['wrapped'];
    await encryptionOf(patients, {
      dataKeys: {
        ...plain,
        async add(rows, retire) {
          other = rows[0]?.wrapped ?? null;
          return plain.add(rows, retire);
        },
      },
    }).seal('patient', [{ ...alice, email: null }]);
    const dataKeys = memoryDataKeyStore();
    const [sealed] = await encryptionOf(patients, { dataKeys }).seal('patient', [alice]);
    const mixed = {
      ...store,
      byId: async (ids: readonly Uint8Array<ArrayBuffer>[]) =>
        (await dataKeys.byId(ids)).map((row) => ({ ...row, wrapped: other })),
    };
    const error = await failureOf(encryptionOf(patients, { dataKeys: mixed }).open('patient', [{ ...sealed }]));
    expect(error.code).toBe('ERR_FIELD_KEY');
  });

  test('§4.4 a keyring without use or tenant, or that wraps without a secret, makes no data keys', async () => {
    const key = new Uint8Array(32);
    const { publicKey } = await generateEcdhKey();
    const public_ = (keyContext: Record<string, string>) => ecdhKeyring({ recipients: [publicKey], keyContext });
    const right = { use: 'bulla-fields', tenant: 'north' };
    const keyrings: Keyring[] = [
      aesKeyring({ keyId: 'x', key }),
      aesKeyring({ keyId: 'x', key, keyContext: { use: 'bulla-fields' } }),
      aesKeyring({ keyId: 'x', key, keyContext: { ...right, tenant: 'south' } }),
      public_(right),
      anyOf(tenantKeyring('north'), public_(right)),
    ];
    for (const keyring of keyrings) {
      const error = await failureOf(encryptionOf(patients, { keyring: () => keyring }).seal('patient', [alice]));
      expect(error.code).toBe('ERR_KEYRING_CANNOT');
    }
    const both = anyOf(tenantKeyring('north'), aesKeyring({ keyId: 'other', key, keyContext: right }));
    const encryption = encryptionOf(patients, { keyring: () => both });
    expect((await encryption.open('patient', await encryption.seal('patient', [alice])))[0]).toEqual(alice);
  });

  test('§4.4 a row with a planted wrapped key is refused before anything is unwrapped', async () => {
    const { publicKey } = await generateEcdhKey();
    const keyContext = { use: 'bulla-fields', tenant: 'north' };
    const known = new Uint8Array(32).fill(1);
    const planted = await ecdhKeyring({ recipients: [publicKey], keyContext }).wrapDataKey(known);
    const own = await tenantKeyring('north').wrapDataKey(known);
    const bytes = (keys: typeof own) => concat(...keys.map((key) => lengthPrefixed(encodeWrappedKey(key))));
    const wrong = [
      bytes(planted),
      concat(bytes(own), bytes(planted)),
      bytes(await aesKeyring({ keyId: 'fields', key: new Uint8Array(32) }).wrapDataKey(known)),
      new Uint8Array(),
      bytes(own).subarray(0, -1),
      concat(bytes(own), new Uint8Array(3)),
      concat(...Array.from({ length: 65 }, () => bytes(own))),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    ];
    for (const wrapped of wrong) {
      const counts = { unwraps: 0, generated: 0 };
      const { store, plain } = watchedStore((row) => ({ ...row, wrapped }));
      const [sealed] = await encryptionOf(patients, { dataKeys: plain }).seal('patient', [alice]);
      const encryption = encryptionOf(patients, { dataKeys: store, keyring: (of) => tenantKeyring(of, counts) });
      expect((await failureOf(encryption.open('patient', [{ ...sealed }]))).code).toBe('ERR_FIELD_KEY');
      expect(counts.unwraps).toBe(0);
    }
  });

  test('§4.5 a keyring of fields encrypts no message, and a message with such a wrapped key is refused', async () => {
    const keyring = tenantKeyring('north');
    expect((await failureOf(encrypt('x', { keyring }))).code).toBe('ERR_KEYRING_CANNOT');
    const other = aesKeyring({ keyId: 'messages', key: new Uint8Array(32) });
    const message = await encrypt('x', { keyring: other });
    expect((await failureOf(rewrap(message, { from: other, to: keyring }))).code).toBe('ERR_KEYRING_CANNOT');
    // As long as the other use, so that nothing else in the envelope changes.
    const similar = aesKeyring({ keyId: 'messages', key: new Uint8Array(32), keyContext: { use: 'bulla-fjelds' } });
    const carried = await encrypt('x', { keyring: similar });
    const at = new TextDecoder('latin1').decode(carried).indexOf('fjelds');
    carried.set(new TextEncoder().encode('fields'), at);
    expect(() => inspect(carried)).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED' }));
  });

  test('§4.6 of two writers that make a key, one uses the other’s', async () => {
    const { store, calls } = watchedStore();
    const [first, second] = [encryptionOf(patients, { dataKeys: store }), encryptionOf(patients, { dataKeys: store })];
    const rows = await Promise.all([first.seal('patient', [alice]), second.seal('patient', [alice])]);
    const ids = rows.map(([row]) => toHex(row?.note.slice(3, 19) ?? new Uint8Array()));
    expect(ids[0]).toBe(ids[1]);
    expect(calls.add).toBe(2);
    expect(await first.open('patient', rows[1])).toEqual([alice]);
  });

  test('§4.7 an old key is retired and replaced, and still read; a revived one seals nothing', async () => {
    const { plain } = watchedStore();
    let time = Date.UTC(2026, 0, 1);
    const options = { dataKeys: plain, now: () => time, rowMaxAge: 0 };
    const encryption = encryptionOf(patients, options);
    const idOf = async () => (await encryption.seal('patient', [{ ...alice, email: null }]))[0]?.note as Uint8Array;
    const first = await idOf();
    time += 89 * 86_400_000;
    expect(toHex((await idOf()).slice(3, 19))).toBe(toHex(first.slice(3, 19)));
    time += 2 * 86_400_000;
    const second = await idOf();
    expect(toHex(second.slice(3, 19))).not.toBe(toHex(first.slice(3, 19)));
    expect((await encryption.open('patient', [{ ...alice, email: null, note: first }]))[0]?.note).toBe('pollen');

    const revived = watchedStore((row) => ({ ...row, state: 'active' }));
    const [old] = await plain.byId([first.slice(3, 19) as Uint8Array<ArrayBuffer>]);
    const attacked: DataKeyStore = { ...plain, bySlot: async () => [{ ...(old as DataKeyRow), state: 'active' }] };
    const writer = encryptionOf(patients, { ...options, dataKeys: attacked });
    const [sealed] = await writer.seal('patient', [{ ...alice, email: null }]);
    expect(toHex(sealed?.note.slice(3, 19) ?? new Uint8Array())).not.toBe(toHex(first.slice(3, 19)));
    expect(revived.calls.add).toBe(0);
  });

  test('§4.7 notBefore ends a leaked key, and a key from the future seals nothing', async () => {
    const dataKeys = memoryDataKeyStore();
    const time = Date.UTC(2026, 0, 1);
    const idOf = async (options: { now: () => number; notBefore?: Date }) => {
      const [row] = await encryptionOf(patients, { dataKeys, ...options }).seal('patient', [{ ...alice, email: null }]);
      return toHex(row?.note.slice(3, 19) ?? new Uint8Array());
    };
    const leaked = await idOf({ now: () => time });
    expect(await idOf({ now: () => time + 1_000, notBefore: new Date(time) })).toBe(leaked);
    const next = await idOf({ now: () => time + 1_000, notBefore: new Date(time + 500) });
    expect(next).not.toBe(leaked);
    const earlier = await idOf({ now: () => time - 3_600_000 });
    expect(earlier).not.toBe(next);
  });

  test('§4.8 a record whose data key has no row', async () => {
    const [sealed] = await encryptionOf(patients).seal('patient', [alice]);
    const error = await failureOf(encryptionOf(patients).open('patient', [{ ...sealed }]));
    expect(error).toMatchObject({ code: 'ERR_FIELD_KEY', table: 'patient', column: 'email', row: ['42'] });
  });

  test('§4.9 1,000 rows of 300 subjects: one query, each key unwrapped once; none when warm', async () => {
    const { store, calls } = watchedStore();
    const rows = Array.from({ length: 1_000 }, (_, id) => ({ id, clinic: 'north', patient: id % 300, text: `t${id}` }));
    const sealed = await encryptionOf(perSubject, { dataKeys: store }).seal('note', rows);
    expect(calls).toMatchObject({ byId: 0, bySlot: 2, add: 1, define: 1 });
    const counts = { unwraps: 0, generated: 0 };
    const keyrings = new Map<string, Keyring>();
    const keyringOf = (tenant: string) => {
      const known = keyrings.get(tenant) ?? tenantKeyring(tenant, counts);
      keyrings.set(tenant, known);
      return known;
    };
    const reader = encryptionOf(perSubject, { dataKeys: store, keyring: keyringOf });
    expect(await reader.open('note', sealed)).toEqual(rows);
    expect([calls.byId, counts.unwraps]).toEqual([1, 300]);
    await reader.open('note', sealed);
    expect([calls.byId, counts.unwraps, counts.generated]).toEqual([1, 300, 0]);
  });

  test('§4.9 a cache that the keyring brings is used', async () => {
    const counts = { unwraps: 0, generated: 0 };
    const keyring = cachingKeyring(tenantKeyring('north', counts));
    const encryption = encryptionOf(patients, { keyring: () => keyring });
    const sealed = await encryption.seal('patient', [{ ...alice, email: null }]);
    await encryption.open('patient', sealed);
    expect(counts).toEqual({ unwraps: 1, generated: 1 });
    expect(keyring.cache.size).toBe(1);
  });

  test('a failing store or keyring fails the call and nothing else', async () => {
    const dataKeys = memoryDataKeyStore();
    let broken = true;
    const flaky: DataKeyStore = {
      ...dataKeys,
      define: async (all) => (broken ? Promise.reject(new Error('no connection')) : dataKeys.define(all)),
    };
    const encryption = encryptionOf(patients, { dataKeys: flaky });
    await expect(encryption.seal('patient', [alice])).rejects.toThrow('no connection');
    broken = false;
    await expect(encryption.seal('patient', [alice])).resolves.toHaveLength(1);
  });
});

describe('shredding', () => {
  const fields = defineFields({
    note: { row: 'id', tenant: 'clinic', subject: 'patient', columns: { text: encrypted.string() } },
  });
  const rowOf = (patient: number) => ({ id: patient, clinic: 'north', patient, text: 'x' });

  test('§7.2 cells of the subject open no more, none is written, and others are as they were', async () => {
    const dataKeys = memoryDataKeyStore();
    const encryption = encryptionOf(fields, { dataKeys });
    const [first, second] = await encryption.seal('note', [rowOf(1), rowOf(2)]);
    const here = { tenant: 'north', subject: '1', revoke: false };
    const ids = [toHex(first?.text.slice(3, 19) ?? new Uint8Array())];
    const shredded = { state: 'shredded', dataKeys: ids, receipts: [], unrevoked: ids, rows: 0, remaining: [] };
    expect(await encryption.shred(here)).toEqual(shredded);
    expect(await encryption.shred(here)).toEqual(shredded);
    for (const reader of [encryption, encryptionOf(fields, { dataKeys })]) {
      expect((await failureOf(reader.open('note', [{ ...first }]))).code).toBe('ERR_FIELD_SHREDDED');
      expect((await failureOf(reader.seal('note', [rowOf(1)]))).code).toBe('ERR_FIELD_SHREDDED');
      expect((await reader.open('note', [{ ...second }]))[0]?.text).toBe('x');
    }
    const [row] = await dataKeys.byId([first?.text.slice(3, 19) as Uint8Array<ArrayBuffer>]);
    expect(row).toMatchObject({ state: 'shredded', wrapped: null });
  });

  test('§7.4 a subject of which nothing is found is not kept out, unless that is said', async () => {
    const encryption = encryptionOf(fields);
    const mistyped = { tenant: 'north', subject: '17', revoke: false };
    const nothing = { dataKeys: [], receipts: [], unrevoked: [], rows: 0, remaining: [] };
    expect(await encryption.shred(mistyped)).toEqual({ state: 'absent', ...nothing });
    await encryption.seal('note', [rowOf(17)]);
    const never = { ...mistyped, subject: '18' };
    for (const more of [{ block: true }, { block: true }, {}]) {
      expect(await encryption.shred({ ...never, ...more })).toEqual({ state: 'shredded', ...nothing });
    }
    expect((await failureOf(encryption.seal('note', [rowOf(18)]))).code).toBe('ERR_FIELD_SHREDDED');
  });

  test('§7.4 the key service is asked for the same data keys in the same order each time, and what it says is kept', async () => {
    const own = () => encrypted.string({ key: 'field' });
    const columns = { a: own(), b: own(), c: own(), d: own() };
    const several = defineFields({ note: { row: 'id', tenant: 'clinic', subject: 'patient', columns } });
    const dataKeys = memoryDataKeyStore();
    const row = { id: 1, clinic: 'north', patient: 1, a: 'x', b: 'x', c: 'x', d: 'x' };
    await encryptionOf(several, { dataKeys }).seal('note', [row]);
    const asked: string[][] = [];
    let state: 'requested' | 'revoked' = 'requested';
    let turn = 0;
    const shred = async () => {
      const keyring: Keyring = {
        ...tenantKeyring('north'),
        async revokeDataKeys(keys) {
          if (keys.length === 0) return [];
          asked.push(keys.map((key) => toHex(encodeWrappedKey(key))));
          return [{ service: 's', id: 'rev', state, dataKeys: keys.length, leaf: state === 'revoked' ? 7 : undefined }];
        },
      };
      const store: DataKeyStore = {
        ...dataKeys,
        async shred(...args) {
          const marked = await dataKeys.shred(...args);
          turn += 1;
          return turn % 2 === 0 ? marked : [...marked].reverse();
        },
      };
      return encryptionOf(several, { dataKeys: store, keyring: () => keyring }).shred({
        tenant: 'north',
        subject: '1',
      });
    };
    const first = await shred();
    expect(first).toMatchObject({ state: 'requested', receipts: [{ leaf: undefined }], unrevoked: [] });
    expect(await shred()).toEqual(first);
    state = 'revoked';
    const done = await shred();
    expect(done).toMatchObject({ state: 'shredded', receipts: [{ service: 's', id: 'rev', leaf: 7, dataKeys: 4 }] });
    expect(asked[0]).toHaveLength(4);
    expect(asked).toEqual([asked[0], asked[0], asked[0]]);
    expect(await shred()).toEqual(done);
    expect(asked).toHaveLength(3);
  });

  test('§7.7 a keyring that cannot revoke is told so, and nothing is changed', async () => {
    const dataKeys = memoryDataKeyStore();
    const encryption = encryptionOf(fields, { dataKeys });
    const rows = await encryption.seal('note', [rowOf(1)]);
    const error = await failureOf(encryption.shred({ tenant: 'north', subject: '1' }));
    expect(error.code).toBe('ERR_KEYRING_CANNOT');
    expect(error.message).toContain('§7.7');
    expect((await encryptionOf(fields, { dataKeys }).open('note', rows))[0]?.text).toBe('x');
    const several = encryptionOf(fields, { dataKeys, keyring: (of) => anyOf(tenantKeyring(of), tenantKeyring(of)) });
    expect((await failureOf(several.shred({ tenant: 'north', subject: '1' }))).code).toBe('ERR_KEYRING_CANNOT');
    for (const wrong of [{ tenant: '' }, { subject: 7 }, { cells: {} }, { revoke: 1 }, { block: 1 }, { other: 1 }]) {
      await expect(encryption.shred({ tenant: 'north', subject: '1', ...wrong } as never)).rejects.toThrow(TypeError);
    }
  });

  test('§7.3 a shredded cell is believed beside a shredded key alone', async () => {
    const encryption = encryptionOf(fields);
    await encryption.seal('note', [rowOf(1), rowOf(2)]);
    await encryption.shred({ tenant: 'north', subject: '1', revoke: false });
    const cell = Uint8Array.of(0xf9, 0x80, 1);
    const codeOf = async (patient: number, text: Uint8Array) =>
      (await failureOf(encryption.open('note', [{ ...rowOf(patient), text }]))).code;
    expect(await codeOf(1, cell)).toBe('ERR_FIELD_SHREDDED');
    expect(await codeOf(2, cell)).toBe('ERR_FIELD_OPEN');
    expect(await codeOf(1, Uint8Array.of(0xf9, 0x80, 1, 0))).toBe('ERR_FIELD_OPEN');
  });
});
