/** The bytes of a record, `docs/fields.md` §1. */

import { nonceLength, tagLength } from '../crypto/aes-gcm.ts';
import type { FieldErrorCode } from '../errors.ts';
import { concat } from '../lib/bytes.ts';
import { fieldKeyIdLength } from '../schedule/field-keys.ts';
import type { Bytes } from '../types.ts';
import { maxValueLength } from './values.ts';

/** The first byte of every record (§1.1). */
export const firstByte = 0xf9;
/** Bytes of a tag (§5.2). */
export const indexTagLength = 12;
/** Bytes of a salt (§1.7). */
export const recordSaltLength = 12;
/** Bytes in front of the first tag. */
export const tagsStart = 3;

const paddedFlag = 0x04;
const shreddedFlag = 0x80;
const knownFlags = 0x87;
const maxPadding = 65_536;

/** What stands before the ciphertext. */
export interface RecordParts {
  readonly padded: boolean;
  readonly schemaVersion: number;
  readonly tags: readonly Bytes[];
  readonly keyId: Bytes;
  readonly salt: Bytes;
  readonly nonce: Bytes;
}

/** A record, taken apart. */
export interface ParsedRecord extends RecordParts {
  readonly header: Bytes;
  /** The ciphertext and its tag. */
  readonly sealed: Bytes;
}

/** Why a cell is no record, as a code of an error; `shredded` is a cell that says so. */
export type NoRecord =
  | Extract<FieldErrorCode, `ERR_FIELD_${'PLAINTEXT' | 'UNSUPPORTED' | 'OPEN' | 'LIMIT'}`>
  | 'shredded';

/** Whether bytes begin like a record. */
export function isRecord(cell: Uint8Array): boolean {
  return cell[0] === firstByte;
}

/** Takes a record apart, whose parts are views of it. `tagCounts` has how many tags each known schema version has. */
export function parseRecord(cell: Bytes, tagCounts: ReadonlyMap<number, number>): ParsedRecord | NoRecord {
  if (!isRecord(cell)) return 'ERR_FIELD_PLAINTEXT';
  const flags = cell[1] ?? 0;
  if ((flags & ~knownFlags) !== 0) return 'ERR_FIELD_UNSUPPORTED';
  if (flags >= shreddedFlag) return flags === shreddedFlag && cell.byteLength === 3 ? 'shredded' : 'ERR_FIELD_OPEN';
  if (cell.byteLength < tagsStart) return 'ERR_FIELD_OPEN';
  const schemaVersion = cell[2] as number;
  const known = tagCounts.get(schemaVersion);
  if (known === undefined) return 'ERR_FIELD_UNSUPPORTED';
  const count = flags & 3;
  const idStart = tagsStart + count * indexTagLength;
  const end = idStart + fieldKeyIdLength + recordSaltLength + nonceLength;
  if (count !== known || cell.byteLength < end + 1 + tagLength) return 'ERR_FIELD_OPEN';
  if (cell.byteLength > end + 1 + maxValueLength + maxPadding + tagLength) return 'ERR_FIELD_LIMIT';
  const saltStart = idStart + fieldKeyIdLength;
  const tags: Bytes[] = [];
  for (let at = tagsStart; at < idStart; at += indexTagLength) tags.push(cell.subarray(at, at + indexTagLength));
  return {
    padded: (flags & paddedFlag) !== 0,
    schemaVersion,
    tags,
    keyId: cell.subarray(idStart, saltStart),
    salt: cell.subarray(saltStart, saltStart + recordSaltLength),
    nonce: cell.subarray(saltStart + recordSaltLength, end),
    header: cell.subarray(0, end),
    sealed: cell.subarray(end),
  };
}

/** The bytes before the ciphertext. */
export function recordHeader({ padded, schemaVersion, tags, keyId, salt, nonce }: RecordParts): Bytes {
  const flags = tags.length | (padded ? paddedFlag : 0);
  return concat(Uint8Array.of(firstByte, flags, schemaVersion), ...tags, keyId, salt, nonce);
}

/** What a cell becomes whose subject was shredded (§7.3). */
export function shreddedCell(schemaVersion: number): Bytes {
  return Uint8Array.of(firstByte, shreddedFlag, schemaVersion);
}
