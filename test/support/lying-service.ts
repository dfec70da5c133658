// A key service with an identity and keys of its own that speaks the protocol and lies: its answers are authentic, and wrong. What the real service never sends.

import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import type { Fetch } from '../../src/service.ts';

const encoder = new TextEncoder();
const { subtle } = globalThis.crypto;

/** What a lie makes of the truth. */
export interface Lies {
  /** Claims of the discovery document. */
  discovery?: (claims: Record<string, unknown>) => Record<string, unknown>;
  /** Claims of the document of a key. */
  document?: (claims: Record<string, unknown>) => Record<string, unknown>;
  /** The results of a request on data keys; `sealed` seals a data key for an index. */
  results?: (results: Result[], seal: (index: number) => Promise<string>) => unknown;
}

/** A result, as it would be true. */
export type Result = Record<string, unknown> & { sealed_key?: string };

export const lyingUrl = 'https://lying.example';
export const lyingKeyId = 'key-aaaaaaaaaaaaaaaaaaaaaaaaaa';

/** The service; `fetch` is how to reach it, and `lies` may be changed at any time. */
export async function lyingService(lies: Lies = {}): Promise<{ fetch: Fetch; pin: string; lies: Lies }> {
  const identity = await generateKeyPair('ES384', { extractable: true });
  const { kty, crv, x, y } = await exportJWK(identity.publicKey);
  const jwk = { kty, crv, x, y } as Record<string, string>;
  const pin = await calculateJwkThumbprint(jwk);
  const transport = (await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, true, [
    'deriveBits',
  ])) as CryptoKeyPair;
  const point = new Uint8Array(await subtle.exportKey('raw', transport.publicKey));
  const kid = await calculateJwkThumbprint(await subtle.exportKey('jwk', transport.publicKey));
  let serial = 1;

  const sign = (typ: string, claims: object) =>
    new CompactSign(encoder.encode(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'ES384', typ, kid: pin })
      .sign(identity.privateKey);
  const times = () => ({ iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 3_000 });
  const discovery = () => ({
    ...{ iss: lyingUrl, ...times(), serial: serial++, service_id: 'lying', audience: 'lying' },
    transport_keys: [{ kid, key: b64(point), exp: times().exp }],
    limits: { items: 1_000, body_bytes: 2 ** 22 },
  });
  const document = () => ({
    ...{ iss: lyingUrl, ...times(), serial: serial++, service_id: 'lying', tenant: 'north', key_id: lyingKeyId },
    ...{ newest_version: 1, floor: 1, keys: [{ version: 1, key: b64(point) }] },
  });

  const answer = async (path: string, init: RequestInit): Promise<Response> => {
    if (path.startsWith('/.well-known')) {
      const claims = { ...discovery(), ...lies.discovery?.(discovery()) };
      return Response.json({ identity: jwk, document: await sign('bulla-service+jwt', claims) });
    }
    const keys = await responseKeys(transport.privateKey, point, path, init);
    const body = path.endsWith('/public')
      ? { document: await sign('bulla-key+jwt', { ...document(), ...lies.document?.(document()) }) }
      : { results: await resultsOf(init, keys.seal) };
    const text = encoder.encode(JSON.stringify(body));
    return new Response(text, {
      headers: { 'Bulla-Salt': b64(keys.salt), 'Bulla-MAC': b64(await keys.mac(200, text)) },
    });
  };

  async function resultsOf(init: RequestInit, seal: Seal): Promise<unknown> {
    const { items } = JSON.parse(new TextDecoder().decode(init.body as Uint8Array)) as { items: Item[] };
    const sealFor = (i: number) => {
      const { wrapped_key: wrapped, version = 1, key_context: keyContext } = items[i] as Item;
      return seal(i, version, keyContext, unb64(wrapped ?? b64(wrappedKeyOf(i))));
    };
    const truth = await Promise.all(
      items.map(async ({ wrapped_key: wrapped, version = 1 }, i): Promise<Result> => {
        const result = { key_id: lyingKeyId, version, newest_version: 1, floor: 1, sealed_key: await sealFor(i) };
        return wrapped === undefined ? { ...result, wrapped_key: b64(wrappedKeyOf(i)) } : result;
      }),
    );
    return lies.results?.(truth, sealFor) ?? truth;
  }
  return { pin, lies, fetch: (url, init) => answer(url.slice(lyingUrl.length), init) };
}

