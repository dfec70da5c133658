/** One authenticated call: token, proof, session and body go out; what comes back is believed when its MAC is that of the service. `docs/key-service.md` §3, §4. */

import { sha384 } from '../crypto/digest.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { isBullaError, type KeyServiceError } from '../errors.ts';
import { decodeBase64url, encodeBase64url } from '../lib/base64url.ts';
import { emit } from '../lib/events.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { responseKeys, type TransportFields } from '../schedule/transport-keys.ts';
import type { Bytes } from '../types.ts';
import { badAnswer, type JsonObject, parseObject } from './answer.ts';
import type { Connection } from './connection.ts';
import { exchange, type HttpAnswer, type Prepared } from './http.ts';
import type { ServiceDocument } from './identity.ts';
import { answerError, unauthenticatedError } from './problem.ts';
import { digest, randomId } from './proof.ts';
import type { Session } from './session.ts';
import type { AccessToken } from './token.ts';

/** What to call. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** From `/v1/` on. */
  readonly path: string;
  /** The body, made for each attempt, because what is sealed in it is bound to the request. Default: none. */
  readonly body?: ((sealing: RequestSealing) => Promise<unknown>) | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How many data keys it is about, for events. Default: 0. */
  readonly items?: number | undefined;
  /** Is told of an authentic refusal, and of no other. */
  readonly onRefusal?: ((error: Error) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a body needs to seal data keys (§4.5). */
export interface RequestSealing {
  readonly agreed: Session['agreed'];
  readonly fields: TransportFields;
}

/** An authentic answer. */
export interface CallResult {
  readonly body: JsonObject;
  readonly sealKey: () => Promise<AeadKey>;
  readonly requestId: string;
  readonly headers: Headers;
}

/** What is counted over the attempts of a call. */
interface Progress {
  attempts: number;
  status: number | undefined;
  requestId: string | undefined;
}

/** Makes a call, and repeats it where that helps. Rejects with a {@link KeyServiceError}, or the reason of the signal. */
export async function call(connection: Connection, request: Call): Promise<CallResult> {
  const { settings } = connection;
  const operation = `${request.method} ${request.path}`;
  const progress: Progress = { attempts: 0, status: undefined, requestId: undefined };
  const begun = performance.now();
  let error: string | undefined;
  try {
    return await untilTaken(connection, request, operation, progress);
  } catch (failure) {
    error = isBullaError(failure) ? failure.code : request.signal?.aborted ? 'aborted' : 'unknown';
    throw failure;
  } finally {
    const milliseconds = performance.now() - begun;
    const items = request.items ?? 0;
    emit(settings.onEvent, { type: 'service-call', operation, items, ...progress, milliseconds, error });
  }
}

/** What a refused proof or token asks for; each is done once, so that a service that keeps asking is not obeyed for ever. */
type Remedy = 'nonce' | 'time' | 'transport' | 'token' | 'replay';

/** A 401 carries no MAC: whatever it says, it leads to another attempt or to an error, and to nothing else. */
async function untilTaken(
  connection: Connection,
  request: Call,
  operation: string,
  progress: Progress,
): Promise<CallResult> {
  const { settings } = connection;
  const { method, path, signal } = request;
  const tried = new Set<Remedy>();
  let stale: ServiceDocument | undefined;
  let sent: Sent | undefined;
  let retries = 0;
  for (;;) {
    const { limit = 3 } = settings.retry;
    const outcome = await exchange<CallResult | KeyServiceError>(
      { ...settings, retry: { ...settings.retry, limit: Math.max(0, limit - retries) } },
      {
        ...{ operation, method, url: settings.url + path, signal, maxBytes: settings.maxResponseBytes },
        async prepare() {
          if (sent !== undefined) retries++;
          sent = await sign(connection, request, stale, signal);
          progress.attempts++;
          progress.requestId = sent.requestId;
          return sent.prepared;
        },
        async read(answer) {
          connection.learn(answer);
          progress.status = answer.status;
          const { requestId } = sent as Sent;
          if (answer.status === 401) return unauthenticatedError(answer, requestId);
          return believed(answer, sent as Sent, request, settings.url);
        },
      },
    );
    if (!isBullaError(outcome)) return outcome;
    const remedy = remedyOf(outcome, connection);
    if (remedy === undefined || tried.has(remedy)) throw outcome;
    tried.add(remedy);
    if (remedy === 'transport') stale = sent?.document;
    if (remedy === 'token' && sent !== undefined) connection.tokens?.refuse(sent.token);
    sent = undefined;
  }
}

function remedyOf({ problem, check, code }: KeyServiceError, { renewsTokens }: Connection): Remedy | undefined {
  if (problem === 'use-dpop-nonce') return 'nonce';
  if (check === 'transport-key') return 'transport';
  if (check === 'proof-time') return 'time';
  if (check === 'proof-replayed') return 'replay';
  const renewable = code === 'ERR_TOKEN_EXPIRED' || code === 'ERR_TOKEN_REFUSED';
  return renewable && renewsTokens ? 'token' : undefined;
}

/** What was sent in an attempt, and what its answer must fit. */
interface Sent {
  readonly prepared: Prepared;
  readonly document: ServiceDocument;
  readonly token: AccessToken;
  readonly agreed: Session['agreed'];
  readonly fields: TransportFields;
  readonly requestId: string;
  readonly body: Bytes;
}

// §3.3: what a proxy must not change, take away or add.
function coveredHeaders(headers: Call['headers'] = {}): Record<string, string> {
  const { 'If-Match': ifMatch, 'Idempotency-Key': idempotencyKey } = headers;
  return {
    ...(ifMatch === undefined ? {} : { bulla_if_match: ifMatch }),
    ...(idempotencyKey === undefined ? {} : { bulla_idempotency_key: idempotencyKey }),
  };
}

async function sign(
  connection: Connection,
  { method, path, body: makeBody, headers }: Call,
  stale: ServiceDocument | undefined,
  signal: AbortSignal | undefined,
): Promise<Sent> {
  const document = await connection.discovery.get(signal, stale);
  const token = await connection.token(signal);
  const { point: clientPoint, transportKey, agreed } = await connection.sessions.get(document.transportKey, signal);
  const proofKey = (await connection.proofKey()).thumbprint;
  const requestId = await randomId();
  const operation = path.split('?')[0] as string;
  const servicePoint = transportKey.point;
  const fields = { tenant: token.tenant, operation, requestId, clientPoint, servicePoint, proofKey };
  const value = await makeBody?.({ agreed, fields });
  const hasBody = value !== undefined;
  const body = hasBody ? encodeUtf8(JSON.stringify(value), 'body') : new Uint8Array(0);
  const claims = {
    bulla_body: await digest(body),
    bulla_request: requestId,
    bulla_key: encodeBase64url(clientPoint),
    bulla_transport: transportKey.kid,
    ...coveredHeaders(headers),
  };
  const signed = {
    ...(hasBody ? { 'Content-Type': 'application/json' } : {}),
    ...headers,
    Authorization: `DPoP ${token.text}`,
    DPoP: await connection.proof(method, path, claims, token.text),
  };
  const prepared = { headers: signed, ...(hasBody ? { body } : {}) };
  return { prepared, document, token, agreed, fields, requestId, body };
}

/** §4.3: answers that may come without a MAC, because the request was not authenticated or could not be. Their status says that it failed; nothing else is believed of them. */
const withoutMac = [400, 413, 429, 500, 502, 503, 504];

async function believed(
  answer: HttpAnswer,
  { agreed, fields, requestId, body: sentBody }: Sent,
  { onRefusal }: Call,
  url: string,
): Promise<CallResult> {
  const { status, headers, body } = answer;
  const salt = decodeBase64url(headers.get('Bulla-Salt') ?? '');
  const mac = decodeBase64url(headers.get('Bulla-MAC') ?? '');
  if (mac?.byteLength !== 48 || salt?.byteLength !== 32) {
    if (withoutMac.includes(status)) throw unauthenticatedError(answer, requestId);
    throw badAnswer(`it has no authentic MAC (status ${status} from ${new URL(url).host})`);
  }
  const keys = await responseKeys(agreed, salt, fields, await sha384(sentBody));
  if (!(await keys.verify(mac, status, body))) throw badAnswer('it is not authentic: its MAC is wrong');
  if (status < 200 || status > 299) {
    const error = answerError(answer, requestId);
    onRefusal?.(error);
    throw error;
  }
  return { body: parseObject(body), sealKey: () => keys.sealKey(), requestId, headers };
}
