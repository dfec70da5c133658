/** Access tokens, `docs/key-service.md` §3.2: where they come from, and what a client reads in its own. */

import { KeyServiceError } from '../errors.ts';
import { decodeBase64url } from '../lib/base64url.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import type { JsonObject } from './answer.ts';
import type { Fetch, HttpSettings } from './http.ts';
import type { ProofClaims } from './proof.ts';

/** What a source of tokens is given to work with. */
export interface TokenRequest {
  /** The thumbprint of the client's proof key; the token must have it as `cnf.jkt`. */
  readonly proofKey: string;
  /** The external URL of the key service. */
  readonly serviceUrl: string;
  /** What `aud` of the token must hold (§2.3). */
  readonly audience: string;
  /** Unix seconds by the clock of the service. */
  readonly time: number;
  /** Makes a DPoP proof for a token endpoint (RFC 9449 §5). */
  readonly createProof: (claims: ProofClaims) => Promise<string>;
  /** Calls an endpoint of the key service that gives tokens (§9.4, §9.5), with a proof and without a token. Resolves to the JSON object of its answer. */
  readonly callService: (path: string, contentType: string, body: string) => Promise<JsonObject>;
  /** The client's `fetch`, for endpoints of others. */
  readonly fetch: Fetch;
  /** How the client makes requests, with its time limits and repetitions. */
  readonly http: HttpSettings;
  /** The token that was refused, where this is a second attempt. */
  readonly refused: string | undefined;
  /** Ends the work. */
  readonly signal: AbortSignal;
}

/** Gives an access token; blanks and line ends around it are no part of it. It is asked again when a token is about to expire or was refused, by one request at a time. */
export type TokenSource = (request: TokenRequest) => Promise<string>;

/** An access token, or a function that gives one and is asked before every request. */
export type Token = string | (() => string | Promise<string>);

/** What a client reads in its own token; the service is who verifies it. */
export interface AccessToken {
  readonly text: string;
  readonly tenant: string;
  /** `<iss>|<sub>` */
  readonly principal: string;
  /** Unix seconds. */
  readonly expires: number;
}

/** How a client reads tokens. */
export interface TokenReading {
  /** The tenant, where it is configured and not read. */
  readonly tenant: string | undefined;
  /** The claim that holds the tenant. */
  readonly tenantClaim: string;
}

/** Seconds before its end at which a token is renewed. */
const renewBefore = 30;

/**
 * A token as it is sent, without what a file or a terminal puts around it. Throws `ERR_TOKEN_UNAVAILABLE` for what can be none (RFC 6750 §2.1), and repeats nothing of it.
 */
export function tokenText(given: unknown): string {
  const text = typeof given === 'string' ? given.trim() : '';
  if (!/^[\w.~+/-]*=*$/.test(text)) throw unavailable('what its source gave has a character that no token has');
  return text;
}

/** The claims of a token that are needed here. Throws `ERR_TOKEN_UNAVAILABLE` for what is no JWT or has no tenant. */
export function readToken(given: unknown, { tenant, tenantClaim }: TokenReading): AccessToken {
  const text = tokenText(given);
  const claims = claimsOf(text);
  if (claims === undefined) throw unavailable('what its source gave is no JWT');
  const found = tenant ?? claims[tenantClaim];
  if (typeof found !== 'string' || found === '') {
    throw unavailable(`the token has no claim "${tenantClaim}"; give tenant or tenantClaim`);
  }
  const expires = typeof claims['exp'] === 'number' ? claims['exp'] : Number.POSITIVE_INFINITY;
  return { text, tenant: found, principal: `${claims['iss']}|${claims['sub']}`, expires };
}

/** Keeps the token of a source until it is about to expire or was refused. Failures are not kept. */
export class TokenCache {
  readonly #source: (refused: string | undefined, signal: AbortSignal) => Promise<AccessToken>;
  #flight = new SingleFlight<AccessToken>();
  #current: AccessToken | undefined;
  #refused: string | undefined;

  constructor(source: (refused: string | undefined, signal: AbortSignal) => Promise<AccessToken>) {
    this.#source = source;
  }

  /** The token that is at hand, where it is good at a time, in Unix seconds. */
  at(time: number): AccessToken | undefined {
    return this.#current !== undefined && time < this.#current.expires - renewBefore ? this.#current : undefined;
  }

  /** A token that is good at a time. */
  get(time: number, signal: AbortSignal | undefined): Promise<AccessToken> {
    const current = this.at(time);
    if (current !== undefined) return Promise.resolve(current);
    const flight = this.#flight;
    return flight.join(async (shared) => {
      const token = await this.#source(this.#refused, shared);
      // Another user may have signed in meanwhile.
      if (flight === this.#flight) {
        this.#current = token;
        this.#refused = undefined;
      }
      return token;
    }, signal);
  }

  /** The service did not take a token: it is not used again. */
  refuse(token: AccessToken): void {
    if (this.#current?.text !== token.text) return;
    this.#current = undefined;
    this.#refused = token.text;
  }

  /** Forgets the token, also one that is on its way, for another user. */
  clear(): void {
    this.#current = undefined;
    this.#refused = undefined;
    this.#flight = new SingleFlight();
  }
}

/** `ERR_TOKEN_UNAVAILABLE` */
export function unavailable(what: string, cause?: unknown): KeyServiceError {
  const details = cause === undefined ? {} : { cause };
  return new KeyServiceError('ERR_TOKEN_UNAVAILABLE', `There is no access token: ${what}`, details);
}

function claimsOf(text: string): JsonObject | undefined {
  const parts = text.split('.');
  const bytes = parts.length === 3 ? decodeBase64url(parts[1] as string) : undefined;
  try {
    const claims: unknown = JSON.parse((bytes && decodeUtf8(bytes)) ?? 'null');
    return typeof claims === 'object' && claims !== null ? (claims as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
