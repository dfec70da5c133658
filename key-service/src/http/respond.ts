/** Answers as responses, with the headers that every response has; `docs/key-service.md` §1.4, §1.5 and §4.3. */

import { proofAlgorithms } from '../auth/jws.ts';
import type { Problem } from '../errors.ts';
import { encodeUtf8 } from '../lib/bytes.ts';
import type { Service } from '../service.ts';
import type { Session } from '../transport/session.ts';

/** Status, body and headers. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> | string;
  readonly headers?: Readonly<Record<string, string>>;
}

const oauthErrors = {
  'invalid-token': 'invalid_token',
  'invalid-proof': 'invalid_dpop_proof',
  'use-dpop-nonce': 'use_dpop_nonce',
} as const;

/** The answer of a problem. */
export function problemAnswer(problem: Problem): Answer {
  const { retry_after, ...body } = problem.toJSON();
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (retry_after !== undefined) headers['Retry-After'] = String(retry_after);
  if (problem.status === 401) headers['WWW-Authenticate'] = challenge(problem);
  return { status: problem.status, body, headers };
}

/** The response, authenticated where there is a session. */
export function toResponse(
  service: Pick<Service, 'nonces'>,
  { status, body, headers }: Answer,
  session: Session | undefined,
): Response {
  const bytes = encodeUtf8(typeof body === 'string' ? body : JSON.stringify(body));
  return new Response(bytes, {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'DPoP-Nonce': service.nonces.current(),
      ...headers,
      ...session?.authenticate(status, bytes),
    },
  });
}

function challenge({ code, message }: Problem): string {
  const error = oauthErrors[code as keyof typeof oauthErrors] ?? 'invalid_token';
  const description = message.replace(/["\\]|[^\x20-\x7e]/g, '');
  return `DPoP error="${error}", error_description="${description}", algs="${proofAlgorithms.join(' ')}"`;
}
