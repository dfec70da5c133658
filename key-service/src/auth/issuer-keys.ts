/** The key set of an issuer that is fetched: bounded in bytes and time, and good for a while when it cannot be fetched; `docs/key-service.md` §3.8. */

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from 'jose';
import { Problem } from '../errors.ts';
import { decodeUtf8 } from '../lib/bytes.ts';

/** Finds the key of a token's header. */
export type FindKey = (header: JWSHeaderParameters) => Promise<CryptoKey>;

/** Options of {@link remoteKeys}. */
export interface RemoteKeysOptions {
  /** Seconds that keys are used after they were last fetched. */
  readonly staleSeconds: number;
  /** Default: `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds that only grow. Default: `performance.now`. */
  readonly monotonic?: (() => number) | undefined;
}

/** How long keys that were fetched are used without asking: an issuer that withdraws one is believed after this time. */
const freshMs = 60_000;
/** Between two attempts, successful or not. */
const cooldownMs = 5000;
const timeoutMs = 3000;
const maxBytes = 256 * 1024;
const maxKeys = 100;

/** The keys behind a URL. Throws the errors of jose, and `Problem` where there are no keys. */
export function remoteKeys(url: string, options: RemoteKeysOptions): FindKey {
  const { staleSeconds, fetch: fetchWith = globalThis.fetch, monotonic = () => performance.now() } = options;
  let known: { readonly find: FindKey; readonly at: number } | undefined;
  let tried = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;
  const refresh = async (): Promise<void> => {
    tried = monotonic();
    const keys = await fetchKeys(url, fetchWith);
    known = { find: createLocalJWKSet(keys), at: monotonic() };
  };
  // One for all who wait. Failing is no reason to forget what is known.
  const refreshed = (): Promise<void> => {
    if (monotonic() - tried >= cooldownMs) {
      fetching ??= refresh()
        .catch(() => undefined)
        .finally(() => {
          fetching = undefined;
        });
    }
    return fetching ?? Promise.resolve();
  };
  return async (header) => {
    if (!known || monotonic() - known.at > freshMs) await refreshed();
    if (!known || monotonic() - known.at > staleSeconds * 1000) {
      throw new Problem('issuer-unavailable', undefined, { retry_after: 5 });
    }
    try {
      return await known.find(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // A key that is newer than the set.
      const before = known;
      await refreshed();
      if (known === before) throw error;
      return known.find(header);
    }
  };
}

async function fetchKeys(url: string, fetchWith: typeof globalThis.fetch): Promise<JSONWebKeySet> {
  const response = await fetchWith(url, {
    redirect: 'error',
    headers: { Accept: 'application/json, application/jwk-set+json' },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) throw new TypeError(`The issuer answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    total += chunk.byteLength;
    if (total > maxBytes) throw new TypeError('The key set of the issuer is too large');
    chunks.push(chunk);
  }
  const keys = JSON.parse(decodeUtf8(Buffer.concat(chunks)) ?? '') as JSONWebKeySet;
  if (!Array.isArray(keys?.keys) || keys.keys.length > maxKeys) throw new TypeError('The issuer has no key set');
  return keys;
}
