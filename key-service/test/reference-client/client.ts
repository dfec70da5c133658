// A client of the key service, written from docs/key-service.md alone, with node:crypto and fetch; imports nothing from either `src/`.

import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createHmac, diffieHellman, generateKeyPairSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Checkpoint, isContinued, isIncluded, leafHash, logOf, openCheckpoint } from './audit.ts';
import type { Discovery, Item, ProblemDocument, PublicKeyDocument, Result } from './documents.ts';
import type { KeyContext } from './encodings.ts';
import {
  b64,
  concat,
  derive,
  hash,
  lp,
  map,
  open,
  pointOf,
  publicKeyOf,
  seal,
  signJws,
  thumbprint,
  u16,
  u32,
  unb64,
  utf8,
  verifyDocument,
} from './encodings.ts';

const label = (what: string) => `bulla/v1 transport ${what}`;
const newKeyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-384' });
const agree = (own: KeyObject, point: Uint8Array) => diffieHellman({ privateKey: own, publicKey: publicKeyOf(point) });

/** A request that the service refused. `authenticated` says whether its MAC was verified (§4.3). */
export class Refused extends Error {
  readonly problem: ProblemDocument;
  readonly headers: Headers;
  readonly authenticated: boolean;
  constructor(problem: ProblemDocument, headers: Headers, authenticated: boolean) {
    super(`${problem.status} ${problem.code} ${problem.check ?? ''} ${problem.detail ?? ''}`);
    [this.problem, this.headers, this.authenticated] = [problem, headers, authenticated];
  }
}

/** An answer that nobody need believe: a MAC that is missing or wrong (§4.3). */
export class Unauthenticated extends Error {}

/** What both sides have agreed on for a few minutes (§4.1). */
interface Session {
  readonly until: number;
  readonly document: Discovery;
  readonly own: Buffer;
  readonly transport: { kid: string; key: Buffer };
  readonly z: Buffer;
}

/** One request: its id and its session, for what is sealed into its body (§4.5). */
interface Request {
  readonly id: string;
  readonly path: string;
  readonly session: Session;
}

type Body = object | undefined | ((request: Request) => object);

/** The log of the tenant, or the service's own. */
export type Log = '' | '/service';

export interface ClientOptions {
  /** The external URL, and where it is reached if elsewhere. */
  readonly url: string;
  readonly via?: string;
  /** The thumbprint of the identity (§2.1). */
  readonly pin: string;
  readonly tenant: string;
  /** Obtains an access token that is bound to the proof key of this client. */
  readonly token: (client: Client) => Promise<string>;
}

export class Client {
  readonly options: ClientOptions;
  readonly proofKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly jwk = this.proofKey.publicKey.export({ format: 'jwk' });
  readonly jkt = thumbprint(this.jwk);
  nonce: string | undefined;
  identity: JsonWebKey = {};
  #token: string | undefined;
  #serial = 0;
  #session: Session | undefined;

  constructor(options: ClientOptions) {
    if (!options.pin) throw new Error('a client without a pinned thumbprint refuses to work (§2.1)');
    const { protocol, hostname } = new URL(options.url);
    if (protocol !== 'https:' && !/^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(hostname))
      throw new Error('plain HTTP is for loopback alone (§1.1)');
    this.options = options;
  }

