/** What a client of the key service is configured with. */

import { assert } from '../lib/assert.ts';
import type { OnEvent } from '../lib/events.ts';
import {
  func,
  integer,
  optional,
  type Reader,
  type ReadersOf,
  takeBoolean,
  takeClock,
  takeOptions,
  takeString,
  takeText,
} from '../lib/options.ts';
import { type Retry, type RetryOptions, takeRetry } from '../lib/retry.ts';
import { isLoopback, isSecure } from '../lib/secure-url.ts';
import type { CryptoKeyPair } from '../types.ts';
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
  /** Works without a pin, for a development service on loopback. Whatever service answers there is trusted. Default: `false`. */
  readonly unsafeUnpinned?: boolean | undefined;
}

/** The options with their defaults. */
export interface Settings {
  readonly url: string;
  readonly pin: string | undefined;
  readonly token: Token | undefined;
  readonly tokenSource: TokenSource | undefined;
  readonly dpop: CryptoKeyPair | Promise<CryptoKeyPair> | undefined;
  readonly fetch: Fetch;
  readonly retry: Retry;
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

// Looked up at each call, and called without a receiver: browsers refuse another one than their window.
const globalFetch: Fetch = (input, init) => globalThis.fetch(input, init);

const readers = {
  url: takeServiceUrl,
  pin: optional(takePin),
  token: optional(takeToken),
  tokenSource: optional(func<TokenSource>()),
  tenant: optional(takeText),
  tenantClaim: optional(takeString, 'tenant'),
  dpop: optional(takeKeyPair),
  fetch: optional(func<Fetch>(), globalFetch),
  retry: takeRetry,
  timeout: optional(integer(1, 600_000), 10_000),
  tokenTimeout: optional(integer(1, 3_600_000), 120_000),
  sessionLifetime: optional(integer(1, 3_600_000), 600_000),
  maxClockSkew: optional(integer(0, 2 ** 31), 3_600),
  maxResponseBytes: optional(integer(1_024, 2 ** 30), 2 ** 23),
  now: takeClock,
  onEvent: optional(func<OnEvent>()),
  unsafeUnpinned: optional(takeBoolean, false),
} satisfies ReadersOf<Omit<KeyServiceClientOptions, 'url'>> & { url: Reader<URL> };

/** Throws a `TypeError` that names a wrong option. */
export function readSettings(options: KeyServiceClientOptions): Settings {
  const { url, ...taken } = takeOptions(options, readers);
  const { pin, unsafeUnpinned, token, tokenSource } = taken;
  assert(!unsafeUnpinned || isLoopback(url), 'unsafeUnpinned', 'for services on loopback alone');
  assert(pin !== undefined || unsafeUnpinned, 'pin', 'a thumbprint of 43 characters');
  assert((token === undefined) !== (tokenSource === undefined), 'token or tokenSource', 'given, and not both');
  return { ...taken, url: url.href.replace(/\/$/, '') };
}

function takePin(value: unknown, name: string): string {
  assert(typeof value === 'string' && /^[\w-]{43}$/.test(value), name, 'a thumbprint of 43 characters');
  return value;
}

/** The reader of a token, or of a function that gives one. */
export function takeToken(value: unknown, name: string): Token {
  assert(['string', 'function'].includes(typeof value), name, 'a string or a function');
  return value as Token;
}

/** A pair is copied, and a promise of one is waited for when the pair is needed. */
function takeKeyPair(value: unknown, name: string): CryptoKeyPair | Promise<CryptoKeyPair> {
  assert(typeof value === 'object' && value !== null, name, 'a key pair or a promise of one');
  if (typeof (value as Promise<CryptoKeyPair>).then === 'function') {
    // A failure belongs to the calls that need the key. Before the first of them it is not unhandled.
    (value as Promise<CryptoKeyPair>).then(undefined, () => {});
    return value as Promise<CryptoKeyPair>;
  }
  const { publicKey, privateKey } = value as CryptoKeyPair;
  assert(typeof publicKey === 'object' && typeof privateKey === 'object', name, 'a key pair or a promise of one');
  return { publicKey, privateKey };
}

/** The reader of the address of a service; `docs/key-service.md` §1.1, §1.2. */
export function takeServiceUrl(text: unknown): URL {
  assert(typeof text === 'string' && URL.canParse(text), 'url', 'an absolute URL');
  const url = new URL(text);
  assert(isSecure(url), 'url', 'https:, or http: on loopback');
  const { username, password, search, hash } = url;
  assert(username + password + search + hash === '', 'url', 'without user, query and fragment');
  return url;
}
