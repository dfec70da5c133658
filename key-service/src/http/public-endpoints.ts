/** The endpoints that need no access token: discovery, health, metrics, token exchange, OpenAPI; `docs/key-service.md` §2.2 and §9. */

import type * as z from 'zod';
import { checkBody } from '../auth/authenticator.ts';
import type { Proof } from '../auth/proofs.ts';
import { sha256 } from '../crypto/digest.ts';
import { notAuthenticated, Problem } from '../errors.ts';
import { type Bytes, decodeUtf8, encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { maxFormBytes, maxTokenSeconds } from '../lib/limits.ts';
import { encodeEntry } from '../model/entry.ts';
import type { Service } from '../service.ts';
import type { ExchangedToken } from '../store/store.ts';
import { parseBody, readBody, validate } from './body.ts';
import { authenticate, type Incoming } from './pipeline.ts';
import { rateLimited, windowUse } from './rates.ts';
import { replayed } from './recorded-change.ts';
import type { Answer } from './respond.ts';
import { devTokenBody, devUsersResponse, discoveryResponse, tokenForm, tokenResponse } from './schemas.ts';

/** An endpoint that authenticates in a way of its own, or not at all. */
export interface PublicEndpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly operation: string;
  readonly summary: string;
  readonly body?: { readonly type: string; readonly schema: z.ZodType };
  readonly response?: z.ZodType;
  readonly onlyDev?: boolean;
  /** `proof` alone, or the token, too, where the configuration does not free it. Default: none. */
  readonly needs?: 'proof' | 'token';
  run(service: Service, incoming: Incoming): Promise<Answer>;
}

const formSeconds = 5;
const plain = { 'Content-Type': 'text/plain; charset=utf-8' };

const discovery: PublicEndpoint = {
  method: 'GET',
  path: '/.well-known/bulla-key-service',
  operation: 'discovery',
  summary: 'The identity of the service and its signed document',
  response: discoveryResponse,
  async run({ identity, discovery: published }) {
    return { status: 200, body: { identity: identity.jwk, document: await published.document() } };
  },
};

const health: PublicEndpoint = {
  method: 'GET',
  path: '/healthz',
  operation: 'health',
  summary: 'The process lives',
  run: async () => ({ status: 200, body: 'ok\n', headers: plain }),
};

const ready: PublicEndpoint = {
  method: 'GET',
  path: '/readyz',
  operation: 'ready',
  summary: 'The store can be written',
  async run({ ready: assertReady }) {
    await assertReady();
    return { status: 200, body: 'ready\n', headers: plain };
  },
};

const metrics: PublicEndpoint = {
  method: 'GET',
  path: '/metrics',
  operation: 'metrics',
  summary: 'Metrics for Prometheus',
  needs: 'token',
  async run(service, incoming) {
    const { request, trace } = incoming;
    if (!service.config.metrics.anonymous) {
      const { caller, proof } = await authenticate(service, incoming);
      checkBody(proof, await readBody(request, { limit: maxFormBytes }));
      trace.request = proof.requestId;
      const allowed = service.authorizer.allowsService(caller, 'read-metrics');
      await record(service, { ...caller, proof, operation: 'read-metrics', status: allowed ? 200 : 403 });
      if (!allowed) throw new Problem('not-allowed');
    }
    const { registry } = service.metrics;
    return { status: 200, body: await registry.metrics(), headers: { 'Content-Type': registry.contentType } };
  },
};

const token: PublicEndpoint = {
  method: 'POST',
  path: '/v1/token',
  operation: 'exchange-token',
  needs: 'proof',
  summary: 'Exchanges a token of an issuer for a short-lived bound one (RFC 8693)',
  body: { type: 'application/x-www-form-urlencoded', schema: tokenForm },
  response: tokenResponse,
  async run(service, incoming) {
    const { proof, body } = await proven(service, incoming);
    const { subject_token } = readForm(body, incoming.request.headers.get('content-type'));
    const claims = await service.admission.verify(incoming.origin.address, () =>
      service.tokens.verify(subject_token, 'exchange'),
    );
    if (claims.proofKey !== undefined && claims.proofKey !== proof.keyThumbprint) {
      throw notAuthenticated('token-binding', 'The subject token is bound to another proof key');
    }
    const { principal, identity, tenant, roles, expires } = claims;
    const proofKey = proof.keyThumbprint;
    // One that was bound when it was issued needs no more.
    const exchanged = claims.proofKey === undefined ? { id: tokenId(subject_token), proofKey, expires } : undefined;
    await record(service, { principal, tenant, proof, operation: 'exchange-token', status: 200, exchanged });
    const issued = await service.exchange.issue({
      ...{ subject: claims.subject, principal, identity, tenant, roles, expires, proofKey },
    });
    return { status: 200, body: { ...issued } };
  },
};

