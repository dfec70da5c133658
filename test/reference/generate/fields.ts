// Builds the data keys, tags and records of test/vectors/fields-*.json with every intermediate value.
import { createHash } from 'node:crypto';
import { type Bytes, encodeValue, type KeyRow, keyId, type Place, type Type } from '../fields.ts';
import { type Index, seal, tag, tombstone } from '../fields-writer.ts';

export const hex = (bytes: Bytes): string => Buffer.from(bytes).toString('hex');
/** Reproducible bytes that stand for random ones. */
export const random = (what: string, length: number): Bytes =>
  new Uint8Array(createHash('sha384').update(`bulla fields ${what}`).digest().subarray(0, length));
function hexed<Values extends Readonly<Record<string, Bytes | undefined>>>(values: Values) {
  const pairs = Object.entries(values).flatMap(([name, value]) => (value ? [[name, hex(value)]] : []));
  return Object.fromEntries(pairs) as { [name in keyof Values]: string };
}

export type Columns = Omit<KeyRow, 'id' | 'dataKey'>;
const created = 1_790_000_000_000;
const about = (tenant: string, more: Partial<Columns> = {}): Columns =>
  ({ tenant, purpose: 'data', version: 0, created, state: 'active', ...more }) as Columns;
const columns: Readonly<Record<string, Columns>> = {
  north: about('north'),
  'north retired': about('north', { created: created - 1_000, state: 'retired' }),
  'north 4711': about('north', { subject: '4711' }),
  'north 4712 shredded': about('north', { subject: '4712', state: 'shredded' }),
  'north email': about('north', { field: 'patient.email' }),
  'north index': about('north', { purpose: 'index', version: 1 }),
  'north index 2': about('north', { purpose: 'index', version: 2 }),
  south: about('south'),
  'Zoë’s practice': about('Zoë’s practice'),
};
const rows = Object.entries(columns).map(([name, row]) => ({ name, ...row, dataKey: random(`key ${name}`, 32) }));

/** §4.3, §7.1 */
export const fieldKeys = rows.map(({ dataKey, ...row }) => {
  const { map, info, id } = keyId({ ...row, dataKey });
  return { ...row, ...hexed({ dataKey, map, info, id, tombstone: tombstone(dataKey, row.tenant) }) };
});
const keys = new Map(rows.map((row) => [row.name, { ...row, id: keyId(row).id }]));
export const keyOf = (name: string) => keys.get(name) as KeyRow;

type TagInput = { name: string; index: Index; parts: { type: Type; value: unknown }[]; key?: string; field?: string };
const index = (more: Partial<Index> = {}): Index => ({
  name: 'idx',
  version: 1,
  kind: 'equal',
  bits: 96,
  parts: ['email'],
  steps: [],
  ...more,
});
const text = (value: string | null) => ({ type: 'string' as const, value });
const tagInputs: readonly TagInput[] = [
  { name: 'equality', index: index(), parts: [text('alice@example')] },
  { name: 'another version', index: index({ version: 2 }), parts: [text('alice@example')], key: 'north index 2' },
  { name: 'another field', index: index(), parts: [text('alice@example')], field: 'patient.lastName' },
  { name: 'the empty string', index: index(), parts: [text('')] },
  { name: 'decomposed letters are composed', index: index(), parts: [text('Zoe\u0308')] },
  { name: 'lower case', index: index({ steps: ['trim', 'lower'] }), parts: [text(' ΟΔΟΣ\t')] },
  { name: 'digits', index: index({ steps: ['digits'] }), parts: [text('+49 (30) 12-34')] },
  { name: 'a bucket of 16 bits', index: index({ kind: 'bucket', bits: 16 }), parts: [text('Meier')] },
  { name: 'a bucket of 11 bits', index: index({ kind: 'bucket', bits: 11 }), parts: [text('Meier')] },
  { name: 'a prefix of 3', index: index({ name: 'p3', kind: 'prefix:3' }), parts: [text('Mei😀er')] },
  { name: 'a prefix of 4 code points', index: index({ name: 'p4', kind: 'prefix:4' }), parts: [text('Mei😀er')] },
  { name: 'too short for a prefix', index: index({ name: 'p5', kind: 'prefix:5' }), parts: [text('Zoë')] },
  {
    name: 'compound',
    index: index({ kind: 'compound', parts: ['lastName', 'year()', 'active'] }),
    parts: [text('Meier'), { type: 'number', value: 1971 }, { type: 'boolean', value: true }],
  },
  {
    name: 'compound with NULL',
    index: index({ kind: 'compound', parts: ['lastName', 'firstName'] }),
    parts: [text('Meier'), text(null)],
  },
  { name: 'a decimal without its zeros', index: index(), parts: [{ type: 'decimal', value: '-10.500' }] },
  { name: 'a bigint', index: index(), parts: [{ type: 'bigint', value: '-9223372036854775808' }] },
  { name: 'a date', index: index(), parts: [{ type: 'date', value: -86_400_000 }] },
];
/** §5 */
export const fieldTags = tagInputs.map(({ name, index: of, parts, key = 'north index', field = 'patient.email' }) => {
  const { dataKey, tenant } = keyOf(key);
  return { name, key, tenant, field, index: of, parts, ...hexed(tag(dataKey, tenant, field, of, parts)) };
});

