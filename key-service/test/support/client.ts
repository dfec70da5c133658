/** A client for tests, the example and the bench: raw HTTP, and every part of a request can be bent. */

import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, exportJWK, type JWK, SignJWT } from 'jose';

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const unb64 = (text: string): Buffer => Buffer.from(text, 'base64url');
const sha = (algorithm: string, data: Uint8Array | string): Buffer => createHash(algorithm).update(data).digest();
const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const lp = (bytes: Uint8Array): Buffer => Buffer.concat([u32(bytes.byteLength), bytes]);

/** `map(context)` */
export function encodeMap(context: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(context).map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const);
  pairs.sort(([a], [b]) => Buffer.compare(a, b));
  return Buffer.concat([u32(pairs.length), ...pairs.flatMap(([name, value]) => [lp(name), lp(value)])]);
}

function info(label: string, ...fields: Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(`${label}\0`), sha('sha384', Buffer.concat(fields.map(lp)))]);
}

function hkdf(ikm: Uint8Array, salt: Uint8Array, context: Uint8Array, length: number): Buffer {
  return Buffer.from(hkdfSync('sha384', ikm, salt, context, length));
}

/** A proof key. */
export interface ProofKey {
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
  readonly thumbprint: string;
}

export async function createProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  return { privateKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) };
}

/** What can be bent about a request. */
export interface Bend {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly proof?: string;
  readonly proofKey?: ProofKey;
  readonly baseUrl?: string;
  readonly rawBody?: string | Uint8Array;
  /** Sends the proof with another body, path or method than it is for. */
  readonly send?: { readonly method?: string; readonly path?: string; readonly body?: string };
  readonly noTransport?: boolean;
  readonly noRetry?: boolean;
}

/** An answer, its MAC checked where there is one. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every endpoint, looked into by tests
  readonly body: any;
  readonly raw: Buffer;
  /** `undefined` where there was none. */
  readonly macOk: boolean | undefined;
  readonly proof: string;
  openResult(index: number, context: Readonly<Record<string, string>>, wrapped: string): Buffer;
}

interface Discovery {
  readonly thumbprint: string;
  // biome-ignore lint/suspicious/noExplicitAny: the claims of the signed document
  readonly claims: any;
}

export class TestClient {
  readonly url: string;
  /** What proofs name, where it is not the address. */
  readonly externalUrl: string;
  readonly proofKey: ProofKey;
  readonly tenant: string;
  readonly fetch: typeof fetch;
  token: string | undefined;
  nonce: string | undefined;
  discovery: Discovery | undefined;
  readonly #ecdh = createECDH('secp384r1');
  #point: Buffer;
  #shared: Buffer | undefined;

  constructor(
    url: string,
    proofKey: ProofKey,
    tenant: string,
    fetchWith: typeof fetch = fetch,
    externalUrl: string = url,
  ) {
    this.url = url;
    this.externalUrl = externalUrl;
    this.proofKey = proofKey;
    this.tenant = tenant;
    this.fetch = fetchWith;
    this.#point = this.#ecdh.generateKeys();
  }

  /** §2.4 */
  async discover(pin?: string): Promise<Discovery> {
    const response = await this.fetch(`${this.url}/.well-known/bulla-key-service`);
    this.nonce = response.headers.get('dpop-nonce') ?? undefined;
    const { identity, document } = (await response.json()) as { identity: JWK; document: string };
    const thumbprint = await calculateJwkThumbprint(identity);
    if (pin !== undefined && thumbprint !== pin) throw new Error('The identity is not the pinned one');
    const { payload } = await compactVerify(document, { ...identity, alg: 'ES384' }, { algorithms: ['ES384'] });
    const claims = JSON.parse(Buffer.from(payload).toString());
    this.#shared = this.#ecdh.computeSecret(unb64(claims.transport_keys[0].key));
    this.discovery = { thumbprint, claims };
    return this.discovery;
  }

  /** A new session key pair, as a client makes every few minutes. */
  renewSession(): void {
    this.#point = this.#ecdh.generateKeys();
    if (this.discovery) this.#shared = this.#ecdh.computeSecret(unb64(this.discovery.claims.transport_keys[0].key));
  }

  /** §9.5 */
  async devLogin(user: string): Promise<void> {
    const reply = await this.call('POST', '/dev/token', { user }, { token: '', noTransport: true });
    if (reply.status !== 200) throw new Error(`No token: ${JSON.stringify(reply.body)}`);
    this.token = reply.body.access_token;
  }

