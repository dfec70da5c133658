/** The problems that the service answers with, and the errors that stop it; `docs/key-service.md` §1.4 and §10. */

const problems = {
  'malformed-request': [400, 'The request is malformed'],
  'invalid-token': [401, 'The access token was not accepted'],
  'invalid-proof': [401, 'The proof was not accepted'],
  'use-dpop-nonce': [401, 'The proof needs a newer nonce'],
  'not-allowed': [403, 'Not allowed'],
  'not-found': [404, 'There is nothing at this path'],
  'method-not-allowed': [405, 'The path does not take this method'],
  'alias-taken': [409, 'The alias belongs to another key'],
  'version-conflict': [409, 'The version is not the newest'],
  'state-conflict': [409, 'The state of the key does not allow this'],
  'idempotency-conflict': [409, 'The idempotency key was used for another request'],
  'precondition-failed': [412, 'The key was changed in the meantime'],
  'too-large': [413, 'The request is too large'],
  'unwrap-failed': [422, 'The wrapped key does not unwrap'],
  'transport-failed': [422, 'The sealed key does not open'],
  'key-disabled': [423, 'The key is disabled'],
  'version-unavailable': [423, 'The version of the key is not available'],
  'below-floor': [423, 'The version is below the floor'],
  'data-key-revoked': [423, 'The data key was revoked'],
  'rate-limited': [429, 'Too many requests'],
  'internal-error': [500, 'The service failed'],
  unavailable: [503, 'The service cannot work at the moment'],
  'issuer-unavailable': [503, 'The keys of the token issuer cannot be fetched'],
} as const satisfies Record<string, readonly [number, string]>;

/** The stable codes of problems. */
export type ProblemCode = keyof typeof problems;

/** The members that every problem document has, and those of its code. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail?: string;
  readonly [member: string]: unknown;
}

/** What makes a request, or one item of it, fail with an answer that the caller understands. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly status: number;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: ProblemCode, detail?: string, members: Readonly<Record<string, unknown>> = {}) {
    super(detail ?? problems[code][1]);
    this.code = code;
    this.status = problems[code][0];
    this.members = detail === undefined ? members : { detail, ...members };
  }

  /** The problem as RFC 9457 has it. */
  toJSON(): ProblemDocument {
    const { code, status, members } = this;
    return { type: `urn:bulla:problem:${code}`, title: problems[code][1], status, code, ...members };
  }
}

/** Which check of a token or a proof failed, §3.7. */
export type AuthenticationCheck =
  | `token-${'missing' | 'malformed' | 'type' | 'algorithm' | 'issuer' | 'key' | 'signature' | 'audience' | 'expired' | 'lifetime' | 'claims' | 'tenant' | 'unbound' | 'binding'}`
  | `proof-${'missing' | 'malformed' | 'type' | 'algorithm' | 'key' | 'signature' | 'claims' | 'method' | 'url' | 'token' | 'time' | 'nonce' | 'body' | 'headers' | 'replayed'}`
  | 'transport-key';

/** The problem of a token or a proof that was not accepted. */
export function notAuthenticated(check: AuthenticationCheck, detail: string): Problem {
  if (check === 'proof-nonce') return new Problem('use-dpop-nonce', detail, { check });
  return new Problem(check.startsWith('token-') ? 'invalid-token' : 'invalid-proof', detail, { check });
}

/** Why the service does not start or a command of it fails: told to the operator, never to a caller. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}

/** A row or a tree in the store that the service did not write so. */
export class IntegrityError extends OperatorError {}
