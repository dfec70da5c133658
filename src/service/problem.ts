/** Problem documents as typed errors, `docs/key-service.md` §1.4, §3.7 and §10. */

import { DecryptionError, KeyServiceError, type KeyServiceErrorCode } from '../errors.ts';
import { retryAfterOf } from '../lib/retry.ts';
import type { Bytes } from '../types.ts';
import { type JsonObject, parseObject } from './answer.ts';
import type { HttpAnswer } from './http.ts';

const codes = new Map<string | undefined, KeyServiceErrorCode>(
  Object.entries({
    'invalid-token': 'ERR_TOKEN_REFUSED',
    'invalid-proof': 'ERR_PROOF_REFUSED',
    'use-dpop-nonce': 'ERR_PROOF_REFUSED',
    'not-allowed': 'ERR_NOT_ALLOWED',
    'alias-taken': 'ERR_SERVICE_CONFLICT',
    'version-conflict': 'ERR_SERVICE_CONFLICT',
    'state-conflict': 'ERR_SERVICE_CONFLICT',
    'idempotency-conflict': 'ERR_SERVICE_CONFLICT',
    'precondition-failed': 'ERR_SERVICE_CONFLICT',
    'key-disabled': 'ERR_KEY_DISABLED',
    'version-unavailable': 'ERR_KEY_VERSION_UNAVAILABLE',
    'below-floor': 'ERR_KEY_VERSION_UNAVAILABLE',
    'data-key-revoked': 'ERR_DATA_KEY_REVOKED',
    'rate-limited': 'ERR_THROTTLED',
  } as const),
);

/** For what says no code that is known here. */
const statuses: Readonly<Record<number, KeyServiceErrorCode>> = {
  401: 'ERR_TOKEN_REFUSED',
  403: 'ERR_NOT_ALLOWED',
  409: 'ERR_SERVICE_CONFLICT',
  412: 'ERR_SERVICE_CONFLICT',
  429: 'ERR_THROTTLED',
};

const sentences: Readonly<Partial<Record<KeyServiceErrorCode, string>>> = {
  ERR_TOKEN_EXPIRED: 'The access token has expired',
  ERR_TOKEN_REFUSED: 'The key service does not take the access token',
  ERR_PROOF_REFUSED: "The key service does not take the proof of this client's key",
  ERR_NOT_ALLOWED: 'The key service does not allow this, or has no such key',
  ERR_KEY_DISABLED: 'The key is disabled',
  ERR_KEY_VERSION_UNAVAILABLE: 'The version of the key can no longer be used',
  ERR_DATA_KEY_REVOKED: 'The data key was revoked',
  ERR_SERVICE_CONFLICT: 'The change conflicts with what is there',
  ERR_THROTTLED: 'The key service takes no more requests at the moment',
  ERR_SERVICE_UNAVAILABLE: 'The key service cannot answer at the moment',
};

const maxDetail = 300;

/** What an HTTP answer adds to a problem. */
export interface ProblemSource {
  readonly requestId?: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
}

/** The error that an **authentic** problem document stands for, of a request or of one item. `document` may be anything: what it lacks is not needed. */
export function problemError(status: number, document: JsonObject, source: ProblemSource = {}): Error {
  const problem = text(document['code']);
  if (problem === 'unwrap-failed') return new DecryptionError();
  const check = text(document['check']);
  const code = check === 'token-expired' ? 'ERR_TOKEN_EXPIRED' : (codes.get(problem) ?? codeOfStatus(status));
  const hints = [check ?? problem ?? `status ${status}`, text(document['detail'])?.slice(0, maxDetail)];
  const message = `${sentenceOf(code)} (${hints.filter(Boolean).join(': ')})`;
  return new KeyServiceError(code, message, { status, problem, check, ...source });
}

/** The error of an authentic answer that is none of success. */
export function answerError({ status, headers, body }: HttpAnswer, requestId: string | undefined): Error {
  return problemError(status, objectOf(body), { requestId, retryAfter: retryAfterOf(headers) });
}

/**
 * The error of an answer without a MAC, from anyone. Its status says what kind of failure it is, and its body can only make that more exact: which part of a request was
 * refused with 401. No refusal of a key, no failed decryption and no word of the body comes from it.
 */
export function unauthenticatedError({ status, headers, body }: HttpAnswer, requestId?: string): KeyServiceError {
  const document = objectOf(body);
  const code = codeOfStatus(status === 401 || status === 429 || status >= 500 ? status : 400);
  const problem = text(document['code']);
  const check = status === 401 ? checkOf(document) : undefined;
  const exact = check === 'token-expired' ? 'ERR_TOKEN_EXPIRED' : codes.get(problem);
  const fits = exact !== undefined && (exact === code || (status === 401 && ofRequests.includes(exact)));
  const told = fits ? problem : undefined;
  const details = { status, problem: told, check, requestId, retryAfter: retryAfterOf(headers) };
  const chosen = fits ? exact : code;
  return new KeyServiceError(chosen, `${sentenceOf(chosen)} (${check ?? told ?? `status ${status}`})`, details);
}

/** What may be refused before it is known who asks (§3.7). */
const ofRequests: readonly KeyServiceErrorCode[] = ['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_REFUSED', 'ERR_PROOF_REFUSED'];

function checkOf(document: JsonObject): string | undefined {
  const check = text(document['check']);
  return check !== undefined && /^(token|proof|transport)-[a-z]{1,20}$/.test(check) ? check : undefined;
}

/** The JSON object that a body is, or an empty one: a proxy may have answered instead of the service. */
export function objectOf(body: Bytes): JsonObject {
  try {
    return parseObject(body);
  } catch {
    return {};
  }
}

function sentenceOf(code: KeyServiceErrorCode): string {
  return sentences[code] ?? 'The key service does not take the request';
}

function codeOfStatus(status: number): KeyServiceErrorCode {
  return statuses[status] ?? (status >= 500 ? 'ERR_SERVICE_UNAVAILABLE' : 'ERR_SERVICE_REQUEST');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
