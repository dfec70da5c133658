// Builds test/vectors/fields-refused.json: cells that a reader must refuse, each otherwise in order.
import { type Bytes, concat, type Place, type Type } from '../fields.ts';
import { sealPlaintext } from '../fields-writer.ts';
import { type Columns, here, hex, keyOf, random, recordOf, withoutRow } from './fields.ts';

type Refused = { name: string; cell: Bytes; clause: string; code: string; type?: Type; place?: Partial<Place> } & {
  /** Rows to change before reading, and rows that are missing. */
  rows?: Readonly<Record<string, Partial<Columns> | null>>;
};
const plain = recordOf('a string');
const tagged = recordOf('one tag');
const changed = (record: Bytes, at: number, byte: number) => record.map((old, i) => (i === at ? byte : old));
/** A record that opens, with a plaintext that is none. */
const faulty = (plaintext: Bytes, padded = false) =>
  sealPlaintext(
    here,
    plaintext,
    { key: keyOf('north'), version: 1, tags: [], salt: random('faulty salt', 12), nonce: random('faulty', 12) },
    padded,
  ).record;
const [FORM, OPEN, VALUE, KEY] = ['ERR_FIELD_UNSUPPORTED', 'ERR_FIELD_OPEN', 'ERR_FIELD_VALUE', 'ERR_FIELD_KEY'];
const plaintextOf = (...parts: (number | string)[]) =>
  concat(...parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : Buffer.from(part, 'latin1'))));
