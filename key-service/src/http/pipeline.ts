/** From a request to its answer: authenticate, decide, record, and only then release. */

import { type Authenticated, checkBody } from '../auth/authenticator.ts';
import { IntegrityError, notAuthenticated, Problem } from '../errors.ts';
import { type Bytes, decodeBase64url } from '../lib/bytes.ts';
import { Abandoned } from '../lib/gate.ts';
import { encodeEntry } from '../model/entry.ts';
import { isReference } from '../model/references.ts';
import { callerActor } from '../operations/actor.ts';
import type { Admitted } from '../operations/admission.ts';
import type { EffectiveLimits } from '../operations/tenant-records.ts';
import type { Service } from '../service.ts';
import { StoreError, UnknownOutcome } from '../store/errors.ts';
import type { Commit } from '../store/store.ts';
import { Session } from '../transport/session.ts';
import { assertNoBodyWithGet, assertNoQuery, parseBody, readBody, readQuery } from './body.ts';
import type { Call, Endpoint, Outcome } from './endpoint.ts';
import { rateLimited, windowUse } from './rates.ts';
import { replayed } from './recorded-change.ts';
import { type Answer, problemAnswer, toResponse } from './respond.ts';

/** A request at an endpoint. */
export interface Incoming {
  readonly request: Request;
  /** Path as sent, from `/` on. */
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly trace: Trace;
  readonly origin: Origin;
}

/** What the log says of a request, filled in as it becomes known. */
export interface Trace {
  operation?: string;
  /** The request id, once the proof is checked. */
  request?: string;
  /** The code of the problem that it is answered with. */
  code?: string;
}

/** Where a request comes from. */
export interface Origin {
  /** The address of the caller, as far as it is known. */
  readonly address: string | undefined;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal | undefined;
  /** To be called once the caller has authenticated: its connection is not closed to make room for others. */
  readonly proven: () => void;
}

/** What is known once token, proof and body fit together. */
interface Accepted extends Authenticated {
  readonly bodyBytes: Bytes;
  readonly shared: { readonly secret: Bytes; readonly clientPoint: Bytes; readonly servicePoint: Bytes } | undefined;
}

interface Limited extends Accepted {
  readonly limits: EffectiveLimits;
}

// A change between the decision and its record makes the request start over; five in a row do not happen by chance.
const attempts = 5;

/** Answers a request at an endpoint of authenticated callers. Never rejects. */
export async function answer(service: Service, endpoint: Endpoint, incoming: Incoming): Promise<Response> {
  const { operation } = endpoint;
  const { trace } = incoming;
  trace.operation = operation;
  const end = service.metrics.duration.startTimer({ operation });
  let response: Response;
  let admitted: Admitted | undefined;
  try {
    const authenticated = await authenticate(service, incoming);
    admitted = service.admission.enter(authenticated.caller.tenant);
    const accepted = await accept(service, endpoint, incoming, authenticated, admitted);
    response = await answerAccepted(service, endpoint, incoming, accepted);
  } catch (error) {
    response = refusal(service, trace, toProblem(service, error), undefined);
  } finally {
    admitted?.leave();
  }
  end();
  service.metrics.requests.inc({ operation, status: String(response.status) });
  return response;
}

/** The problem that a caller gets for an error. What the service did wrong is logged, not told. */
export function toProblem({ logger, distrust, metrics }: Service, error: unknown): Problem {
  if (error instanceof Problem) {
    const { check } = error.members;
    if (typeof check === 'string') metrics.failedAuthentications.inc({ check });
    return error;
  }
  if (error instanceof StoreError) {
    logger.error({ err: error }, 'the store failed');
    if (!(error instanceof UnknownOutcome)) return new Problem('unavailable', undefined, { retry_after: 1 });
    const detail = 'Nobody knows whether this was done: ask before you try again';
    return new Problem('unavailable', detail, { retry_after: 1, outcome: 'unknown' });
  }
  if (error instanceof Abandoned) return new Problem('malformed-request', 'The caller has gone');
  if (error instanceof IntegrityError) {
    distrust.say(error, 'the store is not to be trusted');
    return new Problem('unavailable', undefined, { retry_after: 60 });
  }
  logger.error({ err: error }, 'a request failed');
  return new Problem('internal-error');
}

/** The response of a problem. */
export function refusal(service: Service, trace: Trace, problem: Problem, session: Session | undefined): Response {
  trace.code = problem.code;
  return toResponse(service, problemAnswer(problem), session);
}

/** Checks token and proof, in turn over addresses. Throws a `Problem`. */
export async function authenticate(service: Service, { request, path, origin }: Incoming): Promise<Authenticated> {
  const { method, headers } = request;
  const asked = { method, url: service.config.external_url + path, headers };
  const { address, signal } = origin;
  const authenticated = await service.admission.verify(
    address,
    () => service.authenticator.authenticate(asked),
    signal,
  );
  origin.proven();
  return authenticated;
}

