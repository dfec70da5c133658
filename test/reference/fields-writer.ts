// An independent writer of encrypted database fields, from docs/fields.md alone: tags, tombstones and records.
import * as crypto from 'node:crypto';
import {
  type Bytes,
  concat,
  derive,
  EMPTY,
  encodeValue,
  hkdf,
  info,
  type KeyRow,
  lp,
  map,
  type Place,
  type Type,
  u8,
  utf8,
} from './fields.ts';

/** §7.1 */
export const tombstone = (dataKey: Bytes, tenant: string): Bytes =>
  hkdf(dataKey, EMPTY, info('bulla/v1 tombstone', utf8(tenant)), 32);

// Tags (§5)
export type Index = {
  readonly name: string;
  readonly version: number;
  readonly kind: string;
  readonly bits: number;
  readonly parts: readonly string[];
  readonly steps: readonly string[];
};
/** §5.4, but for the table of what Unicode 15.0 assigns. */
export function normalize(type: Type, value: unknown, steps: readonly string[] = []): unknown {
  if (type === 'decimal') return String(value).replace(/\.0+$|(?<=\.\d*)0+$/, '');
  if (type !== 'string') return value;
  const known: Record<string, (text: string) => string> = {
    trim: (text) => text.trim(),
    lower: (text) => text.toLowerCase().replaceAll('\u03c2', '\u03c3'),
    digits: (text) => text.replace(/[^0-9]/g, ''),
  };
  const apply = (text: string, step: string) => known[step]?.(text) ?? text;
  return steps.reduce(apply, String(value).normalize('NFC')).normalize('NFC');
}
type Part = { readonly type: Type; readonly value: unknown };
/** §5.1 to §5.3 */
export function tag(dataKey: Bytes, tenant: string, field: string, index: Index, given: readonly Part[]) {
  const { name, version, kind, bits } = index;
  const [columns, steps] = [index.parts.join(), index.steps.join()];
  const about = { tenant, field, index: name, version: `${version}`, kind, bits: `${bits}`, parts: columns, steps };
  const labelled = info('bulla/v1 field index', map(about));
  const indexKey = hkdf(dataKey, EMPTY, labelled, 32);
  const none = { info: labelled, indexKey, tag: new Uint8Array(12) };
  if (given.some(({ value }) => value === null)) return none;
  const parts = given.map(({ type, value }) => ({ type, value: normalize(type, value, index.steps) }));
  const [, letters] = /^prefix:(\d+)$/.exec(kind) ?? [];
  const points = [...String(parts[0]?.value)];
  if (letters !== undefined && points.length < Number(letters)) return none;
  if (letters !== undefined) parts[0] = { type: 'string', value: points.slice(0, Number(letters)).join('') };
  const message = concat(...parts.map(({ type, value }) => lp(encodeValue(type, value))));
  const result = new Uint8Array(crypto.createHmac('sha256', indexKey).update(message).digest().subarray(0, 12));
  if (bits < 96) {
    for (let i = 0; i < 12; i++) result[i] = (result[i] as number) & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i)));
    result[11] = bits;
  }
  if (result.every((byte) => byte === 0)) result[11] = 1;
  return { info: labelled, indexKey, message, tag: result };
}

export type Sealing = { key: KeyRow; version: number; tags: readonly Bytes[]; salt: Bytes; nonce: Bytes };
/** §1; all that is random comes from outside. */
export function sealPlaintext(place: Place, plaintext: Bytes, of: Sealing, padded = false) {
  const { key, version, tags, salt, nonce } = of;
  const header = concat(Uint8Array.of(0xf9, tags.length + (padded ? 4 : 0), version), ...tags, key.id, salt, nonce);
  const derived = derive(place, key, version, salt, header);
  const cipher = crypto.createCipheriv('aes-256-gcm', derived.recordKey, nonce).setAAD(derived.additionalData);
  const record = concat(header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
  return { ...derived, plaintext, record };
}
/** The same of a value, padded (§3.4) where a block is given. */
export function seal(place: Place, value: Bytes, pad: number | undefined, of: Sealing) {
  if (pad === undefined) return sealPlaintext(place, value, of);
  const zeros = (pad - ((value.length + 1) % pad)) % pad;
  return sealPlaintext(place, concat(value, u8(0x80), new Uint8Array(zeros)), of, true);
}
