/** Tokens by OAuth client credentials, RFC 6749 §4.4, with `private_key_jwt` (RFC 7523) and DPoP (RFC 9449). */

import { isBullaError, type KeyServiceError } from '../../errors.ts';
import { assert } from '../../lib/assert.ts';
import { optional, type ReadersOf, type Taken, takeOptions, takeString, takeText } from '../../lib/options.ts';
import { reasonOf } from '../../lib/reason.ts';
import { isSecure } from '../../lib/secure-url.ts';
import { encodeUtf8 } from '../../lib/utf8.ts';
import { exchange, type HttpAnswer } from '../http.ts';
import { objectOf, unauthenticatedError } from '../problem.ts';
import { randomId } from '../proof.ts';
import { type TokenRequest, type TokenSource, unavailable } from '../token.ts';
import { type SigningKey, signJwt, takeSigningKey } from './jwt.ts';

/** Options of {@link clientCredentialsToken}. */
export interface ClientCredentialsOptions {
  /** The token endpoint of the authorization server; `https:`, or `http:` on loopback; without user and password. */
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** The private key whose public half the authorization server knows, with its algorithm and id. */
  readonly key: SigningKey;
  /** `aud` of the assertion. Default: `tokenEndpoint`; some servers want their issuer. */
  readonly assertionAudience?: string | undefined;
  /** `scope` of the token. Default: none. */
  readonly scope?: string | undefined;
  /** `resource` (RFC 8707). Default: the audience of the key service. */
  readonly resource?: string | undefined;
}

const readers = {
  tokenEndpoint: takeEndpoint,
  clientId: takeText,
  key: takeSigningKey,
  assertionAudience: optional(takeString),
  scope: optional(takeString),
  resource: optional(takeString),
} satisfies ReadersOf<ClientCredentialsOptions>;

const maxBytes = 65_536;

/**
 * A source of tokens by client credentials, bound to the client's proof key. The nonce that the authorization server may ask for is given once. Throws a `TypeError` that names a
 * wrong option; where the server refuses or cannot be asked, calls reject with `ERR_TOKEN_UNAVAILABLE`, which has its OAuth error or what happened.
 */
export function clientCredentialsToken(options: ClientCredentialsOptions): TokenSource {
  const taken = takeOptions(options, readers);
  let nonce: string | undefined;
  return async (request) => {
    for (let attempt = 0; ; attempt++) {
      const answer = await ask(taken, request, nonce).catch((cause) => {
        if (!isBullaError(cause)) throw cause;
        if (cause.code === 'ERR_SERVICE_UNAVAILABLE' || cause.code === 'ERR_THROTTLED')
          throw refused([cause.status], cause);
        throw unavailable(`the authorization server could not be asked (${reasonOf(cause)})`, cause);
      });
      nonce = answer.headers.get('DPoP-Nonce') ?? nonce;
      const { access_token: token, error, error_description: description } = objectOf(answer.body);
      if (answer.status === 200 && typeof token === 'string') return token;
      // RFC 9449 §8
      if (error === 'use_dpop_nonce' && attempt === 0) continue;
      throw refused([answer.status, error, description]);
    }
  };
}

function takeEndpoint(value: unknown, name: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  assert(url !== undefined && isSecure(url), name, 'an https: URL, or http: on loopback');
  // `fetch` refuses them, and its error quotes them.
  assert(url.username + url.password === '', name, 'without user and password');
  return value as string;
}

function refused(parts: readonly unknown[], cause?: unknown): KeyServiceError {
  return unavailable(`the authorization server answered ${parts.filter(Boolean).join(' ')}`, cause);
}

type TakenOptions = Taken<typeof readers>;

function ask(options: TakenOptions, request: TokenRequest, nonce: string | undefined): Promise<HttpAnswer> {
  const { tokenEndpoint: url, scope, resource = request.audience } = options;
  const { time, signal } = request;
  return exchange(request.http, {
    ...{ operation: 'token', method: 'POST', url, maxBytes, signal },
    async prepare() {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await assertion(options, time),
        client_id: options.clientId,
        resource,
        ...(scope === undefined ? {} : { scope }),
      });
      const DPoP = await request.createProof({ method: 'POST', url, time, nonce });
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json', DPoP };
      return { headers, body: encodeUtf8(form.toString(), 'form') };
    },
    async read(answer) {
      // Worth a repetition.
      if (answer.status === 429 || answer.status >= 500) throw unauthenticatedError(answer);
      return answer;
    },
  });
}

/** RFC 7523 §3 */
async function assertion({ clientId, key, assertionAudience, tokenEndpoint }: TakenOptions, time: number) {
  const claims = { iss: clientId, sub: clientId, aud: assertionAudience ?? tokenEndpoint, iat: time, exp: time + 60 };
  return signJwt(key, 'JWT', { ...claims, jti: await randomId() });
}
