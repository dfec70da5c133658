/** The endpoints that need no access token: discovery, health, metrics, token exchange, OpenAPI; `docs/key-service.md` §2.2 and §9. */

import type * as z from 'zod';
import { encodeEntry } from '../audit/entry.ts';
import { checkBody } from '../auth/authenticator.ts';
import type { Proof } from '../auth/proofs.ts';
import { audienceOf } from '../config.ts';
import { notAuthenticated, Problem } from '../errors.ts';
import { type Bytes, decodeUtf8, encodeBase64url } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import {
  maxBodyBytes,
  maxContextNameBytes,
  maxContextPairs,
  maxContextValueBytes,
  maxFormBytes,
  maxItems,
  maxTokenSeconds,
  proofSeconds,
} from '../lib/limits.ts';
import type { Service } from '../service.ts';
import { parseBody, readBody, validate } from './body.ts';
import type { Incoming } from './pipeline.ts';
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

const documentSeconds = 3600;
const plain = { 'Content-Type': 'text/plain; charset=utf-8' };

const discovery: PublicEndpoint = {
  method: 'GET',
  path: '/.well-known/bulla-key-service',
  operation: 'discovery',
  summary: 'The identity of the service and its signed document',
  response: discoveryResponse,
  async run(service) {
    const { config, identity, transport, log } = service;
    const keys = await transport.current();
    const iat = seconds(service.clock);
    const document = await identity.sign('bulla-service+jwt', {
      ...{ iss: config.external_url, iat, exp: iat + documentSeconds, serial: keys[0]?.serial ?? 0 },
      ...{
        service_id: config.service_id,
        audience: audienceOf(config),
        token_endpoint: `${config.external_url}/v1/token`,
      },
      transport_keys: keys.map(({ kid, point, expires }) => ({ kid, key: encodeBase64url(point), exp: expires })),
      audit: { origin: log.origin, verifier_key: log.verifierKey, previous_verifier_keys: log.previous },
      limits: publicLimits,
    });
    return { status: 200, body: { identity: identity.jwk, document } };
  },
};

const publicLimits = {
  items: maxItems,
  body_bytes: maxBodyBytes,
  proof_seconds: proofSeconds,
  key_context_pairs: maxContextPairs,
  key_context_name_bytes: maxContextNameBytes,
  key_context_value_bytes: maxContextValueBytes,
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
  async run(service, { request, path, trace }) {
    if (!service.config.metrics.anonymous) {
      const url = service.config.external_url + path;
      const { caller, proof } = await service.authenticator.authenticate({
        method: request.method,
        url,
        headers: request.headers,
      });
      checkBody(proof, await readBody(request));
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
    const claims = await service.tokens.verify(subject_token, 'exchange');
    if (claims.proofKey !== undefined && claims.proofKey !== proof.keyThumbprint) {
      throw notAuthenticated('token-binding', 'The subject token is bound to another proof key');
    }
    const { principal, tenant, roles, expires } = claims;
    await record(service, { principal, tenant, proof, operation: 'exchange-token', status: 200 });
    const issued = await service.exchange.issue({
      ...{ subject: claims.subject, principal, tenant, roles, expires, proofKey: proof.keyThumbprint },
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
    const issued = await service.dev.issuer.issue({ subject: user, principal, tenant, roles, expires, proofKey });
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
async function proven(service: Service, { request, path, trace }: Incoming): Promise<{ proof: Proof; body: Bytes }> {
  const target = { method: request.method, url: service.config.external_url + path, token: undefined };
  const proof = await service.proofs.verify(request.headers.get('dpop'), target);
  const body = await readBody(request, maxFormBytes);
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
}

async function record(service: Service, { principal, tenant, proof, operation, status }: Recorded): Promise<void> {
  const who = { time: service.clock(), tenant, principal, proofKey: proof.keyThumbprint, request: proof.requestId };
  const entry = encodeEntry({ ...who, operation, status });
  const use = windowUse(service, principal);
  const result = await service.queue.submit({ epoch: undefined, proof: proof.used, use, entry, uses: [] });
  if (result === 'limited') throw rateLimited(service);
  if (result !== 'committed') throw replayed();
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
