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
import { answer, type Incoming, toProblem } from './pipeline.ts';
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
  const hono = new Hono();
  if (origins) hono.use(corsFor(origins));
  const open = publicEndpoints.filter(({ onlyDev }) => !onlyDev || service.dev);
  const api = JSON.stringify(describeApi(service.config.external_url, endpoints, open));
  const methods = new Map<string, string[]>();
  const add = (method: string, path: string, handle: (incoming: Incoming) => Promise<Response>) => {
    const pattern = path.replace(/\{(\w+)\}/g, ':$1');
    methods.set(pattern, [...(methods.get(pattern) ?? []), method]);
    hono.on(method, pattern, (context) => {
      const request = context.req.raw;
      return handle({ request, path: new URL(request.url).pathname, parameters: context.req.param() });
    });
  };
  for (const endpoint of endpoints) {
    add(endpoint.method, endpoint.path, (incoming) => answer(service, endpoint, incoming));
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
    hono.all(pattern, () => {
      return failure(service, new Problem('method-not-allowed'), { Allow: [...new Set(allowed)].join(', ') });
    });
  }
  hono.notFound(() => failure(service, new Problem('not-found')));
  hono.onError((error) => failure(service, toProblem(service, error)));
  return { fetch: limited(service, async (request) => hono.fetch(request)) };
}

type Fetch = (request: Request) => Promise<Response>;

function limited(service: Service, fetch: Fetch): App['fetch'] {
  const { limits } = service.config;
  const failures = new RateLimiterMemory({ points: limits.failed_authentications_per_minute, duration: 60 });
  let inFlight = 0;
  return async (request, { address } = {}) => {
    const started = service.clock();
    if (inFlight >= limits.requests_in_flight) return busy(service, 1);
    const spent = address === undefined ? null : await failures.get(address);
    if (spent && spent.remainingPoints <= 0) return busy(service, Math.ceil(spent.msBeforeNext / 1000));
    inFlight += 1;
    service.metrics.inFlight.set(inFlight);
    try {
      const response = await fetch(request);
      if (response.status === 401 && address !== undefined) await failures.consume(address).catch(() => undefined);
      const { status } = response;
      service.logger.info({ method: request.method, status, ms: service.clock() - started }, 'request');
      return response;
    } finally {
      inFlight -= 1;
      service.metrics.inFlight.set(inFlight);
    }
  };
}

function busy(service: Service, seconds: number): Response {
  return failure(service, new Problem('rate-limited', undefined, { retry_after: seconds }));
}

async function guarded(
  service: Service,
  operation: string,
  { request }: Incoming,
  work: () => Promise<Answer>,
): Promise<Response> {
  let result: Answer;
  try {
    assertNoQuery(request);
    result = await work();
  } catch (error) {
    result = problemAnswer(toProblem(service, error));
  }
  service.metrics.requests.inc({ operation, status: String(result.status) });
  return toResponse(service, result, undefined);
}

function failure(service: Service, problem: Problem, headers: Readonly<Record<string, string>> = {}): Response {
  const base = problemAnswer(problem);
  return toResponse(service, { ...base, headers: { ...base.headers, ...headers } }, undefined);
}
