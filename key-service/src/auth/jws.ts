/** What tokens and proofs have in common: reading a compact JWS before anything of it is believed. */

import { decodeBase64url, decodeUtf8 } from '../lib/bytes.ts';
import { maxTokenBytes } from '../lib/limits.ts';

/** The two JSON parts of a JWS, unverified. */
export interface UnverifiedJws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Signature algorithms that a token or a proof may have: none of them symmetric. */
export const proofAlgorithms = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA', 'Ed25519'] as const;
export const tokenAlgorithms = [...proofAlgorithms, 'RS256', 'RS384', 'RS512'] as const;

/** Reads a compact JWS; `undefined` for what is none. */
export function readJws(text: string): UnverifiedJws | undefined {
  const parts = text.split('.');
  if (parts.length !== 3 || text.length > maxTokenBytes) return undefined;
  const [header, claims] = [readObject(parts[0] ?? ''), readObject(parts[1] ?? '')];
  if (!header || !claims) return undefined;
  // RFC 7797 §7: b64 has no place in a JWT, and no other extension is understood here.
  if ('crit' in header || 'b64' in header) return undefined;
  return { header, claims };
}

function readObject(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = decodeBase64url(part);
  const text = bytes && decodeUtf8(bytes);
  try {
    const value: unknown = JSON.parse(text ?? '');
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
