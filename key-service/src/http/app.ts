/** The handler `(Request) => Response`: routes, CORS, limits before authentication, and a log line for each request. */

import { Hono } from 'hono';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { Problem } from '../errors.ts';
import type { Service } from '../service.ts';
import { assertNoQuery } from './body.ts';
import { type AllowedOrigins, corsFor } from './cors.ts';
import { dataEndpoints } from './data-endpoints.ts';
import type { Endpoint } from './endpoint.ts';
import { keyEndpoints } from './key-endpoints.ts';
import { describeApi } from './openapi.ts';
import { otherEndpoints } from './other-endpoints.ts';
import { answer, type Incoming, refusal, type Trace, toProblem } from './pipeline.ts';
import { publicEndpoints } from './public-endpoints.ts';
import { type Answer, problemAnswer, toResponse } from './respond.ts';

/** What the server knows of a request beside it. */
export interface Peer {
  readonly address?: string | undefined;
}

/** The handler, and how many requests it is at. */
export interface App {
  fetch(request: Request, peer?: Peer): Promise<Response>;
}

/** All endpoints of authenticated callers, in the order of routing. */
export const endpoints: readonly Endpoint[] = [...keyEndpoints, ...otherEndpoints, ...dataEndpoints];

/** The handler over a service. CORS is on for the configured origins, or those given. */
export function createApp(service: Service, origins: AllowedOrigins | undefined = service.config.cors?.origins): App {
  const hono = new Hono<{ Bindings: Bindings }>();
  if (origins) hono.use(corsFor(origins));
  // Behind CORS: a page must be able to read that it is to wait.
  hono.use(async ({ env: { trace, wait } }, next) => {
    if (wait === undefined) return next();
    return failure(service, trace, new Problem('rate-limited', undefined, { retry_after: wait }));
  });
  const open = publicEndpoints.filter(({ onlyDev }) => !onlyDev || service.dev);
  const api = JSON.stringify(describeApi(service.config.external_url, endpoints, open));
  const methods = new Map<string, string[]>();
  const add = (method: string, path: string, handle: (incoming: Incoming) => Promise<Response>) => {
    const pattern = path.replace(/\{(\w+)\}/g, ':$1');
    methods.set(pattern, [...(methods.get(pattern) ?? []), method]);
    hono.on(method, pattern, (context) => {
      const { raw: request } = context.req;
      const path = new URL(request.url).pathname;
      return handle({ request, path, parameters: context.req.param(), trace: context.env.trace });
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
  return { fetch: limited(service, async (request, bindings) => hono.fetch(request, bindings)) };
}

interface Bindings {
  readonly trace: Trace;
  /** Seconds to come back after, for a request that is not let in. */
  readonly wait: number | undefined;
}

type Fetch = (request: Request, bindings: Bindings) => Promise<Response>;

// Whoever watches over the service asks at the worst of times: no limit may make it look dead.
const unlimited = /^https?:\/\/[^/]*\/(healthz|readyz)$/;

function limited(service: Service, fetch: Fetch): App['fetch'] {
  const { limits } = service.config;
  const failures = new RateLimiterMemory({ points: limits.failed_authentications_per_minute, duration: 60 });
  let inFlight = 0;
  const waitOf = async (request: Request, address: string | undefined): Promise<number | undefined> => {
    if (unlimited.test(request.url)) return undefined;
    if (inFlight >= limits.requests_in_flight) return 1;
    const spent = address === undefined ? null : await failures.get(address);
    return spent && spent.remainingPoints <= 0 ? Math.ceil(spent.msBeforeNext / 1000) : undefined;
  };
  return async (request, { address } = {}) => {
    const started = performance.now();
    const trace: Trace = {};
    const wait = await waitOf(request, address);
    inFlight += 1;
    service.metrics.inFlight.set(inFlight);
    try {
      const response = await fetch(request, { trace, wait });
      const { status } = response;
      // A nonce that has become too old is how every client gets its next one.
      const failed = status === 401 && trace.code !== 'use-dpop-nonce';
      if (failed && address !== undefined) await failures.consume(address).catch(() => undefined);
      service.logger.info(
        { method: request.method, ...trace, status, ms: Math.round(performance.now() - started) },
        'request',
      );
      return response;
    } finally {
      inFlight -= 1;
      service.metrics.inFlight.set(inFlight);
    }
  };
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