/** A token that the lying service does not look at. */
export const lyingToken = `e30.${b64(encoder.encode(JSON.stringify({ iss: 'i', sub: 's', tenant: 'north' })))}.x`;

interface Item {
  readonly key: string;
  readonly version?: number;
  readonly key_context: Record<string, string>;
  readonly wrapped_key?: string;
}

type Seal = (
  index: number,
  version: number,
  keyContext: Record<string, string>,
  wrapped: Uint8Array,
) => Promise<string>;

const wrappedKeyOf = (i: number) => new Uint8Array(81).fill(i + 1);

/** docs/key-service.md §4.2 to §4.4, from the other side. */
async function responseKeys(privateKey: CryptoKey, point: Uint8Array, path: string, init: RequestInit) {
  const proof = (init.headers as Record<string, string>)['DPoP'] as string;
  const [head, claims] = proof
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(new TextDecoder().decode(unb64(part))));
  const clientPoint = unb64(claims.bulla_key);
  const clientKey = await subtle.importKey('raw', clientPoint, { name: 'ECDH', namedCurve: 'P-384' }, true, []);
  const agreed = await subtle.deriveBits({ name: 'ECDH', public: clientKey }, privateKey, 384);
  const secret = await subtle.importKey('raw', agreed, 'HKDF', false, ['deriveBits']);
  const salt = globalThis.crypto.getRandomValues(new Uint8Array(32));
  const body = (init.body ?? new Uint8Array(0)) as Uint8Array<ArrayBuffer>;
  const texts = ['north', path, claims.bulla_request as string].map((text) => encoder.encode(text));
  const thumbprint = encoder.encode(await calculateJwkThumbprint(head.jwk));
  const fields = [...texts, clientPoint, point, await digest(body), thumbprint];
  const fieldsDigest = await digest(join(...fields.flatMap((field) => [u32(field.byteLength), field])));
  const derive = async (label: string, length: number) => {
    const info = join(encoder.encode(label), Uint8Array.of(0), fieldsDigest);
    return subtle.deriveBits({ name: 'HKDF', hash: 'SHA-384', salt, info }, secret, length * 8);
  };
  const sealKey = await subtle.importKey(
    'raw',
    await derive('bulla/v1 transport response seal', 32),
    'AES-GCM',
    false,
    ['encrypt'],
  );
  const algorithm = { name: 'HMAC', hash: 'SHA-384' };
  const macKey = await subtle.importKey('raw', await derive('bulla/v1 transport response mac', 48), algorithm, false, [
    'sign',
  ]);
  const seal: Seal = async (index, version, keyContext, wrapped) => {
    const context = await digest(map(keyContext));
    const id = encoder.encode(lyingKeyId);
    const additionalData = join(u32(index), u32(id.byteLength), id, u32(version), context, await digest(wrapped));
    const iv = join(new Uint8Array(8), u32(index));
    return b64(
      new Uint8Array(
        await subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, sealKey, new Uint8Array(32).fill(9)),
      ),
    );
  };
  const mac = async (status: number, text: Uint8Array) =>
    new Uint8Array(await subtle.sign('HMAC', macKey, join(Uint8Array.of(status >> 8, status), text)));
  return { salt, seal, mac };
}

function map(pairs: Record<string, string>): Uint8Array {
  const entries = Object.entries(pairs).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = entries.flat().map((text) => encoder.encode(text));
  return join(u32(entries.length), ...parts.flatMap((part) => [u32(part.byteLength), part]));
}

async function digest(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await subtle.digest('SHA-384', bytes as Uint8Array<ArrayBuffer>));
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** base64url, by the platform. */
export function b64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function unb64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}
