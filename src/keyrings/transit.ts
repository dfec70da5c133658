/** The keyring of a key in the transit engine of OpenBao or HashiCorp Vault, `docs/format.md` §8.8. */

import { sha384 } from '../crypto/digest.ts';
import { isBullaError } from '../errors.ts';
import { encodeBase64url } from '../lib/base64url.ts';
import { func, matching, optional, type Reader, type ReadersOf, takeOptions, takeText } from '../lib/options.ts';
import { withTimeLimit } from '../lib/time-limit.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Fetch } from '../service/http.ts';
import { takeServiceUrl, takeToken } from '../service/options.ts';
import { type Token, tokenText, unavailable } from '../service/token.ts';
import type { Awaitable, Bytes, KeyContext } from '../types.ts';
import type { Keyring } from './keyring.ts';
import { type ProviderCallOptions, providerCallReaders } from './provider-calls.ts';
import { heldKeys, type ProviderKey, providerKeyring, takeOthers, takeProviderKeyContext } from './provider-keyring.ts';
import { isTransitCiphertext, transitEngine } from './transit-engine.ts';

/** Options of {@link transitKeyring}. */
export interface TransitKeyringOptions extends ProviderCallOptions {
  /** The address of OpenBao or Vault, without a trailing slash: `https:`, or `http:` on loopback. Never taken from a message. */
  readonly url: string;
  /** The name of the key in the engine. Its type must take additional data: `aes256-gcm96`, `aes128-gcm96`, `chacha20-poly1305` or `xchacha20-poly1305`, without derivation. */
  readonly key: string;
  /** Where the engine is mounted. Default: `transit`. */
  readonly mount?: string | undefined;
  /** The namespace. Default: none. */
  readonly namespace?: string | undefined;
  /**
   * A token, or a function that gives one. The function is asked before every call, and once more when a token was refused. Each token counts as a user of its own: a data key that was opened with one
   * is given to nobody who came with another.
   */
  readonly token: Token;
  /**
   * The user whose tokens all of them are, by any name: what was asked for with one token may be given to those of the same user who wait while it is renewed. **Not where the function gives tokens of several
   * users.** Default: not known. Then such a call is made once more, with the token of that moment.
   */
  readonly user?: string | undefined;
  /** The name of the key in messages, after `transit:`. Readers need the same name. Default: mount and key, as in `transit/orders`. */
  readonly name?: string | undefined;
  /** Names of further keys of the engine to decrypt with, 8 at most: what was wrapped under them, by `name` or by their own default names. Default: none. */
  readonly decryptKeys?: readonly string[] | undefined;
  /** Bound to every wrapped key, and what a wrapped key must have to be opened. The engine is given a digest of it. Default: empty. */
  readonly keyContext?: KeyContext | undefined;
  /** Replaces `globalThis.fetch`: called with a URL as a string and `RequestInit`. For certificate authorities of your own, see `tlsFetch` of `bulla/node`. */
  readonly fetch?: Fetch | undefined;
}

// What the engine takes in a path. Dots alone would be another path.
const segment = String.raw`\w(?:[\w.-]*\w)?`;
const takeKey = matching(new RegExp(`^${segment}$`), 'the name of a key: letters, digits, _, - and .');
const takeMount = matching(new RegExp(`^${segment}(?:/${segment})*$`), 'a path such as transit or team/transit');
const takeNamespace = matching(new RegExp(`^${segment}(?:/${segment})*/?$`), 'a path such as team or team/orders');

// Looked up at each call, and called without a receiver, as browsers want it.
const globalFetch: Fetch = (input, init) => globalThis.fetch(input, init);

const readers = {
  ...providerCallReaders,
  url: takeServiceUrl,
  key: takeKey,
  mount: optional(takeMount, 'transit'),
  namespace: optional(takeNamespace),
  token: takeToken,
  user: optional(takeText),
  name: optional(takeText),
  decryptKeys: optional(takeOthers(takeKey), []),
  keyContext: takeProviderKeyContext,
  fetch: optional(func<Fetch>(), globalFetch),
} satisfies ReadersOf<Omit<TransitKeyringOptions, 'url'>> & { url: Reader<URL> };

/**
 * A keyring whose key the transit engine of OpenBao or Vault holds. The engine wraps each data key by `encrypt` and unwraps it by `decrypt`; calls of one tick travel together, and those for the same data
 * key are one. The token needs `update` on `<mount>/encrypt/<key>` and `<mount>/decrypt/<key>`, and nothing else: with `create`, a mistyped name makes a new key.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with `ERR_DECRYPTION_FAILED`, and with a `KeyServiceError`: `ERR_NOT_ALLOWED` (or no such key), `ERR_KEY_DISABLED` (soft-deleted),
 * `ERR_KEY_VERSION_UNAVAILABLE` (below `min_decryption_version`), `ERR_TOKEN_UNAVAILABLE`, `ERR_TOKEN_REFUSED` (expired or revoked: the engine does not say which), `ERR_THROTTLED`,
 * `ERR_SERVICE_UNAVAILABLE` (sealed), `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_TIMEOUT`, `ERR_SERVICE_REDIRECTED`, `ERR_SERVICE_REQUEST` and `ERR_SERVICE_ANSWER`.
 *
 * @example
 * const keyring = transitKeyring({ url: 'https://bao.example', key: 'orders', token: () => currentToken() });
 * const message = await encrypt(order, { keyring, context: { order: '4711' } });
 */
export function transitKeyring(options: TransitKeyringOptions): Keyring {
  const {
    key,
    decryptKeys,
    mount,
    name = `${mount}/${key}`,
    keyContext,
    user,
    ...settings
  } = takeOptions(options, readers);
  const { token, timeout } = settings;
  const engine = transitEngine({ ...settings, url: settings.url.href.replace(/\/$/, ''), mount });

  /** The token of the next call. */
  const tokenNow = async (signal: AbortSignal | undefined): Promise<string> => {
    if (typeof token === 'string') return usable(token);
    const late = () => unavailable(`its source took longer than ${timeout} ms`);
    try {
      return usable(await withTimeLimit(timeout, signal, late, async () => token()));
    } catch (cause) {
      signal?.throwIfAborted();
      throw isBullaError(cause) ? cause : unavailable('its source failed', cause);
    }
  };
  const keyOf = (keyId: string, transitKey: string): ProviderKey<string> => ({
    keyId,
    accepts: isTransitCiphertext,
    encrypt: (plaintext, { digest }, signal, use) => engine.encrypt(transitKey, use, plaintext, digest, signal),
    decrypt: (ciphertext, { digest }, signal, use) => engine.decrypt(transitKey, use, ciphertext, digest, signal),
  });
  const nameOf = digests();
  return providerKeyring({
    keys: heldKeys('transit', { name, own: key, others: decryptKeys, ownNameOf: (each) => `${mount}/${each}` }, keyOf),
    keyContext,
    user,
    credential: async (signal) => {
      const use = await tokenNow(signal);
      return { name: await nameOf(use), use };
    },
  });
}

function usable(given: unknown): string {
  const text = tokenText(given);
  if (text === '') throw unavailable('what its source gave is empty');
  return text;
}

/** Names of tokens that say nothing of them; the last one is remembered. */
function digests(): (token: string) => Awaitable<string> {
  let last: { readonly token: string; readonly name: Promise<string> } | undefined;
  return (token) => {
    if (last?.token !== token) last = { token, name: digest(token) };
    return last.name;
  };
}

async function digest(token: string): Promise<string> {
  const bytes: Bytes = await sha384(encodeUtf8(token, 'token'));
  return encodeBase64url(bytes);
}
