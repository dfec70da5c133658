/** What a client of the key service is configured with. */

import { assert, assertFunction, assertInteger, assertOptions } from '../lib/assert.ts';
import type { OnEvent } from '../lib/events.ts';
import { type RetryOptions, takeRetry } from '../lib/retry.ts';
import type { Fetch } from './http.ts';
import type { Token, TokenSource } from './token.ts';

/** Options of {@link createKeyServiceClient}. */
export interface KeyServiceClientOptions {
  /** The external URL of the service, without a trailing slash; `https:`, or `http:` on loopback. Never taken from a message. */
  readonly url: string;
  /** The RFC 7638 thumbprint of the service's identity key: 43 characters. Required, unless `unsafeUnpinned`. */
  readonly pin?: string | undefined;
  /** An access token, or a function that gives one and is asked before every request. One of `token` and `tokenSource` is required. */
  readonly token?: Token | undefined;
  /** Where tokens come from; asked when one is about to expire or was refused. */
  readonly tokenSource?: TokenSource | undefined;
  /** The tenant that the tokens act for. Default: the claim `tenantClaim` of the token. */
  readonly tenant?: string | undefined;
  /** The claim of the token that holds the tenant. Default: `tenant`. */
  readonly tenantClaim?: string | undefined;
  /** The key that tokens are bound to: ECDSA on P-256 or P-384, not extractable. Default: one for this client alone. See `dpopKeyFromIndexedDB`. */
  readonly dpop?: CryptoKeyPair | Promise<CryptoKeyPair> | undefined;
  /** Replaces `globalThis.fetch`: called with a URL as a string and `RequestInit`. */
  readonly fetch?: Fetch | undefined;
  /** How requests are repeated. */
  readonly retry?: RetryOptions | undefined;
  /** Milliseconds for one attempt, body included, 1 to 600,000. Default: 10,000. */
  readonly timeout?: number | undefined;
  /**
   * Milliseconds that `token`, `tokenSource` and `dpop` are waited for, 1 to 3,600,000: a user may have to sign in first. It is no part of `timeout`. Afterwards calls reject with
   * `ERR_TOKEN_UNAVAILABLE`. Default: 120,000, two minutes.
   */
  readonly tokenTimeout?: number | undefined;
  /** Milliseconds that one ephemeral key pair is used, at most 3,600,000. Default: 600,000. */
  readonly sessionLifetime?: number | undefined;
  /** Seconds by which the device's clock may be off, and the service's time be believed, when signed documents are judged. Default: 3,600. */
  readonly maxClockSkew?: number | undefined;
  /** Bytes of one answer, at most; longer ones are refused unread. Default: 8 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Is told of calls and repetitions. */
  readonly onEvent?: OnEvent | undefined;
  /** Works without a pin, for a development service on loopback: whoever answers there is believed. Default: `false`. */
  readonly unsafeUnpinned?: boolean | undefined;
}

/** The options with their defaults. */
export interface Settings {
  readonly url: string;
  readonly pin: string | undefined;
  readonly fetch: Fetch;
  readonly retry: RetryOptions;
  readonly timeout: number;
  readonly tokenTimeout: number;
  readonly sessionLifetime: number;
  readonly maxClockSkew: number;
  readonly maxResponseBytes: number;
  readonly now: () => number;
  readonly onEvent: OnEvent | undefined;
  readonly tenant: string | undefined;
  readonly tenantClaim: string;
}

const names = [
  ...[
    'url',
    'pin',
    'token',
    'tokenSource',
    'tenant',
    'tenantClaim',
    'dpop',
    'fetch',
    'retry',
    'timeout',
    'tokenTimeout',
  ],
  ...['sessionLifetime', 'maxClockSkew', 'maxResponseBytes', 'now', 'onEvent', 'unsafeUnpinned'],
];

/** Throws a `TypeError` that names a wrong option. */
export function readSettings(options: KeyServiceClientOptions): Settings {
  assertOptions(options, names);
  const {
    pin,
    token,
    tokenSource,
    tenant,
    tenantClaim = 'tenant',
    fetch,
    retry = {},
    now = Date.now,
    onEvent,
  } = options;
  const {
    timeout = 10_000,
    tokenTimeout = 120_000,
    sessionLifetime = 600_000,
    maxClockSkew = 3_600,
    maxResponseBytes = 2 ** 23,
  } = options;
  const url = readUrl(options.url);
  assert(options.unsafeUnpinned !== true || isLoopback(url), 'unsafeUnpinned', 'for services on loopback alone');
  const pinned = typeof pin === 'string' && /^[\w-]{43}$/.test(pin);
  assert(pinned || (pin === undefined && options.unsafeUnpinned === true), 'pin', 'a thumbprint of 43 characters');
  assert((token === undefined) !== (tokenSource === undefined), 'token or tokenSource', 'given, and not both');
  assert(token === undefined || ['string', 'function'].includes(typeof token), 'token', 'a string or a function');
  for (const name of ['tokenSource', 'fetch', 'now', 'onEvent'] as const) assertFunction(options[name], name);
  assert(tenant === undefined || (typeof tenant === 'string' && tenant !== ''), 'tenant', 'a string');
  assert(typeof tenantClaim === 'string', 'tenantClaim', 'a string');
  assertInteger(timeout, 1, 600_000, 'timeout');
  assertInteger(tokenTimeout, 1, 3_600_000, 'tokenTimeout');
  assertInteger(sessionLifetime, 1, 3_600_000, 'sessionLifetime');
  assertInteger(maxClockSkew, 0, 2 ** 31, 'maxClockSkew');
  assertInteger(maxResponseBytes, 1_024, 2 ** 30, 'maxResponseBytes');
  takeRetry(retry, 'retry');
  return {
    ...{ url: url.href.replace(/\/$/, ''), pin, tenant, tenantClaim, retry, now, onEvent },
    ...{ timeout, tokenTimeout, sessionLifetime, maxClockSkew, maxResponseBytes },
    // Looked up at each call, and called without a receiver: browsers refuse another one than their window.
    fetch: fetch ?? ((input, init) => globalThis.fetch(input, init)),
  };
}

/** §1.1, §1.2 */
function readUrl(text: unknown): URL {
  assert(typeof text === 'string' && URL.canParse(text), 'url', 'an absolute URL');
  const url = new URL(text);
  assert(
    url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)),
    'url',
    'https:, or http: on loopback',
  );
  const { username, password, search, hash } = url;
  assert(username + password + search + hash === '', 'url', 'without user, query and fragment');
  return url;
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
