/** What a client knows of a service and keeps between requests: discovery, session, nonce, clock, proof key and token. */

import { KeyServiceError } from '../errors.ts';
import { untilAborted } from '../lib/single-flight.ts';
import { withTimeLimit } from '../lib/time-limit.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { type JsonObject, parseObject } from './answer.ts';
import { ServiceClock } from './clock.ts';
import { Discovery } from './discovery.ts';
import { exchange, type HttpAnswer } from './http.ts';
import type { ServiceDocument } from './identity.ts';
import type { Settings } from './options.ts';
import { unauthenticatedError } from './problem.ts';
import { createProof, digest, generateProofKey, importProofKey, type ProofKey, randomId } from './proof.ts';
import { Sessions } from './session.ts';
import { type AccessToken, readToken, TokenCache, type TokenSource, unavailable } from './token.ts';

/** One service, seen by one client. */
export class Connection {
  readonly settings: Settings;
  readonly clock: ServiceClock;
  readonly discovery: Discovery;
  readonly sessions: Sessions;
  /** Tokens of a `tokenSource`; `undefined` where a `token` was given, which is its own cache. */
  readonly tokens: TokenCache | undefined;
  /** Whether asking for a token again may give another one. */
  readonly renewsTokens: boolean;
  #proofKey: Promise<ProofKey> | undefined;
  #credential: { readonly token: string; readonly name: Promise<string> } | undefined;
  /** §3.6: the newest that was seen. */
  #nonce: string | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    this.clock = new ServiceClock(settings.now, settings.maxClockSkew);
    this.discovery = new Discovery(settings, this.clock, (answer) => this.learn(answer));
    this.sessions = new Sessions(settings.sessionLifetime, settings.now);
    this.renewsTokens = typeof settings.token !== 'string';
    const asks = settings.tokenSource !== undefined;
    this.tokens = asks ? new TokenCache((refused, signal) => this.#askSource(refused, signal)) : undefined;
  }

  /** The key that tokens are bound to. */
  proofKey(): Promise<ProofKey> {
    this.#proofKey ??= this.#makeProofKey();
    return this.#proofKey;
  }

  /**
   * The access token for the next request. Rejects with `ERR_TOKEN_UNAVAILABLE`, whose cause is what the source rejected with, with its own {@link KeyServiceError}, and with
   * `ERR_TOKEN_EXPIRED` for a token that has expired by every clock.
   */
  async token(signal: AbortSignal | undefined): Promise<AccessToken> {
    const token = await (this.tokens?.get(this.clock.serviceTime(), signal) ?? this.#givenToken(signal));
    if (this.clock.documentTimes().some((time) => time < token.expires + leeway)) return token;
    throw new KeyServiceError('ERR_TOKEN_EXPIRED', 'The access token has expired (by the clock of this device)');
  }

  /** Names a token with the proof key, as nobody can who does not hold both. */
  async credential({ text }: AccessToken): Promise<string> {
    const known = this.#credential;
    if (known?.token === text) return known.name;
    const name = this.proofKey().then(({ thumbprint }) => digest(encodeUtf8(`${thumbprint} ${text}`, 'token')));
    this.#credential = { token: text, name };
    return name;
  }

  /** The discovery document. */
  async document(signal: AbortSignal | undefined): Promise<ServiceDocument> {
    return this.discovery.get(signal);
  }

  /** Takes note of what every answer tells: the nonce (§3.6) and the time. */
  learn({ headers }: HttpAnswer): void {
    this.#nonce = headers.get('DPoP-Nonce') ?? this.#nonce;
    this.clock.learn(headers.get('Date'));
  }

  /** A proof for a path of the service, with the newest nonce. */
  async proof(method: string, path: string, claims: Record<string, string>, accessToken?: string): Promise<string> {
    const url = this.settings.url + (path.split('?')[0] as string);
    const time = this.clock.serviceTime();
    return createProof(await this.proofKey(), { method, url, time, nonce: this.#nonce, accessToken, claims });
  }

  async #makeProofKey(): Promise<ProofKey> {
    try {
      const { dpop } = this.settings;
      const key = dpop === undefined ? generateProofKey() : this.#waitFor('the proof key', undefined, async () => dpop);
      return await importProofKey(await key);
    } catch (error) {
      this.#proofKey = undefined;
      throw error;
    }
  }

  async #givenToken(signal: AbortSignal | undefined): Promise<AccessToken> {
    const { token } = this.settings;
    const given = typeof token === 'function' ? await this.#ask(async () => token(), signal) : token;
    return readToken(given, this.settings);
  }

  async #askSource(refused: string | undefined, signal: AbortSignal): Promise<AccessToken> {
    const { audience } = await this.discovery.get(signal);
    const key = await untilAborted(this.proofKey(), signal);
    const source = this.settings.tokenSource as TokenSource;
    const { url: serviceUrl, fetch, retry, timeout, onEvent } = this.settings;
    const given = await this.#ask((limited) => {
      const http = { fetch, retry, timeout, onEvent };
      const about = { proofKey: key.thumbprint, serviceUrl, audience, time: this.clock.serviceTime() };
      const createOne = (claims: Parameters<typeof createProof>[1]) => createProof(key, claims);
      const callService = (path: string, type: string, body: string) => this.#callForToken(path, type, body, limited);
      return source({ ...about, fetch, http, refused, callService, createProof: createOne, signal: limited });
    }, signal);
    return readToken(given, this.settings);
  }

  async #ask(source: (signal: AbortSignal) => Promise<unknown>, signal: AbortSignal | undefined): Promise<unknown> {
    try {
      return await this.#waitFor('its source', signal, source);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof KeyServiceError) throw cause;
      throw unavailable('its source failed', cause);
    }
  }

  /** What applications give may take as long as a sign-in does, and not for ever. */
  #waitFor<Result>(what: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<Result>) {
    const { tokenTimeout } = this.settings;
    return withTimeLimit(tokenTimeout, signal, () => unavailable(`${what} took longer than ${tokenTimeout} ms`), work);
  }

  /** §9.4, §9.5: without a token, so without a session; what comes back is bound to the proof key, and checked by the service when it is used. */
  async #callForToken(path: string, type: string, text: string, signal: AbortSignal): Promise<JsonObject> {
    const body = encodeUtf8(text, 'body');
    for (let attempt = 0; ; attempt++) {
      const outcome = await exchange<JsonObject | KeyServiceError>(this.settings, {
        ...{ operation: 'token', method: 'POST', url: this.settings.url + path, maxBytes: 65_536, signal },
        prepare: async () => {
          const claims = { bulla_body: await digest(body), bulla_request: await randomId() };
          return { headers: { 'Content-Type': type, DPoP: await this.proof('POST', path, claims) }, body };
        },
        read: async (answer) => {
          this.learn(answer);
          if (answer.status === 200) return parseObject(answer.body);
          const error = unauthenticatedError(answer);
          if (answer.status === 401) return error;
          throw error;
        },
      });
      if (!(outcome instanceof KeyServiceError)) return outcome;
      // A new nonce and the time of the service have been learned by now; one repetition for each is enough.
      const again = outcome.problem === 'use-dpop-nonce' || outcome.check === 'proof-time';
      if (!again || attempt > 1) throw outcome;
    }
  }
}

/** Seconds for which a token that has expired by the clock of this device may still be taken by the service. */
const leeway = 60;