type RecordInput = { name: string; type: Type; value: unknown; key?: string; pad?: number; version?: number } & {
  place?: Partial<Place>;
  tags?: readonly string[];
};
export const here: Place = { tenant: 'north', field: 'patient.email', row: ['42'] };
export const withoutRow: Partial<Place> = { row: undefined };
const recordInputs: readonly RecordInput[] = [
  { name: 'a string', type: 'string', value: 'alice@example' },
  { name: 'the empty string', type: 'string', value: '' },
  { name: 'a string of all planes, not normalized', type: 'string', value: 'Zoe\u0308 \u{1F600}\uFF5E' },
  { name: 'bytes', type: 'bytes', value: '00f9ff' },
  { name: 'no bytes', type: 'bytes', value: '' },
  { name: 'true', type: 'boolean', value: true },
  { name: 'false', type: 'boolean', value: false },
  { name: 'a number', type: 'number', value: -0.1 },
  { name: 'the largest number', type: 'number', value: Number.MAX_VALUE },
  { name: 'the smallest bigint', type: 'bigint', value: '-9223372036854775808' },
  { name: 'the largest bigint', type: 'bigint', value: '9223372036854775807' },
  { name: 'a decimal keeps its scale', type: 'decimal', value: '-12345678901234567890.50' },
  { name: 'a date', type: 'date', value: 1_767_312_000_123 },
  { name: 'a date before 1970', type: 'date', value: -1 },
  { name: 'json', type: 'json', value: { b: [1, null, 'ü'], a: true } },
  { name: 'the JSON value null', type: 'json', value: null },
  { name: 'padded to 16', type: 'string', value: 'short', pad: 16 },
  { name: 'padded, with nothing left but the mark', type: 'string', value: '12345678901234', pad: 16 },
  { name: 'padded by a whole block', type: 'string', value: '123456789012345', pad: 16 },
  { name: 'one tag', type: 'string', value: 'alice@example', version: 2, tags: ['equality'] },
  { name: 'two tags', type: 'string', value: 'alice@example', version: 3, tags: ['equality', 'another version'] },
  {
    name: 'three tags, one of them none',
    type: 'string',
    value: 'Zoë',
    version: 4,
    tags: ['a prefix of 3', 'too short for a prefix', 'equality'],
  },
  { name: 'not bound to its row', type: 'string', value: 'x', place: withoutRow },
  { name: 'a composite key', type: 'string', value: 'x', place: { row: ['north', '-7', 'a b'] } },
  { name: 'an empty row identity', type: 'string', value: 'x', place: { row: [''] } },
  { name: 'a retired data key', type: 'string', value: 'x', key: 'north retired' },
  { name: 'a subject', type: 'string', value: 'x', key: 'north 4711', place: { subject: '4711' } },
  { name: 'a key of the field', type: 'string', value: 'x', key: 'north email' },
  { name: 'another tenant', type: 'string', value: 'x', key: 'Zoë’s practice', place: { tenant: 'Zoë’s practice' } },
];
const tagBytes = (name: string) => Buffer.from(fieldTags.find((each) => each.name === name)?.tag ?? '', 'hex');

/** §1 to §3 */
export const fieldRecords = recordInputs.map(({ name, type, value, key = 'north', pad, version = 1, ...more }) => {
  const place = { ...here, ...more.place };
  const [salt, nonce] = [random(`salt ${name}`, 12), random(`nonce ${name}`, 12)];
  const tags = (more.tags ?? []).map(tagBytes);
  const sealed = seal(place, encodeValue(type, value), pad, { key: keyOf(key), version, tags, salt, nonce });
  return { name, key, ...place, type, value, version, pad, tags: tags.map(hex), ...hexed({ salt, nonce, ...sealed }) };
});

export const recordOf = (name: string): Bytes =>
  new Uint8Array(Buffer.from(fieldRecords.find((each) => each.name === name)?.record ?? '', 'hex'));
