/** From data keys to record keys, key ids and index keys, and what a record is bound to: `docs/fields.md` §1.5, §1.6, §4.3, §5.1. */

import { deriveAead, deriveBytes } from '../crypto/hkdf.ts';
import { deriveHmac, type HmacKey } from '../crypto/hmac-sha256.ts';
import type { AeadKey, SecretKey } from '../crypto/keys.ts';
import { defaultSuite } from '../crypto/suites.ts';
import { concat, concatPooled, concatPrefixed, lengthPrefixed, u32 } from '../lib/bytes.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { digestFields, info } from './info.ts';
import { encodeMap, sortPairs } from './map.ts';

/** Bytes of a data key id (§4.3). */
export const fieldKeyIdLength = 16;

const labels = {
  record: `bulla/v1/suite${defaultSuite.id} field`,
  keyId: 'bulla/v1 field key id',
  index: 'bulla/v1 field index',
} as const;
const noSalt = new Uint8Array(0);
/** More than any name or value of these maps has (§2.2, §2.3). */
const maxValue = 1_024;

type Names = Readonly<Record<string, string | number | null>>;

/** `map(...)` of what is not `null`. */
function mapOf(names: Names): Bytes {
  const pairs = Object.entries(names).filter(([, value]) => value !== null);
  const map = Object.fromEntries(pairs.map(([name, value]) => [name, String(value)]));
  return encodeMap(sortPairs(map, 'a field', maxValue));
}

/** What a record key depends on besides its data key and salt (§1.5). */
export interface RecordScope {
  readonly tenant: string;
  readonly field: string;
  readonly schemaVersion: number;
}

/** §1.5, the info. It is the same for all records of a scope. */
export async function recordKeyInfo({ tenant, field, schemaVersion }: RecordScope): Promise<Bytes> {
  const digest = await digestFields(Uint8Array.of(schemaVersion), mapOf({ tenant, field }));
  return concat(info(labels.record, digest));
}

/** §1.5 */
export function deriveRecordKey(
  dataKey: SecretKey,
  salt: Bytes,
  about: Bytes,
  use: 'seal' | 'open',
): Awaitable<AeadKey> {
  return deriveAead(dataKey, salt, about, use);
}

/** The columns of a data key's row that its id is made of (§4.3). */
export interface FieldKeyColumns {
  readonly tenant: string;
  readonly subject: string | null;
  readonly purpose: 'data' | 'index';
  readonly field: string | null;
  readonly version: number;
  readonly created: number;
}

/** §4.3 */
export async function deriveFieldKeyId(dataKey: SecretKey, row: FieldKeyColumns): Promise<Bytes> {
  const { tenant, subject, purpose, field, version, created } = row;
  const digest = await digestFields(mapOf({ tenant, subject, purpose, field, version, created }));
  return deriveBytes(dataKey, noSalt, info(labels.keyId, digest), fieldKeyIdLength);
}

/** What an index key depends on besides its data key (§5.1). */
export interface IndexScope {
  readonly tenant: string;
  readonly field: string;
  readonly index: string;
  readonly version: number;
  readonly kind: string;
  readonly bits: number;
  /** The columns of its parts, joined by commas. */
  readonly parts: string;
  /** The steps of its normalization, joined by commas. */
  readonly steps: string;
}

/** §5.1 */
export async function deriveIndexKey(dataKey: SecretKey, scope: IndexScope): Promise<HmacKey> {
  const { tenant, field, index, version, kind, bits, parts, steps } = scope;
  const digest = await digestFields(mapOf({ tenant, field, index, version, kind, bits, parts, steps }));
  return deriveHmac(dataKey, noSalt, info(labels.index, digest));
}

/** The names of the additional data that all records of a field and tenant share, encoded once. */
export interface Binding {
  readonly field: Bytes;
  readonly tenant: Bytes;
}

/** See {@link Binding}. */
export function bindingOf(field: string, tenant: string): Binding {
  return { field: pair('field', field), tenant: pair('tenant', tenant) };
}

const rowNames = Array.from({ length: 8 }, (_, i) => lengthPrefixedCopy(`row:${i}`));
const subjectName = lengthPrefixedCopy('subject');

/** §1.6: the names ascend, `field`, `row:0` to `row:7`, `subject`, `tenant`. */
export function additionalData(
  { field, tenant }: Binding,
  header: Bytes,
  row: readonly string[],
  subject: string | null,
): Bytes {
  const count = 2 + row.length + (subject === null ? 0 : 1);
  const parts = [u32(header.byteLength), header, u32(count), field];
  for (let i = 0; i < row.length; i++) pushPair(parts, rowNames[i] as Bytes, row[i] as string, 'the row');
  if (subject !== null) pushPair(parts, subjectName, subject, 'subject');
  parts.push(tenant);
  return concatPooled(...parts);
}

function pushPair(parts: Bytes[], name: Bytes, value: string, what: string): void {
  const bytes = encodeUtf8(value, what);
  parts.push(name, u32(bytes.byteLength), bytes);
}

function pair(name: string, value: string): Bytes {
  return concat(concatPrefixed(encodeUtf8(name, 'a name'), encodeUtf8(value, name)));
}

function lengthPrefixedCopy(name: string): Bytes {
  return concat(lengthPrefixed(encodeUtf8(name, 'a name')));
}
