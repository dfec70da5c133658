/** What a client knows of a service and keeps between requests: discovery, session, nonce, clock, proof key and token. */

import { KeyServiceError } from '../errors.ts';
import { concat } from '../lib/bytes.ts';
import { emit } from '../lib/events.ts';
import { untilAborted } from '../lib/single-flight.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { type JsonObject, parseObject } from './answer.ts';
import { ServiceClock } from './clock.ts';
import { Discovery } from './discovery.ts';
import { type HttpAnswer, send, withRetries } from './http.ts';
import type { ServiceDocument } from './identity.ts';
import type { KeyServiceClientOptions, Settings } from './options.ts';
import { answerError } from './problem.ts';
import { createProof, digest, generateProofKey, importProofKey, type ProofKey, randomId } from './proof.ts';
import { Sessions } from './session.ts';
import { type AccessToken, readToken, TokenCache, unavailable } from './token.ts';

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
  readonly #options: KeyServiceClientOptions;
  #proofKey: Promise<ProofKey> | undefined;
  /** §3.6: the newest that was seen. */
  #nonce: string | undefined;

  constructor(options: KeyServiceClientOptions, settings: Settings) {
    this.settings = settings;
    this.#options = options;
    this.clock = new ServiceClock(settings.now, settings.maxClockSkew);
    this.discovery = new Discovery(settings, this.clock, (answer) => this.learn(answer));
    this.sessions = new Sessions(settings.sessionLifetime, settings.now);
    this.renewsTokens = typeof options.token !== 'string';
    const asks = options.tokenSource !== undefined;
    this.tokens = asks ? new TokenCache((refused, signal) => this.#askSource(refused, signal)) : undefined;
  }

  /** The key that tokens are bound to. */
  proofKey(): Promise<ProofKey> {
    this.#proofKey ??= this.#makeProofKey();
    return this.#proofKey;
  }

  /** The access token for the next request. Rejects with `ERR_TOKEN_UNAVAILABLE`, whose cause is what the source rejected with, or with its own {@link KeyServiceError}. */
  async token(signal: AbortSignal | undefined): Promise<AccessToken> {
    if (this.tokens !== undefined) return this.tokens.get(this.clock.serviceTime(), signal);
    const { token } = this.#options;
    const given = asked(async () => (typeof token === 'function' ? token() : token));
    return readToken(await untilAborted(given, signal), this.settings);
  }

  /** The discovery document for who is not in the middle of a call, with the time limit and the repetitions of one. */
  async document(signal: AbortSignal | undefined): Promise<ServiceDocument> {
    signal?.throwIfAborted();
    return this.discovery.current ?? this.#patiently('connect', signal, (limited) => this.discovery.get(limited));
  }

  /** The same for the access token, since a source may ask the service or an issuer. */
  async caller(signal: AbortSignal | undefined): Promise<AccessToken> {
    signal?.throwIfAborted();
    if (this.tokens === undefined) return this.token(signal);
    const known = this.tokens.at(this.clock.serviceTime());
    return known ?? this.#patiently('token', signal, (limited) => this.token(limited));
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

  #patiently<Result>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { url, retry, timeout, onEvent } = this.settings;
    const onRetry = (count: number, { code }: KeyServiceError) =>
      emit(onEvent, { type: 'service-retry', operation, retry: count, error: code });
    return withRetries(url, { retry, timeout, signal, onRetry }, work);
  }

  async #makeProofKey(): Promise<ProofKey> {
    try {
      return await importProofKey(await (this.#options.dpop ?? generateProofKey()));
    } catch (error) {
      this.#proofKey = undefined;
      throw error;
    }
  }

  async #askSource(refused: string | undefined, signal: AbortSignal): Promise<AccessToken> {
    const { audience } = await this.discovery.get(signal);
    const key = await this.proofKey();
    const source = this.#options.tokenSource as NonNullable<KeyServiceClientOptions['tokenSource']>;
    const request = {
      proofKey: key.thumbprint,
      serviceUrl: this.settings.url,
      audience,
      time: this.clock.serviceTime(),
      createProof: (claims: Parameters<typeof createProof>[1]) => createProof(key, claims),
      callService: (path: string, type: string, body: string) => this.#callForToken(path, type, body, signal),
      fetch: this.settings.fetch,
      refused,
      signal,
    };
    return readToken(await asked(() => source(request), signal), this.settings);
  }

  /** §9.4, §9.5: without a token, so without a session; what comes back is bound to the proof key, and checked by the service when it is used. */
  async #callForToken(path: string, contentType: string, text: string, signal: AbortSignal): Promise<JsonObject> {
    const body = encodeUtf8(text, 'body');
    for (let attempt = 0; ; attempt++) {
      const claims = { bulla_body: await digest(concat(body)), bulla_request: await randomId() };
      const headers = { 'Content-Type': contentType, DPoP: await this.proof('POST', path, claims) };
      const request = { method: 'POST', url: this.settings.url + path, headers, body, signal, maxBytes: 65_536 };
      const answer = await send(this.settings.fetch, request);
      this.learn(answer);
      if (answer.status === 200) return parseObject(answer.body);
      const error = answerError(answer, undefined);
      // A new nonce and the time of the service have been learned by now; one repetition for each is enough.
      const again =
        error instanceof KeyServiceError && (error.problem === 'use-dpop-nonce' || error.check === 'proof-time');
      if (!again || attempt > 1) throw error;
    }
  }
}

async function asked(source: () => Promise<unknown>, signal?: AbortSignal): Promise<unknown> {
  try {
    return await source();
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    if (cause instanceof KeyServiceError) throw cause;
    throw unavailable('its source failed', cause);
  }
}
