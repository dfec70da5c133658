/** Reading and checking bodies, `docs/key-service.md` §1.3. */

import type * as z from 'zod';
import { Problem } from '../errors.ts';
import { type Bytes, concat, decodeBase64url, decodeUtf8 } from '../lib/bytes.ts';
import { jsonFault } from '../lib/json-bounds.ts';
import { maxBodyBytes, maxContextPairs, maxItems } from '../lib/limits.ts';

const tooLarge = (limit: number): Problem =>
  new Problem('too-large', `A body here has at most ${limit} bytes`, { limit });

/** How a body is read. */
export interface BodyOptions {
  /** Default: 4 MiB. */
  readonly limit?: number;
  /** Makes room in memory before bytes are taken. Throws a `Problem`. Default: there is room. */
  readonly hold?: (bytes: number) => void;
}

/** The whole body; nothing beyond the limit is read. */
export async function readBody(
  request: Request,
  { limit = maxBodyBytes, hold = () => undefined }: BodyOptions = {},
): Promise<Bytes> {
  const length = request.headers.get('content-length');
  if (length !== null && Number(length) > limit) throw tooLarge(limit);
  if (!request.body) return new Uint8Array();
  let room = length === null ? 0 : Number(length);
  hold(room);
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    for await (const chunk of request.body as AsyncIterable<Uint8Array>) {
      total += chunk.byteLength;
      if (total > limit) throw tooLarge(limit);
      if (total > room) hold(total - room);
      room = Math.max(room, total);
      chunks.push(chunk);
    }
  } catch (error) {
    // Nobody is there any more to read this; it is no failure of the service.
    throw error instanceof Problem ? error : new Problem('malformed-request', 'The body broke off');
  }
  return concat(...chunks);
}

/** Refuses a body with GET: HTTP servers drop it, so no proof could cover it. */
export function assertNoBodyWithGet({ method, headers }: Request): void {
  const announced = headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0';
  if (method === 'GET' && announced) throw new Problem('malformed-request', 'This request takes no body');
}

/** The JSON of a body, as its schema wants it. An endpoint without a schema takes no body. */
export function parseBody<B>(body: Uint8Array, contentType: string | null, schema: z.ZodType<B> | undefined): B {
  if (!schema) {
    if (body.byteLength > 0) throw new Problem('malformed-request', 'This request takes no body');
    return undefined as B;
  }
  if (!/^application\/json\s*(;\s*charset=utf-8)?$/i.test(contentType ?? '')) {
    throw new Problem('malformed-request', 'The Content-Type must be application/json');
  }
  return validate(parseJson(body), schema);
}

/** The query of a request to a path that takes one: every parameter once. */
export function readQuery({ url }: Request): Record<string, string> {
  const members = [...new URL(url).searchParams];
  const names = members.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    const [path, message] = [twice.slice(0, 64), 'occurs twice'];
    throw new Problem('malformed-request', `${path}: ${message}`, { errors: [{ path, message }] });
  }
  return Object.fromEntries(members);
}

/** Refuses the query of a request to a path that takes none. */
export function assertNoQuery({ url }: Request): void {
  if (url.includes('?')) throw new Problem('malformed-request', 'This path takes no query');
}

/** The bytes of a member that is base64url. Throws a `Problem` that names it. */
export function decodeField(text: string, path: string): Bytes {
  const bytes = decodeBase64url(text);
  if (bytes) return bytes;
  const message = 'is not base64url in its canonical form';
  throw new Problem('malformed-request', `${path}: ${message}`, { errors: [{ path, message }] });
}

/** A value as its schema wants it. Throws a `Problem` that names every fault, at most 20. */
export function validate<B>(value: unknown, schema: z.ZodType<B>): B {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.flatMap(faults).slice(0, 20);
  const detail = errors.map(({ path, message }) => `${path || 'body'}: ${message}`).join('; ');
  throw new Problem('malformed-request', detail, { errors });
}

// What the schemas know is flatter and smaller: this keeps the parser from building what they would refuse.
const bounds = { depth: 8, members: 2 * maxContextPairs, elements: maxItems };

function parseJson(body: Uint8Array): unknown {
  const fault = jsonFault(body, bounds);
  if (fault !== undefined) throw new Problem('malformed-request', `The body ${fault}`);
  const text = decodeUtf8(body);
  try {
    return JSON.parse(text ?? '');
  } catch {
    throw new Problem('malformed-request', 'The body is not JSON in UTF-8');
  }
}

// Messages of zod never hold the value, which may be a secret in the wrong place; names of unknown fields are cut short.
function faults(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  const path = issue.path.map((part) => String(part).slice(0, 64));
  if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }];
  return issue.keys.map((key) => ({ path: [...path, key.slice(0, 64)].join('.'), message: 'unknown field' }));
}
