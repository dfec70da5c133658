/** Paths as `node:fs` takes them. Names are bytes: a `Buffer` is a path that need not be UTF-8. */

import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../lib/assert.ts';
import { decodeUtf8 } from '../lib/utf8.ts';

/** A path: text, a `file:` URL, or the bytes of a name that need not be UTF-8 (not on Windows). */
export type FilePath = string | URL | Buffer;

/** A {@link FilePath} without the URL. */
export type PlainPath = string | Buffer;

/** A path of its own: bytes are copied, and a URL is read. Throws a `TypeError` that names `name` for what is no path. */
export function plainPath(path: FilePath, name: string): PlainPath {
  const isPath = typeof path === 'string' || path instanceof URL || Buffer.isBuffer(path);
  assert(isPath, name, 'a path or a file: URL');
  if (path instanceof URL) return fileURLToPath(path);
  return typeof path === 'string' ? path : Buffer.from(path);
}

/** The folder that a path stands in. */
export function folderOf(path: PlainPath): PlainPath {
  return onText(path, dirname);
}

/** Another name in the same folder. */
export function siblingOf(path: PlainPath, name: string): PlainPath {
  return onText(path, (text) => join(dirname(text), name));
}

/** A name in a folder. */
export function pathIn(folder: PlainPath, name: PlainPath): PlainPath {
  if (typeof folder === 'string' && typeof name === 'string') return join(folder, name);
  return onText(asBytes(folder), (text) => join(text, asBytes(name).toString('latin1')));
}

/** Whether two paths are spelled alike, once they are absolute. What links make of them is for the file system to say. */
export function samePath(one: PlainPath, other: PlainPath): boolean {
  return asBytes(onText(one, resolve)).equals(asBytes(onText(other, resolve)));
}

/** The last part of a path. */
export function nameOf(path: PlainPath): PlainPath {
  return onText(path, (text) => basename(text));
}

/** A path for people: bytes that are no UTF-8 as `\xNN`. */
export function shownPath(path: PlainPath): string {
  if (typeof path === 'string') return path;
  const asHex = (byte: string) => `\\x${byte.charCodeAt(0).toString(16)}`;
  return decodeUtf8(path) ?? path.toString('latin1').replace(/[\x80-\xff]/g, asHex);
}

function asBytes(path: PlainPath): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : path;
}

/** Latin-1 maps bytes to characters one to one, and `node:path` looks at `/` and `.` alone. */
function onText(path: PlainPath, change: (text: string) => string): PlainPath {
  return typeof path === 'string' ? change(path) : Buffer.from(change(path.toString('latin1')), 'latin1');
}
