/** One authenticated call: token, proof, session and body go out; what comes back is believed when its MAC is that of the service. `docs/key-service.md` §3, §4. */

import { sha384 } from '../crypto/digest.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { isBullaError, KeyServiceError } from '../errors.ts';
import { decodeBase64url, encodeBase64url } from '../lib/base64url.ts';
import { emit } from '../lib/events.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { type ResponseKeys, responseKeys, type TransportFields } from '../schedule/transport-keys.ts';
import type { Bytes } from '../types.ts';
import { badAnswer, type JsonObject, parseObject } from './answer.ts';
import type { Connection } from './connection.ts';
import { type HttpAnswer, send, withRetries } from './http.ts';
import type { ServiceDocument } from './identity.ts';
import { answerError } from './problem.ts';
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
  const { onEvent, url, retry, timeout } = settings;
  const operation = `${request.method} ${request.path}`;
  const progress: Progress = { attempts: 0, status: undefined, requestId: undefined };
  const begun = settings.now();
  let error: string | undefined;
  try {
    const onRetry = (count: number, { code }: KeyServiceError) =>
      emit(onEvent, { type: 'service-retry', operation, retry: count, error: code });
    const { signal } = request;
    return await withRetries(url, { retry, timeout, signal, onRetry }, (attemptSignal) =>
      callOnce(connection, request, attemptSignal, progress),
    );
  } catch (failure) {
    error = isBullaError(failure) ? failure.code : 'aborted';
    throw failure;
  } finally {
    const milliseconds = settings.now() - begun;
    emit(onEvent, { type: 'service-call', operation, items: request.items ?? 0, ...progress, milliseconds, error });
  }
}

/** What a refused proof or token asks for; each is done once, so that a service that keeps asking is not obeyed for ever. */
type Remedy = 'nonce' | 'time' | 'transport' | 'token' | 'replay';

async function callOnce(
  connection: Connection,
  request: Call,
  signal: AbortSignal,
  progress: Progress,
): Promise<CallResult> {
  const tried = new Set<Remedy>();
  let stale: ServiceDocument | undefined;
  for (;;) {
    const document = await connection.discovery.get(signal, stale);
    const token = await connection.token(signal);
    progress.attempts++;
    const sent = await sendOnce(connection, request, document, token, signal);
    progress.status = sent.answer.status;
    progress.requestId = sent.requestId;
    if (sent.answer.status !== 401) return believed(sent, connection.settings.url);
    // A 401 carries no MAC: whatever it says, it leads to another attempt or to an error, and to nothing else.
    const error = answerError(sent.answer, sent.requestId);
    const remedy = remedyOf(error, connection);
    if (remedy === undefined || tried.has(remedy)) throw error;
    tried.add(remedy);
    if (remedy === 'transport') stale = document;
    if (remedy === 'token') connection.tokens?.refuse(token);
  }
}

function remedyOf(error: Error, connection: Connection): Remedy | undefined {
  if (!(error instanceof KeyServiceError)) return undefined;
  if (error.problem === 'use-dpop-nonce') return 'nonce';
  if (error.check === 'transport-key') return 'transport';
  if (error.check === 'proof-time') return 'time';
  if (error.check === 'proof-replayed') return 'replay';
  const renewable = error.code === 'ERR_TOKEN_EXPIRED' || error.code === 'ERR_TOKEN_REFUSED';
  return renewable && connection.renewsTokens ? 'token' : undefined;
}

interface Sent {
  readonly answer: HttpAnswer;
  readonly requestId: string;
  readonly keys: ResponseKeys | undefined;
}

async function sendOnce(
  connection: Connection,
  { method, path, body: makeBody, headers }: Call,
  document: ServiceDocument,
  token: AccessToken,
  signal: AbortSignal,
): Promise<Sent> {
  const { url, fetch, maxResponseBytes: maxBytes } = connection.settings;
  const session = await connection.sessions.get(document.transportKey, signal);
  const proofKey = (await connection.proofKey()).thumbprint;
  const requestId = await randomId();
  const operation = path.split('?')[0] as string;
  const { point: clientPoint, transportKey, agreed } = session;
  const fields = {
    tenant: token.tenant,
    operation,
    requestId,
    clientPoint,
    servicePoint: transportKey.point,
    proofKey,
  };
  const value = await makeBody?.({ agreed, fields });
  const body = value === undefined ? new Uint8Array(0) : encodeUtf8(JSON.stringify(value), 'body');
  const claims = await proofClaims(session, requestId, body);
  const answer = await send(fetch, {
    method,
    url: url + path,
    headers: {
      ...(value === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
      Authorization: `DPoP ${token.text}`,
      DPoP: await connection.proof(method, path, claims, token.text),
    },
    ...(value === undefined ? {} : { body }),
    signal,
    maxBytes,
  });
  connection.learn(answer);
  const salt = decodeBase64url(answer.headers.get('Bulla-Salt') ?? '');
  const keys = salt?.byteLength === 32 ? await responseKeys(agreed, salt, fields, await sha384(body)) : undefined;
  return { answer, requestId, keys };
}

async function proofClaims({ point, transportKey }: Session, requestId: string, body: Bytes) {
  return {
    bulla_body: await digest(body),
    bulla_request: requestId,
    bulla_key: encodeBase64url(point),
    bulla_transport: transportKey.kid,
  };
}

/** §4.3: answers that may come without a MAC, because the request was not authenticated or could not be. They say that it failed, which is all that is taken from them. */
const withoutMac = [400, 413, 429, 500, 502, 503, 504];

async function believed({ answer, requestId, keys }: Sent, url: string): Promise<CallResult> {
  const { status, headers, body } = answer;
  const mac = decodeBase64url(headers.get('Bulla-MAC') ?? '');
  if (mac?.byteLength !== 48 || keys === undefined) {
    if (withoutMac.includes(status)) throw answerError(answer, requestId);
    throw badAnswer(`it has no authentic MAC (status ${status} from ${new URL(url).host})`);
  }
  if (!(await keys.verify(mac, status, body))) throw badAnswer('it is not authentic: its MAC is wrong');
  if (status < 200 || status > 299) throw answerError(answer, requestId);
  return { body: parseObject(body), sealKey: () => keys.sealKey(), requestId, headers };
}