const refused: readonly Refused[] = [
  { name: 'an empty cell', cell: new Uint8Array(), clause: '§1.1', code: 'ERR_FIELD_PLAINTEXT' },
  { name: 'plaintext', cell: Buffer.from('alice'), clause: '§1.1', code: 'ERR_FIELD_PLAINTEXT' },
  { name: 'a message', cell: Buffer.from('bulla\u0001'), clause: '§1.1', code: 'ERR_FIELD_PLAINTEXT' },
  ...[3, 4, 5, 6].map((bit) => ({
    ...{ name: `flag ${bit}`, cell: changed(plain, 1, 1 << bit), clause: '§1.2', code: FORM },
  })),
  { name: 'schema version 0', cell: changed(plain, 2, 0), clause: '§1.3', code: FORM },
  { name: 'schema version 255, which is unknown', cell: changed(plain, 2, 255), clause: '§1.3', code: FORM },
  { name: 'a tag where the schema version has none', cell: changed(plain, 1, 1), clause: '§1.3', code: OPEN },
  { name: 'no tag where the schema version has one', cell: changed(tagged, 1, 0), clause: '§1.3', code: OPEN },
  { name: 'one byte', cell: plain.subarray(0, 1), clause: '§1.4', code: OPEN },
  { name: 'two bytes', cell: plain.subarray(0, 2), clause: '§1.4', code: OPEN },
  { name: 'a header and a tag', cell: plain.subarray(0, 59), clause: '§1.4', code: OPEN },
  { name: 'as short as the empty string', cell: plain.subarray(0, 60), clause: '§1.8', code: OPEN },
  { name: 'without its last byte', cell: plain.subarray(0, -1), clause: '§1.8', code: OPEN },
  { name: 'with a byte more', cell: concat(plain, Uint8Array.of(0)), clause: '§1.8', code: OPEN },
  { name: 'another row', cell: plain, place: { row: ['43'] }, clause: '§1.8', code: OPEN },
  { name: 'one key column more', cell: plain, place: { row: ['42', ''] }, clause: '§1.8', code: OPEN },
  { name: 'not bound, read as if', cell: recordOf('not bound to its row'), clause: '§1.8', code: OPEN },
  { name: 'bound, read as if not', cell: plain, place: withoutRow, clause: '§1.8', code: OPEN },
  { name: 'another column', cell: plain, place: { field: 'patient.note' }, clause: '§1.8', code: OPEN },
  { name: 'another table', cell: plain, place: { field: 'doctor.email' }, clause: '§1.8', code: OPEN },
  { name: 'another schema version', cell: changed(plain, 2, 5), clause: '§1.8', code: OPEN },
  { name: 'marked as padded', cell: changed(plain, 1, 4), clause: '§1.8', code: OPEN },
  { name: 'a spliced tag', cell: changed(tagged, 5, (tagged[5] as number) ^ 1), clause: '§1.8', code: OPEN },
  { name: 'another salt', cell: changed(plain, 20, (plain[20] as number) ^ 1), clause: '§1.8', code: OPEN },
  { name: 'another nonce', cell: changed(plain, 40, (plain[40] as number) ^ 1), clause: '§1.8', code: OPEN },
  { name: 'another tenant', cell: plain, place: { tenant: 'south' }, clause: '§2.2', code: OPEN },
  { name: 'a subject where there is none', cell: plain, place: { subject: '4711' }, clause: '§2.2', code: OPEN },
  { name: 'no subject', cell: recordOf('a subject'), clause: '§2.2', code: OPEN },
  {
    ...{ name: 'another field’s key', cell: recordOf('a key of the field'), place: { field: 'patient.note' } },
    ...{ clause: '§2.2', code: OPEN },
  },
  {
    name: 'another data key of the tenant',
    cell: concat(plain.subarray(0, 3), keyOf('north retired').id, plain.subarray(19)),
    clause: '§1.8',
    code: OPEN,
  },
  {
    name: 'an index key',
    cell: concat(plain.subarray(0, 3), keyOf('north index').id, plain.subarray(19)),
    clause: '§2.2',
    code: OPEN,
  },
  { name: 'a data key without a row', cell: plain, rows: { north: null }, clause: '§4.8', code: KEY },
  { name: 'a row with another time', cell: plain, rows: { north: { created: 1 } }, clause: '§4.3', code: KEY },
  { name: 'a row with another version', cell: plain, rows: { north: { version: 1 } }, clause: '§4.3', code: KEY },
  {
    ...{ name: 'a row that was given to another tenant', cell: plain, place: { tenant: 'south' } },
    ...{ rows: { north: { tenant: 'south' } }, clause: '§4.3', code: KEY },
  },
  {
    ...{ name: 'a row that was given a field', cell: plain, rows: { north: { field: 'patient.email' } } },
    ...{ clause: '§4.3', code: KEY },
  },
  { name: 'another type', cell: plain, type: 'bytes', clause: '§3.3', code: VALUE },
  { name: 'type 0', cell: faulty(plaintextOf(0)), clause: '§3.3', code: VALUE },
  { name: 'type 9', cell: faulty(plaintextOf(9)), clause: '§3.3', code: VALUE },
  { name: 'a string that is not UTF-8', cell: faulty(plaintextOf(1, 0xff)), clause: '§3.3', code: VALUE },
  { name: 'a string with U+0000', cell: faulty(plaintextOf(1, 'a', 0)), clause: '§3.3', code: VALUE },
  ...(
    [
      ['boolean', 'a boolean of 2', 3, 2],
      ['boolean', 'a boolean of no bytes', 3],
      ['number', 'negative zero', 4, 0x80, 0, 0, 0, 0, 0, 0, 0],
      ['number', 'infinity', 4, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
      ['number', 'no number', 4, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
      ['number', 'a number of 7 bytes', 4, 0x3f, 0xf0, 0, 0, 0, 0, 0],
      ['bigint', 'a bigint of 9 bytes', 5, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      ['decimal', 'a decimal with a zero in front', 6, '01'],
      ['decimal', 'a decimal of negative zero', 6, '-0.0'],
      ['decimal', 'a decimal with a plus', 6, '+1'],
      ['decimal', 'a decimal that ends with its point', 6, '1.'],
      ['decimal', 'a decimal with an exponent', 6, '1e3'],
      ['date', 'a date that is out of range', 7, 0x7f, 0, 0, 0, 0, 0, 0, 0],
      ['json', 'JSON that ends early', 8, '{"a":'],
      ['json', 'no JSON at all', 8],
    ] as const
  ).map(([type, name, ...bytes]) => ({
    ...{ name, type, cell: faulty(plaintextOf(...bytes)), clause: '§3.3', code: VALUE },
  })),
  { name: 'padding without a mark', cell: faulty(plaintextOf(1, 'abc', 0, 0), true), clause: '§3.4', code: VALUE },
  { name: 'a shredded cell of a living row', cell: Uint8Array.of(0xf9, 0x80, 1), clause: '§7.3', code: OPEN },
  {
    ...{ name: 'a shredded cell of a living subject', cell: Uint8Array.of(0xf9, 0x80, 1), place: { subject: '4711' } },
    ...{ clause: '§7.3', code: OPEN },
  },
  {
    ...{ name: 'a shredded cell', cell: Uint8Array.of(0xf9, 0x80, 1), place: { subject: '4712' } },
    ...{ clause: '§7.3', code: 'ERR_FIELD_SHREDDED' },
  },
  {
    ...{ name: 'a shredded cell of four bytes', cell: Uint8Array.of(0xf9, 0x80, 1, 0), place: { subject: '4712' } },
    ...{ clause: '§7.3', code: OPEN },
  },
  {
    ...{ name: 'a shredded cell with a tag', cell: Uint8Array.of(0xf9, 0x81, 1), place: { subject: '4712' } },
    ...{ clause: '§7.3', code: OPEN },
  },
  {
    ...{ name: 'a record of a shredded subject', cell: recordOf('a subject'), place: { subject: '4711' } },
    ...{ rows: { 'north 4711': { state: 'shredded' as const } }, clause: '§7.2', code: 'ERR_FIELD_SHREDDED' },
  },
];

/** §1 to §4, §7 */
export const refusedFields = refused.map(({ cell, place, type = 'string', ...more }) => ({
  ...more,
  ...here,
  ...place,
  type,
  cell: hex(cell),
}));
