/** The handler `(Request) => Response`: routes, CORS, the limit of failures, and a log line for each request. */

import { Hono } from 'hono';
import { Problem } from '../errors.ts';
import { TrustedProxies } from '../lib/addresses.ts';
import type { Service } from '../service.ts';
import { auditEndpoints } from './audit-endpoints.ts';
import { assertNoQuery } from './body.ts';
import { type AllowedOrigins, corsFor } from './cors.ts';
import { dataEndpoints } from './data-endpoints.ts';
import type { Endpoint } from './endpoint.ts';
import { keyEndpoints } from './key-endpoints.ts';
import { describeApi } from './openapi.ts';
import { otherEndpoints } from './other-endpoints.ts';
import { answer, type Incoming, type Origin, refusal, type Trace, toProblem } from './pipeline.ts';
import { publicEndpoints } from './public-endpoints.ts';
import { type Answer, problemAnswer, toResponse } from './respond.ts';
import { revocationEndpoints } from './revocation-endpoints.ts';

/** What the server knows of a request beside it. */
export interface Peer {
  readonly address?: string | undefined;
  /** Called once its caller has authenticated. */
  readonly proven?: (() => void) | undefined;
}

/** The handler, and how many requests it is at. */
export interface App {
  fetch(request: Request, peer?: Peer): Promise<Response>;
}

/** All endpoints of authenticated callers, in the order of routing. */
export const endpoints: readonly Endpoint[] = [
  ...keyEndpoints,
  ...revocationEndpoints,
  ...otherEndpoints,
  ...auditEndpoints,
  ...dataEndpoints,
];

/** The handler over a service. CORS is on for the configured origins, or those given. */
export function createApp(service: Service, origins: AllowedOrigins | undefined = service.config.cors?.origins): App {
  const hono = new Hono<{ Bindings: Bindings }>();
  if (origins) hono.use(corsFor(origins));
  const open = publicEndpoints.filter(({ onlyDev }) => !onlyDev || service.dev);
  const api = JSON.stringify(describeApi(service.config.external_url, endpoints, open));
  const methods = new Map<string, string[]>();
  const add = (method: string, path: string, handle: (incoming: Incoming) => Promise<Response>) => {
    const pattern = path.replace(/\{(\w+)\}/g, ':$1');
    methods.set(pattern, [...(methods.get(pattern) ?? []), method]);
    hono.on(method, pattern, async (context) => {
      const { raw: request } = context.req;
      const path = new URL(request.url).pathname;
      const { trace, origin } = context.env;
      const response = await handle({ request, path, parameters: context.req.param(), trace, origin });
      return limitFailures(service, trace, origin, response);
    });
  };
  for (const endpoint of endpoints) {
    // The MAC of an answer covers a body, which HEAD leaves out.
    add(endpoint.method, endpoint.path, async (incoming) =>
      incoming.request.method === 'HEAD'
        ? failure(service, incoming.trace, new Problem('method-not-allowed'), { Allow: endpoint.method })
        : answer(service, endpoint, incoming),
    );
  }
  for (const endpoint of open) {
    add(endpoint.method, endpoint.path, (incoming) =>
      guarded(service, endpoint.operation, incoming, () => endpoint.run(service, incoming)),
    );
  }
  add('GET', '/openapi.json', (incoming) =>
    guarded(service, 'openapi', incoming, async () => ({ status: 200, body: api })),
  );
  for (const [pattern, allowed] of methods) {
    const Allow = [...new Set(allowed)].join(', ');
    hono.all(pattern, ({ env }) => failure(service, env.trace, new Problem('method-not-allowed'), { Allow }));
  }
  hono.notFound(({ env }) => failure(service, env.trace, new Problem('not-found')));
  hono.onError((error, { env }) => failure(service, env.trace, toProblem(service, error)));
  return { fetch: traced(service, async (request, bindings) => hono.fetch(request, bindings)) };
}

interface Bindings {
  readonly trace: Trace;
  readonly origin: Origin;
}

type Fetch = (request: Request, bindings: Bindings) => Promise<Response>;

function traced(service: Service, fetch: Fetch): App['fetch'] {
  const { trusted_proxies: networks, forwarded_header: header } = service.config;
  const proxies = new TrustedProxies(networks, header);
  let inFlight = 0;
  const count = (change: 1 | -1): void => {
    inFlight += change;
    service.metrics.inFlight.set(inFlight);
  };
  return async (request, { address, proven = () => undefined } = {}) => {
    const started = performance.now();
    const trace: Trace = {};
    const origin = { address: proxies.addressOf(address, request.headers), signal: request.signal, proven };
    count(1);
    try {
      const response = await fetch(request, { trace, origin });
      const ms = Math.round(performance.now() - started);
      service.logger.info({ method: request.method, ...trace, status: response.status, ms }, 'request');
      return response;
    } finally {
      count(-1);
    }
  };
}

// An address that fails too often is told to wait. Nobody who authenticates is: others may have the same address.
async function limitFailures(
  service: Service,
  trace: Trace,
  { address }: Origin,
  response: Response,
): Promise<Response> {
  // A nonce that has become too old is how every client gets its next one.
  if (response.status !== 401 || trace.code === 'use-dpop-nonce') return response;
  const wait = await service.admission.failed(address);
  if (wait === undefined) return response;
  return failure(service, trace, new Problem('rate-limited', undefined, { retry_after: wait }));
}

async function guarded(
  service: Service,
  operation: string,
  { request, trace }: Incoming,
  work: () => Promise<Answer>,
): Promise<Response> {
  trace.operation = operation;
  let response: Response;
  try {
    assertNoQuery(request);
    response = toResponse(service, await work(), undefined);
  } catch (error) {
    response = refusal(service, trace, toProblem(service, error), undefined);
  }
  service.metrics.requests.inc({ operation, status: String(response.status) });
  return response;
}

// What comes to no endpoint.
function failure(
  service: Service,
  trace: Trace,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const base = problemAnswer(problem);
  trace.code = problem.code;
  service.metrics.requests.inc({ operation: 'none', status: String(problem.status) });
  return toResponse(service, { ...base, headers: { ...base.headers, ...headers } }, undefined);
}