  /** Fetches and checks the discovery document (§2.4). */
  async discover(): Promise<Discovery> {
    const response = await this.fetch('GET', '/.well-known/bulla-key-service');
    const { identity, document } = JSON.parse((await bytesOf(response)).toString());
    if (thumbprint(identity) !== this.options.pin) throw new Error('another identity than the pinned one');
    const claims = verifyDocument<Discovery>(document, 'bulla-service+jwt', identity, this.options.url);
    if (claims.serial < this.#serial) throw new Error('an older discovery document');
    this.#serial = claims.serial;
    this.identity = identity;
    return claims;
  }

  /** The session, renewed after five minutes or shortly before the document ends. */
  async session(): Promise<Session> {
    if (this.#session && this.#session.until > Date.now()) return this.#session;
    const document = await this.discover();
    const { kid, key = '' } = document.transport_keys[0] ?? { kid: '' };
    const [own, point] = [newKeyPair(), unb64(key)];
    const until = Math.min(Date.now() + 300_000, document.exp * 1000 - 30_000);
    const z = agree(own.privateKey, point);
    this.#session = { until, document, own: pointOf(own.publicKey), transport: { kid, key: point }, z };
    return this.#session;
  }

  /** A proof (§3.3); `claims` adds to or replaces what stands in every one. */
  prove(method: string, path: string, body: Uint8Array, claims: object): string {
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.jwk };
    const [jti, htu] = [b64(randomBytes(24)), this.options.url + path.replace(/\?.*/, '')];
    const iat = Math.floor(Date.now() / 1000);
    const all = { jti, htm: method, htu, iat, nonce: this.nonce, bulla_body: b64(hash('sha256', body)), ...claims };
    return signJws(header, all, this.proofKey.privateKey);
  }

  /** Sends one HTTP request and keeps the nonce of its answer (§3.6). */
  async fetch(method: string, path: string, init: { headers?: Record<string, string>; body?: Uint8Array } = {}) {
    const url = (this.options.via ?? this.options.url) + path;
    const { headers = {}, body } = init;
    const response = await fetch(url, { method, headers, ...(body && { body: new Uint8Array(body) }) });
    this.nonce = response.headers.get('dpop-nonce') ?? this.nonce;
    return response;
  }

  /** Obtains a token with a proof that has no `ath` (§9.4, §9.5). */
  async obtainToken(path: string, contentType: string, text: string): Promise<string> {
    if (!this.nonce) await this.discover();
    const body = utf8(text);
    const proof = this.prove('POST', path, body, { bulla_request: b64(randomBytes(16)) });
    const response = await this.fetch('POST', path, { headers: { dpop: proof, 'content-type': contentType }, body });
    const answer = JSON.parse((await bytesOf(response)).toString());
    if (!response.ok) throw new Refused(answer, response.headers, false);
    return answer.access_token;
  }

  /** An authenticated request (§3, §4.3); repeated once for a nonce, a transport key and a token that has gone old. */
  async call<Answer>(method: string, path: string, body?: Body, headers: Record<string, string> = {}): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt<Answer>(method, path, body, headers);
      } catch (error) {
        const { code = '', check = '' } = error instanceof Refused ? error.problem : {};
        const worthwhile = code === 'use-dpop-nonce' || check === 'transport-key' || check === 'token-expired';
        if (attempt === 2 || !worthwhile) throw error;
        if (check === 'transport-key') this.#session = undefined;
        if (check === 'token-expired') this.#token = undefined;
      }
    }
  }

  async #attempt<Answer>(method: string, path: string, make: Body, more: Record<string, string>): Promise<Answer> {
    const session = await this.session();
    this.#token ??= await this.options.token(this);
    const request: Request = { id: b64(randomBytes(18)), path, session };
    const made = typeof make === 'function' ? make(request) : make;
    const body = made === undefined ? Buffer.alloc(0) : utf8(JSON.stringify(made));
    const proof = this.prove(method, path, body, {
      ath: b64(hash('sha256', utf8(this.#token))),
      bulla_request: request.id,
      bulla_key: b64(session.own),
      bulla_transport: session.transport.kid,
      ...(more['if-match'] !== undefined && { bulla_if_match: more['if-match'] }),
      ...(more['idempotency-key'] !== undefined && { bulla_idempotency_key: more['idempotency-key'] }),
    });
    const headers = { authorization: `DPoP ${this.#token}`, dpop: proof, 'content-type': 'application/json', ...more };
    const response = await this.fetch(method, path, { headers, ...(made !== undefined && { body }) });
    const answer = await bytesOf(response);
    const sealKey = this.#verify(request, body, response, answer);
    const value = answer.length === 0 ? undefined : JSON.parse(answer.toString());
    if (!response.ok) throw new Refused(value, response.headers, sealKey !== undefined);
    if (sealKey && value.results) return { ...value, sealKey };
    return value;
  }

  /** Verifies the MAC of a response (§4.3) and answers the seal key (§4.2); without a MAC only a failure is taken note of. */
  #verify({ id, path, session }: Request, body: Buffer, response: Response, answer: Buffer): Buffer | undefined {
    const [salt, mac] = ['bulla-salt', 'bulla-mac'].map((name) => unb64(response.headers.get(name) ?? ''));
    if (!salt?.length || !mac?.length) {
      if ([400, 401, 413, 429, 503].includes(response.status)) return undefined;
      throw new Unauthenticated(`a response ${response.status} without a MAC`);
    }
    const [operation, bodyHash] = [path.replace(/\?.*/, ''), hash('sha384', body)];
    const parties = [session.own, session.transport.key, bodyHash, this.jkt];
    const fields = [this.options.tenant, operation, id, ...parties];
    const key = derive(session.z, salt, label('response mac'), fields, 48);
    const expected = createHmac('sha384', key).update(u16(response.status)).update(answer).digest();
    if (mac.length !== 48 || !timingSafeEqual(mac, expected)) throw new Unauthenticated('a wrong MAC');
    return derive(session.z, salt, label('response seal'), fields, 32);
  }

  /** The body of a request with data keys in it: `salt`, and what seals the data key `i` with its key context (§4.5). */
  sealer({ id, path, session }: Request): {
    salt: string;
    seal: (i: number, context: KeyContext, dataKey: Uint8Array) => string;
  } {
    const salt = randomBytes(32);
    const fields = [this.options.tenant, path, id, session.own, session.transport.key, this.jkt];
    const key = derive(session.z, salt, label('request seal'), fields, 32);
    const sealItem = (i: number, context: KeyContext, dataKey: Uint8Array) =>
      b64(seal(key, i, concat(u32(i), hash('sha384', map(context))), dataKey));
    return { salt: b64(salt), seal: sealItem };
  }

  /** A call on the data plane (§6): with `key` for all items, or each item with its own. */
  async dataPlane(operation: string, items: readonly Item[], key?: string): Promise<Result[]> {
    const path = key === undefined ? `/v1/data-keys/${operation}` : `/v1/keys/${key}/${operation}`;
    const body = (request: Request) => {
      if (operation !== 'wrap') return { items };
      const sealer = this.sealer(request);
      const sealed = items.map(({ data_key = Buffer.alloc(0), ...item }, i) => {
        return { ...item, sealed_key: sealer.seal(i, item.key_context ?? {}, data_key) };
      });
      return { salt: sealer.salt, items: sealed };
    };
    const { results, sealKey } = await this.call<{ results: Result[]; sealKey: Buffer }>('POST', path, body);
    if (results.length !== items.length) throw new Unauthenticated('not one result for each item');
    return results.map((result, i) => {
      if (result.sealed_key === undefined) return result;
      const wrapped = unb64(operation === 'unwrap' ? (items[i]?.wrapped_key ?? '') : result.wrapped_key);
      const context = hash('sha384', map(items[i]?.key_context ?? {}));
      const aad = concat(u32(i), lp(result.key_id), u32(result.version), context, hash('sha384', wrapped));
      return { ...result, data_key: open(sealKey, i, aad, unb64(result.sealed_key)) };
    });
  }

  /** Imports key material as the first version of a new key (§4.5, §7.2). */
  importKey<Key>(fields: object, material: Uint8Array): Promise<Key> {
    return this.call<Key>('POST', '/v1/keys/import', (request: Request) => {
      const sealer = this.sealer(request);
      return { ...fields, salt: sealer.salt, sealed_key: sealer.seal(0, {}, material) };
    });
  }

  /** The signed public key of a key (§7.5). */
  async publicKey(key: string): Promise<PublicKeyDocument> {
    const { document } = await this.call<{ document: string }>('GET', `/v1/keys/${key}/public`);
    return verifyDocument<PublicKeyDocument>(document, 'bulla-key+jwt', this.identity, this.options.url);
  }

  /** The newest checkpoint, with a verified signature (§8.3). */
  async checkpoint(log: Log = ''): Promise<Checkpoint> {
    const { checkpoint } = await this.call<{ checkpoint: string }>('GET', `/v1/audit${log}/checkpoint`);
    const { audit } = (await this.session()).document;
    return openCheckpoint(checkpoint, log === '' ? logOf(audit, this.options.tenant) : audit);
  }

  /** Verifies that `newer` continues `older` (§8.4). */
  async verifyConsistency(older: Checkpoint, newer: Checkpoint, log: Log = ''): Promise<boolean> {
    const path = `/v1/audit${log}/consistency/${older.size}/${newer.size}`;
    return isContinued(older, newer, (await this.call<{ proof: string[] }>('GET', path)).proof.map(unb64));
  }

  /** Verifies that `leaf` is the entry `index` of the tree (§8.4). */
  async verifyInclusion(leaf: Uint8Array, index: number, tree: Checkpoint, log: Log = ''): Promise<boolean> {
    const path = `/v1/audit${log}/inclusion/${index}/${tree.size}`;
    return isIncluded(leaf, index, tree, (await this.call<{ proof: string[] }>('GET', path)).proof.map(unb64));
  }

  /** What the service's own log says of the tenant's (§8.7), up to a checkpoint of the service's: the head that it has published. */
  async published(service: Checkpoint): Promise<Checkpoint> {
    type Answer = { leaf: number; entry: string; slot: number; slots: number; head: string; proof: string[] };
    const answer = await this.call<Answer>('GET', '/v1/audit/published');
    const [entry, head] = [unb64(answer.entry), unb64(answer.head)];
    if (!(await this.verifyInclusion(leafHash(entry), answer.leaf, service, '/service'))) throw new Error('no leaf');
    const { operation, change } = JSON.parse(entry.toString());
    if (operation !== 'publish' || change.tenants !== answer.slots) throw new Error('not a publication');
    const slots = { size: answer.slots, root: unb64(change.root) };
    if (!isIncluded(leafHash(head), answer.slot, slots, answer.proof.map(unb64)))
      throw new Error('not in the publication');
    const { tenant, size, root } = JSON.parse(head.toString());
    if (tenant !== this.options.tenant) throw new Error('the head of another tenant');
    return { size, root: unb64(root) };
  }

  /** The entries of the log in a range (§8.4): each with its hash, and its bytes where the caller may see them. */
  async entries(
    from: number,
    to: number,
    log: Log = '',
  ): Promise<{ index: number; leaf: Buffer; entry: Buffer | undefined }[]> {
    const path = `/v1/audit${log}/entries/${from}/${to}`;
    type Entries = { entries: { index: number; leaf_hash: string; entry?: string }[] };
    return (await this.call<Entries>('GET', path)).entries.map(({ index, leaf_hash, entry }) => {
      const [leaf, bytes] = [unb64(leaf_hash), entry === undefined ? undefined : unb64(entry)];
      if (bytes && !leafHash(bytes).equals(leaf)) throw new Error('an entry that is not its leaf');
      return { index, leaf, entry: bytes };
    });
  }
}

/** Wraps a data key to a published public key without the service (format.md §8.2); answers what `unwrap` takes (§5.4). */
export function wrapOffline(document: PublicKeyDocument, context: KeyContext, dataKey: Uint8Array): Item {
  const { service_id, key_id, keys } = document;
  const newest = keys.find(({ version }) => version === document.newest_version);
  if (!newest) throw new Error('no public key of the newest version');
  const [recipient, ephemeral] = [unb64(newest.key), newKeyPair()];
  const parts = ['service-ecdh', u16(1), service_id, key_id, u32(newest.version), map(context)];
  const binding = concat(...parts.map(lp));
  const point = pointOf(ephemeral.publicKey);
  const z = agree(ephemeral.privateKey, recipient);
  const key = derive(z, Buffer.alloc(0), 'bulla/v1 service-ecdh', [point, recipient, binding], 32);
  const wrapped_key = b64(concat(point, seal(key, 0, binding, dataKey)));
  return { key: key_id, version: newest.version, method: 'service-ecdh', key_context: context, wrapped_key };
}

const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
