/** Which part of a representation a request asks for: RFC 9110 §13.1.5, §14. */

/** A part of the plaintext, from `start` to before `end`; `partial` where the answer is a 206. */
export interface RequestedRange {
  readonly start: number;
  readonly end: number;
  readonly partial: boolean;
}

/**
 * The part that the headers of a GET ask for, or `undefined` where none of it exists (416). What is no single range of bytes is ignored, as §14.2 allows, and so is
 * a range whose `If-Range` names another representation (§13.1.5): the answer is then all of it.
 */
export function requestedRange(headers: Headers, size: number, etag: string): RequestedRange | undefined {
  const all = { start: 0, end: size, partial: false };
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(headers.get('Range') ?? '');
  if (match === null || !isCurrent(headers.get('If-Range'), etag)) return all;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? all : suffix(Number(last), size);
  const start = Number(first);
  const end = last === '' ? size : Number(last) + 1;
  // §14.1.1: a last position before the first makes it no range at all.
  if (end <= start && last !== '') return all;
  if (start >= size) return undefined;
  return { start, end: Math.min(end, size), partial: true };
}

/** §14.1.2. The end of nothing is nothing, for which there is no Content-Range. */
function suffix(length: number, size: number): RequestedRange | undefined {
  if (length === 0) return undefined;
  return { start: Math.max(0, size - length), end: size, partial: size > 0 };
}

/** Dates are never current: there is no Last-Modified. §13.1.5 compares strongly, so a weak tag is not either. */
function isCurrent(ifRange: string | null, etag: string): boolean {
  return ifRange === null || ifRange.trim() === etag;
}
