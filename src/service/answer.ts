/** Reading what a key service sends, field by field: what is not as the protocol says is an error that names the field, and nothing else is done with it. */

import { KeyServiceError } from '../errors.ts';
import { decodeBase64url } from '../lib/base64url.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';

/** A JSON object of unknown contents. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** `ERR_SERVICE_ANSWER`, for the answer of a key service or of another holder of keys. */
export function badAnswer(what: string, whose = 'the key service'): KeyServiceError {
  return new KeyServiceError('ERR_SERVICE_ANSWER', `The answer of ${whose} cannot be used: ${what}`);
}

/** The JSON object that a body is. */
export function parseObject(body: Bytes): JsonObject {
  const text = decodeUtf8(body);
  if (text === undefined) throw badAnswer('it is not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badAnswer('it is not JSON');
  }
  return asObject(value, 'it');
}

/** A value that must be an object. `name` stands in errors. */
export function asObject(value: unknown, name: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badAnswer(`${name} is not an object`);
  return value as JsonObject;
}

/** A member that must be an array. */
export function arrayField(object: JsonObject, name: string): readonly unknown[] {
  const value = object[name];
  if (!Array.isArray(value)) throw badAnswer(`${name} is not an array`);
  return value;
}

/** A member that must be a string. */
export function stringField(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string' || value === '') throw badAnswer(`${name} is not a string`);
  return value;
}

/** A member that must be an integer, at least `least` and at most `most`. */
export function integerField(object: JsonObject, name: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const value = object[name];
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw badAnswer(`${name} is not an integer from ${least} to ${most}`);
  }
  return value as number;
}

/** A member that must be base64url of an exact number of bytes. */
export function bytesField(object: JsonObject, name: string, length: number): Bytes {
  const bytes = decodeBase64url(stringField(object, name));
  if (bytes?.byteLength !== length) throw badAnswer(`${name} is not the base64url of ${length} bytes`);
  return bytes;
}