const devToken: PublicEndpoint = {
  method: 'POST',
  path: '/dev/token',
  operation: 'dev-token',
  needs: 'proof',
  summary: 'A token for a development user',
  body: { type: 'application/json', schema: devTokenBody },
  response: tokenResponse,
  onlyDev: true,
  async run(service, incoming) {
    const { proof, body } = await proven(service, incoming);
    const { user } = parseBody(body, incoming.request.headers.get('content-type'), devTokenBody);
    const found = service.dev?.users.find((candidate) => candidate.user === user);
    if (!service.dev || !found) throw new Problem('not-allowed');
    const { tenant, roles } = found;
    const principal = `${service.dev.issuer.options.issuer}|${user}`;
    await record(service, { principal, tenant, proof, operation: 'dev-token', status: 200 });
    const expires = seconds(service.clock) + maxTokenSeconds;
    const proofKey = proof.keyThumbprint;
    const issued = await service.dev.issuer.issue({
      ...{ subject: user, principal, identity: principal, tenant, roles, expires, proofKey },
    });
    return { status: 200, body: { ...issued } };
  },
};

const devUsers: PublicEndpoint = {
  method: 'GET',
  path: '/dev/users',
  operation: 'dev-users',
  summary: 'The development users',
  response: devUsersResponse,
  onlyDev: true,
  run: async ({ dev }) => ({ status: 200, body: { users: dev?.users ?? [] } }),
};

export const publicEndpoints: readonly PublicEndpoint[] = [
  discovery,
  health,
  ready,
  metrics,
  token,
  devToken,
  devUsers,
];

// §9.4: a proof without `ath`.
async function proven(
  service: Service,
  { request, path, trace, origin }: Incoming,
): Promise<{ proof: Proof; body: Bytes }> {
  const { admission, proofs, config } = service;
  const { address, signal } = origin;
  const target = { method: request.method, url: config.external_url + path, token: undefined };
  const proof = await admission.verify(address, () => proofs.verify(request.headers.get('dpop'), target), signal);
  // Anybody can make such a proof: who sends the body slowly holds a place of its own address, for a few seconds.
  const body = await admission.form(address, () => inTime(readBody(request, { limit: maxFormBytes })), signal);
  checkBody(proof, body);
  trace.request = proof.requestId;
  return { proof, body };
}

interface Recorded {
  readonly principal: string;
  readonly tenant: string;
  readonly proof: Proof;
  readonly operation: string;
  readonly status: number;
  readonly exchanged?: ExchangedToken | undefined;
}

async function record(
  service: Service,
  { principal, tenant, proof, operation, status, exchanged }: Recorded,
): Promise<void> {
  const who = { time: service.clock(), tenant, principal, proofKey: proof.keyThumbprint, request: proof.requestId };
  const entry = encodeEntry({ ...who, operation, status });
  const use = windowUse(service, await service.tenants.limitsOf(tenant), principal);
  const result = await service.queue.submit({ epoch: undefined, proof: proof.used, use, entry, uses: [], exchanged });
  if (result === 'limited') throw rateLimited(service);
  if (result === 'bound')
    throw notAuthenticated('token-binding', 'The subject token was exchanged for another proof key');
  if (result !== 'committed') throw replayed();
}

function tokenId(token: string): string {
  return encodeBase64url(sha256(encodeUtf8(token)));
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Problem('malformed-request', 'The body took too long')), formSeconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function readForm(body: Bytes, contentType: string | null): z.infer<typeof tokenForm> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(contentType ?? '')) {
    throw new Problem('malformed-request', 'The Content-Type must be application/x-www-form-urlencoded', {
      error: 'invalid_request',
    });
  }
  const form = new URLSearchParams(decodeUtf8(body) ?? '');
  const members = [...form];
  if (new Set(members.map(([name]) => name)).size !== members.length) {
    throw new Problem('malformed-request', 'A parameter occurs twice', { error: 'invalid_request' });
  }
  try {
    return validate(Object.fromEntries(members), tokenForm);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const unsupported = form.get('grant_type') !== tokenForm.shape.grant_type.value;
    throw new Problem(error.code, error.message, {
      ...error.members,
      error: unsupported ? 'unsupported_grant_type' : 'invalid_request',
    });
  }
}
