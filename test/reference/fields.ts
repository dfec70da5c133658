// An independent reader of encrypted database fields, from docs/fields.md alone; clauses stand beside the rules.
import * as crypto from 'node:crypto';

export type Bytes = Uint8Array;
export const EMPTY = new Uint8Array();
const broken = (code: string, clause: string) => Object.assign(new Error(`${code} by ${clause}`), { code, clause });
function check(condition: boolean, code: string, clause: string): asserts condition {
  if (!condition) throw broken(code, clause);
}
export const concat = (...parts: readonly Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts));
export const utf8 = (text: string): Bytes => new Uint8Array(Buffer.from(text, 'utf8'));
export const u8 = (n: number): Bytes => Uint8Array.of(n);
const u32 = (n: number): Bytes => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
export const lp = (bytes: Bytes): Bytes => concat(u32(bytes.length), bytes);
const hash = (bytes: Bytes) => new Uint8Array(crypto.createHash('sha384').update(bytes).digest());
/** format.md §4.4; what is undefined is absent. */
export function map(values: Readonly<Record<string, string | undefined>>): Bytes {
  const pairs = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined);
  pairs.sort(([a], [b]) => Buffer.compare(utf8(a), utf8(b)));
  return concat(u32(pairs.length), ...pairs.flatMap((pair) => pair.map((text) => lp(utf8(text)))));
}
/** format.md §4.3 */
export const info = (label: string, ...fields: readonly Bytes[]): Bytes =>
  concat(utf8(label), u8(0), hash(concat(...fields.map(lp))));
export const hkdf = (key: Bytes, salt: Bytes, about: Bytes, length: number): Bytes =>
  new Uint8Array(crypto.hkdfSync('sha384', key, salt, about, length));

// Data keys (§4)
export type KeyRow = {
  readonly id: Bytes;
  readonly tenant: string;
  readonly subject?: string | undefined;
  readonly purpose: 'data' | 'index';
  readonly field?: string | undefined;
  readonly version: number;
  readonly created: number;
  readonly state: 'active' | 'retired' | 'shredded';
  /** What its wrapped keys hold. */
  readonly dataKey: Bytes;
};
/** §4.3 */
export function keyId({ tenant, subject, purpose, field, version, created, dataKey }: Omit<KeyRow, 'id' | 'state'>) {
  const names = map({ tenant, subject, purpose, field, version: String(version), created: String(created) });
  const about = info('bulla/v1 field key id', names);
  return { map: names, info: about, id: hkdf(dataKey, EMPTY, about, 16) };
}
// Values (§3)
export type Type = 'string' | 'bytes' | 'boolean' | 'number' | 'bigint' | 'decimal' | 'date' | 'json';
const TYPES: readonly Type[] = ['string', 'bytes', 'boolean', 'number', 'bigint', 'decimal', 'date', 'json'];
const int64 = (n: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(n);
  return new Uint8Array(bytes);
};
function double(n: number): Bytes {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(n === 0 ? 0 : n);
  return new Uint8Array(bytes);
}
/** §3.1; values as JSON has them: bytes in hex, bigint and decimal as text, a date in milliseconds. */
export function encodeValue(type: Type, value: unknown): Bytes {
  const text = String(value);
  const encoders: Record<Type, () => Bytes> = {
    string: () => utf8(text),
    bytes: () => new Uint8Array(Buffer.from(text, 'hex')),
    boolean: () => u8(value === true ? 1 : 0),
    number: () => double(value as number),
    bigint: () => int64(BigInt(text)),
    decimal: () => utf8(text),
    date: () => int64(BigInt(value as number)),
    json: () => utf8(JSON.stringify(value)),
  };
  return concat(u8(TYPES.indexOf(type) + 1), encoders[type]());
}
function decodeValue(type: Type, bytes: Bytes): unknown {
  const view = Buffer.from(bytes);
  const text = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const decoders: Record<Type, () => unknown> = {
    string: text,
    bytes: () => view.toString('hex'),
    boolean: () => view[0] === 1,
    number: () => view.readDoubleBE(),
    bigint: () => String(view.readBigInt64BE()),
    decimal: text,
    date: () => Number(view.readBigInt64BE()),
    json: () => JSON.parse(text()),
  };
  try {
    const value = decoders[type]();
    const same = type === 'json' || Buffer.compare(encodeValue(type, value).subarray(1), bytes) === 0;
    const finite = type !== 'number' || Number.isFinite(value as number);
    const isText = type !== 'string' || !String(value).includes('\0');
    const isDecimal = type !== 'decimal' || /^(?!-0(\.0*)?$)-?(0|[1-9]\d*)(\.\d+)?$/.test(String(value));
    const isDate = type !== 'date' || Math.abs(value as number) <= 8.64e15;
    check(same && finite && isText && isDecimal && isDate, 'ERR_FIELD_VALUE', '§3.3');
    return value;
  } catch {
    throw broken('ERR_FIELD_VALUE', '§3.3');
  }
}