  async makeProof(
    method: string,
    path: string,
    body: Uint8Array,
    bend: Bend = {},
  ): Promise<{ proof: string; requestId: string }> {
    const token = bend.token ?? this.token;
    const requestId = b64(randomBytes(16));
    const key = bend.proofKey ?? this.proofKey;
    const transport = bend.noTransport
      ? {}
      : { bulla_key: b64(this.#point), bulla_transport: this.discovery?.claims.transport_keys[0].kid };
    const claims: Record<string, unknown> = {
      jti: b64(randomBytes(16)),
      htm: method,
      htu: `${bend.baseUrl ?? this.externalUrl}${path.split('?')[0]}`,
      iat: Math.floor(Date.now() / 1000),
      ...(token ? { ath: b64(sha('sha256', token)) } : {}),
      nonce: this.nonce,
      bulla_body: b64(sha('sha256', body)),
      bulla_request: requestId,
      ...coveredHeaders(bend.headers),
      ...transport,
      ...bend.claims,
    };
    const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk, ...bend.header };
    const proof = await new SignJWT(claims).setProtectedHeader(header as { alg: string }).sign(key.privateKey);
    return { proof, requestId: String(claims['bulla_request']) };
  }

  /** One request; once more where the service asks for a newer nonce. */
  async call(method: string, path: string, json?: unknown, bend: Bend = {}): Promise<Reply> {
    if (!this.discovery) await this.discover();
    const reply = await this.#once(method, path, json, bend);
    if (reply.status === 401 && reply.body?.code === 'use-dpop-nonce' && !bend.noRetry && !bend.proof) {
      return this.#once(method, path, json, bend);
    }
    return reply;
  }

  async #once(method: string, path: string, json: unknown, bend: Bend): Promise<Reply> {
    const text = bend.rawBody ?? (json === undefined ? '' : JSON.stringify(json));
    const body = Buffer.from(text as string);
    const made = await this.makeProof(method, path, body, bend);
    const proof = bend.proof ?? made.proof;
    const token = bend.token ?? this.token;
    const sent = bend.send?.body === undefined ? body : Buffer.from(bend.send.body);
    const headers: Record<string, string> = { DPoP: proof, ...(token ? { Authorization: `DPoP ${token}` } : {}) };
    if (sent.byteLength > 0) headers['Content-Type'] = 'application/json';
    const response = await this.fetch(`${this.url}${bend.send?.path ?? path}`, {
      method: bend.send?.method ?? method,
      headers: { ...headers, ...bend.headers },
      ...(sent.byteLength > 0 ? { body: new Uint8Array(sent) } : {}),
    });
    const raw = Buffer.from(await response.arrayBuffer());
    this.nonce = response.headers.get('dpop-nonce') ?? this.nonce;
    return this.#reply(response, raw, path.split('?')[0] ?? path, made.requestId, body, proof);
  }

  #reply(response: Response, raw: Buffer, path: string, requestId: string, body: Buffer, proof: string): Reply {
    const { status, headers } = response;
    const fields = this.#fields(path, requestId);
    const responseFields = [...fields.slice(0, 5), sha('sha384', body), ...fields.slice(5)];
    const salt = unb64(headers.get('bulla-salt') ?? '');
    const mac = headers.get('bulla-mac');
    const shared = this.#shared ?? Buffer.alloc(0);
    let macOk: boolean | undefined;
    if (mac !== null) {
      const key = hkdf(shared, salt, info('bulla/v1 transport response mac', ...responseFields), 48);
      const u16 = Buffer.from([status >> 8, status & 255]);
      macOk = createHmac('sha384', key).update(u16).update(raw).digest().equals(unb64(mac));
    }
    const text = raw.toString();
    const parsed = headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
    return {
      status,
      headers,
      body: parsed,
      raw,
      macOk,
      proof,
      openResult(index, context, wrapped) {
        const result = parsed.results[index];
        const key = hkdf(shared, salt, info('bulla/v1 transport response seal', ...responseFields), 32);
        const identity = Buffer.concat([lp(Buffer.from(result.key_id)), u32(result.version)]);
        const aad = Buffer.concat([
          u32(index),
          identity,
          sha('sha384', encodeMap(context)),
          sha('sha384', unb64(wrapped)),
        ]);
        return openGcm(key, index, aad, unb64(result.sealed_key));
      },
    };
  }

  /** §4.5: seals data keys for `wrap` and import; gives the salt and what goes into the items. */
  sealForRequest(
    path: string,
    requestId: string,
    dataKeys: readonly { key: Uint8Array; context: Readonly<Record<string, string>> }[],
  ) {
    const salt = randomBytes(32);
    const label = info('bulla/v1 transport request seal', ...this.#fields(path, requestId));
    const key = hkdf(this.#shared ?? Buffer.alloc(0), salt, label, 32);
    const sealed = dataKeys.map(({ key: dataKey, context }, index) => {
      const cipher = createCipheriv('aes-256-gcm', key, Buffer.concat([Buffer.alloc(8), u32(index)]));
      cipher.setAAD(Buffer.concat([u32(index), sha('sha384', encodeMap(context))]));
      return b64(Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]));
    });
    return { salt: b64(salt), sealed };
  }

  #fields(path: string, requestId: string): Buffer[] {
    const strings = [this.tenant, path, requestId].map((text) => Buffer.from(text));
    const transport = this.discovery?.claims.transport_keys[0];
    return [...strings, this.#point, unb64(transport?.key ?? ''), Buffer.from(this.proofKey.thumbprint)];
  }
}

/** §3.3 */
function coveredHeaders(headers: Bend['headers'] = {}): Record<string, string> {
  const names = { 'if-match': 'bulla_if_match', 'idempotency-key': 'bulla_idempotency_key' };
  const given = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, claim]) => {
      const value = given.get(name);
      return value === undefined ? [] : [[claim, value]];
    }),
  );
}

function openGcm(key: Buffer, index: number, aad: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.concat([Buffer.alloc(8), u32(index)]));
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}