async function accept(
  service: Service,
  endpoint: Endpoint,
  { request, trace }: Incoming,
  authenticated: Authenticated,
  { hold }: Admitted,
): Promise<Accepted> {
  const bodyBytes = await readBody(request, { hold });
  checkBody(authenticated.proof, bodyBytes);
  trace.request = authenticated.proof.requestId;
  const { transport } = authenticated.proof;
  if (!transport) {
    if (endpoint.needsTransport)
      throw notAuthenticated('proof-claims', 'The proof needs bulla_key and bulla_transport');
    return { ...authenticated, bodyBytes, shared: undefined };
  }
  const key = await service.transport.find(transport.kid);
  const clientPoint = decodeBase64url(transport.clientKey);
  const secret = key && clientPoint && (await service.transport.agree(key.kid, clientPoint, transport.clientKey));
  if (!secret)
    throw notAuthenticated('transport-key', 'The transport key is not known, or bulla_key is no point on P-384');
  return { ...authenticated, bodyBytes, shared: { secret, clientPoint, servicePoint: key.point } };
}

async function answerAccepted(
  service: Service,
  endpoint: Endpoint,
  incoming: Incoming,
  accepted: Accepted,
): Promise<Response> {
  let session: Session | undefined;
  try {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      // A session of its own for each attempt: its keys must never seal two different results under one nonce.
      session = openSession(incoming, accepted);
      const limited = { ...accepted, limits: await service.tenants.limitsOf(accepted.caller.tenant) };
      const decided = await decide(service, endpoint, incoming, limited, session);
      const { outcome, problem } = decided;
      if (outcome?.recorded) return toResponse(service, outcome, session);
      const result = await service.queue.submit(
        commitOf(service, endpoint, incoming, limited, decided),
        incoming.origin.signal,
      );
      if (result === 'replayed') throw replayed();
      if (result === 'limited') throw rateLimited(service);
      if (result === 'untrusted')
        throw new IntegrityError('What the last changes touched is not what the service wrote');
      if (result === 'stale' || result === 'late') service.keys.reset(accepted.caller.tenant, outcome?.epoch);
      if (result !== 'stale') {
        if (problem) return refusal(service, incoming.trace, problem, session);
        return toResponse(service, outcome as Answer, session);
      }
    }
    throw new StoreError('The keys change too fast');
  } catch (error) {
    const problem = toProblem(service, error);
    // A replayed proof is nobody's: its sender has not shown that it holds the key.
    return refusal(service, incoming.trace, problem, problem.status === 401 ? undefined : session);
  }
}

interface Decided {
  readonly outcome?: Outcome;
  readonly problem?: Problem;
  readonly weight: number;
}

async function decide(
  service: Service,
  endpoint: Endpoint,
  { request, parameters, origin }: Incoming,
  { caller, proof, limits, bodyBytes }: Limited,
  session: Session | undefined,
): Promise<Decided> {
  const { headers } = request;
  let weight = 1;
  try {
    assertNoBodyWithGet(request);
    const body = parseBody(bodyBytes, headers.get('content-type'), endpoint.body);
    if (!endpoint.query) assertNoQuery(request);
    const query = endpoint.query ? readQuery(request) : {};
    weight = endpoint.weigh?.(body) ?? 1;
    const { signal } = origin;
    const actor = callerActor(caller, service.authorizer);
    const rest = { parameters, query, headers, session, signal };
    const call: Call = { service, caller, actor, limits, proof, body, bodyBytes, ...rest };
    const run = () => endpoint.run(call);
    return { outcome: await (endpoint.reads ? service.admission.read(caller.tenant, run, signal) : run()), weight };
  } catch (error) {
    if (error instanceof Problem && error.members['check'] === undefined) return { problem: error, weight };
    throw error;
  }
}

function openSession({ path }: Incoming, { caller, proof, bodyBytes, shared }: Accepted): Session | undefined {
  if (!shared) return undefined;
  const parameters = {
    shared: shared.secret,
    tenant: caller.tenant,
    operation: path,
    requestId: proof.requestId,
    clientPoint: shared.clientPoint,
    servicePoint: shared.servicePoint,
    proofKey: caller.proofKey,
  };
  return new Session(parameters, bodyBytes);
}

function commitOf(
  service: Service,
  endpoint: Endpoint,
  { parameters }: Incoming,
  { caller, proof, limits }: Limited,
  { outcome, problem, weight }: Decided,
): Commit {
  const { tenant, principal, proofKey } = caller;
  const status = problem?.status ?? outcome?.status ?? 500;
  const asked = referenceIn(parameters);
  const what = problem
    ? { key: asked, items: [{ outcome: problem.code }] }
    : { key: outcome?.key, items: outcome?.items };
  const who = { time: service.clock(), tenant, principal, proofKey, request: proof.requestId };
  return {
    epoch: outcome?.epoch,
    resumed: outcome?.resumed,
    keys: outcome?.keys,
    tombstones: outcome?.tombstones,
    proof: proof.used,
    use: windowUse(service, limits, principal, weight),
    entry: encodeEntry({ ...who, operation: endpoint.operation, status, ...what }),
    uses: outcome?.uses ?? [],
  };
}

// What was asked for, as far as it may be logged: a denied request is found by the key that it was about.
function referenceIn({ key, name }: Incoming['parameters']): string | undefined {
  const reference = key ?? (name === undefined ? undefined : `alias:${name}`);
  return reference !== undefined && isReference(reference) ? reference : undefined;
}