// Records (§1)
export type Place = {
  readonly tenant: string;
  readonly field: string;
  readonly subject?: string | undefined;
  readonly row?: readonly string[] | undefined;
};
export function derive(place: Place, { dataKey }: KeyRow, version: number, salt: Bytes, header: Bytes) {
  const { tenant, field, subject, row = [] } = place;
  const recordKeyInfo = info('bulla/v1/suite1 field', u8(version), map({ tenant, field })); // §1.5
  const rows = Object.fromEntries(row.map((value, i) => [`row:${i}`, value]));
  const additionalData = concat(lp(header), map({ tenant, field, subject, ...rows })); // §1.6
  return { recordKeyInfo, recordKey: hkdf(dataKey, salt, recordKeyInfo, 32), header, additionalData };
}
/** The value of a cell: `versions` are the numbers of tags of the schema versions that are known. */
export function open(cell: Bytes, place: Place, type: Type, versions: Record<number, number>, keys: readonly KeyRow[]) {
  check(cell[0] === 0xf9, 'ERR_FIELD_PLAINTEXT', '§1.1');
  const [, flags = 0, version = 0] = cell;
  const shredded = keys.some(
    (row) => row.state === 'shredded' && row.tenant === place.tenant && row.subject === place.subject,
  );
  check((flags & 0x78) === 0, 'ERR_FIELD_UNSUPPORTED', '§1.2');
  if (flags >= 0x80) {
    check(flags === 0x80 && cell.length === 3 && place.subject !== undefined && shredded, 'ERR_FIELD_OPEN', '§7.3');
    throw broken('ERR_FIELD_SHREDDED', '§7.3');
  }
  check(cell.length >= 3, 'ERR_FIELD_OPEN', '§1.4');
  check(versions[version] !== undefined, 'ERR_FIELD_UNSUPPORTED', '§1.3');
  const tags = flags & 3;
  check(tags === versions[version], 'ERR_FIELD_OPEN', '§1.3');
  const at = 3 + 12 * tags;
  check(cell.length >= at + 40 + 17, 'ERR_FIELD_OPEN', '§1.4');
  const id = cell.subarray(at, at + 16);
  const salt = cell.subarray(at + 16, at + 28);
  const nonce = cell.subarray(at + 28, at + 40);
  const key = keys.find((row) => Buffer.compare(row.id, id) === 0);
  check(key !== undefined, 'ERR_FIELD_KEY', '§4.8');
  const isOwn = key.tenant === place.tenant && key.purpose === 'data' && key.subject === place.subject;
  check(isOwn && (key.field ?? place.field) === place.field, 'ERR_FIELD_OPEN', '§2.2');
  check(key.state !== 'shredded', 'ERR_FIELD_SHREDDED', '§7.2');
  check(Buffer.compare(keyId(key).id, key.id) === 0, 'ERR_FIELD_KEY', '§4.3');
  const header = cell.subarray(0, at + 40);
  const { recordKey, additionalData } = derive(place, key, version, salt, header);
  const decipher = crypto.createDecipheriv('aes-256-gcm', recordKey, nonce, { authTagLength: 16 });
  decipher.setAAD(additionalData).setAuthTag(cell.subarray(-16));
  let plaintext = concat(decipher.update(cell.subarray(at + 40, -16)));
  try {
    decipher.final();
  } catch {
    throw broken('ERR_FIELD_OPEN', '§1.8');
  }
  if (flags & 4) {
    const end = plaintext.findLastIndex((byte) => byte !== 0);
    check(plaintext[end] === 0x80, 'ERR_FIELD_VALUE', '§3.4');
    plaintext = plaintext.subarray(0, end);
  }
  check(plaintext[0] === TYPES.indexOf(type) + 1, 'ERR_FIELD_VALUE', '§3.3');
  return decodeValue(type, plaintext.subarray(1));
}
