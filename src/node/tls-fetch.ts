/** A `fetch` for Node that decides itself whom it talks to: TLS 1.3 at least, certificate authorities of one's own, pinned public keys. */

import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import type { Agent, buildConnector } from 'undici';
import { isBullaError, KeyServiceError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { isBytes } from '../lib/bytes.ts';
import { arrayOf, integer, nested, oneOf, optional, type Taken, takeBytes, takeOptions } from '../lib/options.ts';
import type { Bytes } from '../types.ts';

/** Options of {@link tlsFetch}. */
export interface TlsFetchOptions {
  /** Certificates of the authorities that are believed, as PEM, instead of Node's own. Default: Node's. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /**
   * SHA-256 of public keys (SubjectPublicKeyInfo, RFC 5280 §4.1) in base64 or base64url, one of which the server's own certificate must have, besides being valid for an authority and the host. Give the pin
   * of a spare key too: a server whose only pinned key is lost cannot be reached any more. Default: none, any valid certificate.
   */
  readonly pins?: readonly string[] | undefined;
  /** The lowest version of TLS that is spoken. Default: `TLSv1.3`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /** The client's own certificate and key as PEM, for servers that ask for one. Default: none. */
  readonly clientCertificate?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array } | undefined;
  /** Milliseconds until a connection must stand. Default: 10,000. */
  readonly connectTimeout?: number | undefined;
}

/** A `fetch` with connections of its own. */
export interface TlsFetch {
  (input: string | URL, init?: RequestInit): Promise<Response>;
  /** Waits for what is under way and closes the connections. */
  close(): Promise<void>;
}

const readers = {
  // Node believes its own authorities where it finds no certificate here.
  ca: optional((value, name) => (Array.isArray(value) ? arrayOf(takeAuthorities, 1) : takeAuthorities)(value, name)),
  // No pins at all would be a mistake in building the list, and must not mean that any key will do.
  pins: optional(arrayOf(takePin, 1)),
  minVersion: optional(oneOf('TLSv1.2', 'TLSv1.3'), 'TLSv1.3'),
  clientCertificate: optional(nested({ cert: takePem, key: takePem })),
  connectTimeout: optional(integer(1, 600_000), 10_000),
} satisfies Record<keyof TlsFetchOptions, unknown>;

function takePem(value: unknown, name: string): string | Bytes {
  if (typeof value === 'string') return value;
  assert(isBytes(value), name, 'PEM, as text or bytes');
  return takeBytes(value, name);
}

function takeAuthorities(value: unknown, name: string): string | Bytes {
  const pem = takePem(value, name);
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  const isPem = /-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/.test(text);
  assert(isPem, name, 'PEM with at least one certificate');
  return pem;
}

function takePin(value: unknown, name: string): Buffer {
  const isDigest = typeof value === 'string' && /^[\w+/-]{43}=?$/.test(value);
  assert(isDigest, name, 'a SHA-256 digest in base64 or base64url, of 43 characters');
  return Buffer.from(value, 'base64');
}

/**
 * Makes a `fetch` for `createKeyServiceClient` and others. It is Node's own, over an agent of the package `undici`, an optional peer that is loaded at the first call.
 *
 * It rejects with `ERR_SERVICE_IDENTITY` for a certificate without a pinned key, which a client does not repeat, and as `fetch` does with a `TypeError` whose cause says why: another authority,
 * another host, an older TLS, no TLS at all (`http:`, also after a redirect). Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const fetch = tlsFetch({ ca: readFileSync('company-ca.pem'), pins: ['nr6W…', 'c2Vj…'] });
 * const client = createKeyServiceClient({ url: 'https://keys.example', pin, tokenSource, fetch });
 */
export function tlsFetch(options: TlsFetchOptions = {}): TlsFetch {
  const settings = takeOptions(options, readers);
  let agent: Promise<Agent> | undefined;
  const call = async (input: string | URL, init: RequestInit = {}): Promise<Response> => {
    agent ??= createAgent(settings);
    try {
      // Of undici's own fetch ky cannot pass on a Request; the dispatcher is all that is taken from it.
      return await globalThis.fetch(input, { ...init, dispatcher: await agent } as RequestInit);
    } catch (error) {
      throw pinFailure(error) ?? error;
    }
  };
  return Object.assign(call, {
    async close() {
      const current = await agent;
      agent = undefined;
      await current?.close();
    },
  });
}

async function createAgent(settings: Taken<typeof readers>): Promise<Agent> {
  const { ca, pins, clientCertificate: own, minVersion, connectTimeout } = settings;
  const undici = await import('undici').catch((cause: unknown) => {
    throw new Error('tlsFetch needs the package undici, an optional peer of bulla: install it', { cause });
  });
  const connector = undici.buildConnector({
    ...(ca === undefined ? {} : { ca: ca as string }),
    ...(own === undefined ? {} : { cert: own.cert as string, key: own.key as string }),
    minVersion,
    timeout: connectTimeout,
    rejectUnauthorized: true,
    // A resumed session is one whose certificate is not looked at again.
    maxCachedSessions: 0,
    ...(pins === undefined ? {} : { checkServerIdentity: pinnedIdentity(pins) }),
  } as buildConnector.BuildOptions);
  return new undici.Agent({
    connect(target, callback) {
      if (target.protocol === 'https:') return connector(target, callback);
      callback(new Error(`tlsFetch speaks https: alone, not ${target.protocol}`), null);
    },
  });
}

/** Asked by Node after the chain was verified. The server's own certificate alone counts: what else it sends is not all part of what was verified. */
function pinnedIdentity(pins: readonly Buffer[]) {
  return (host: string, certificate: DetailedPeerCertificate): Error | undefined => {
    const wrong = checkServerIdentity(host, certificate);
    if (wrong !== undefined) return wrong;
    const { publicKey } = new X509Certificate(certificate.raw);
    const digest = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest();
    if (pins.some((pin) => timingSafeEqual(pin, digest))) return undefined;
    return new KeyServiceError('ERR_SERVICE_IDENTITY', 'The certificate of the server has none of the pinned keys');
  };
}

/** The error of a failed pin among the causes of what `fetch` rejected with. */
function pinFailure(error: unknown): KeyServiceError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isBullaError(cause) && cause.name === 'KeyServiceError') return cause;
  }
  return undefined;
}
