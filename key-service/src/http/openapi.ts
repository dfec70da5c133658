/** OpenAPI 3.1 from the definitions of the endpoints, `docs/key-service.md` §9.3. */

import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { Endpoint } from './endpoint.ts';
import type { PublicEndpoint } from './public-endpoints.ts';
import { openApiDocument, problem } from './schemas.ts';

const json = 'application/json';
const problems = { description: 'A problem (RFC 9457)', content: { 'application/problem+json': { schema: problem } } };
const macHeaders = z.object({
  'Bulla-Salt': z.string().optional(),
  'Bulla-MAC': z.string().optional(),
  'DPoP-Nonce': z.string(),
});
const security = [{ dpop: [] }];
const proofHeader = z.string().openapi({ description: 'A DPoP proof with the claims of docs/key-service.md §3.3' });
const optionalHeaders = {
  'If-Match': z.string().optional().openapi({ description: 'The ETag of the key, or *' }),
  'Idempotency-Key': z.string().optional().openapi({ description: '1 to 64 characters A-Z a-z 0-9 - _' }),
};

/** The document. */
export function describeApi(url: string, endpoints: readonly Endpoint[], open: readonly PublicEndpoint[]): object {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono();
  openAPIRegistry.registerComponent('securitySchemes', 'dpop', {
    type: 'http',
    scheme: 'dpop',
    description: 'An access token (RFC 9068) and a DPoP proof (RFC 9449) with the claims of docs/key-service.md §3.3',
  });
  for (const endpoint of endpoints) openAPIRegistry.registerPath(routeOf(endpoint));
  for (const endpoint of open) openAPIRegistry.registerPath(openRouteOf(endpoint));
  openAPIRegistry.registerPath({
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1', content: { [json]: { schema: openApiDocument } } } },
  });
  return getOpenAPI31Document.call({ openAPIRegistry } as OpenAPIHono, {
    openapi: '3.1.0',
    info: { title: 'bulla key service', version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url }],
  });
}

function routeOf(endpoint: Endpoint): RouteConfig {
  const { method, path, summary, operation, body, query, response, status } = endpoint;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  return {
    method: method.toLowerCase() as 'get',
    path,
    summary,
    security,
    operationId: path.startsWith('/v1/data-keys/') ? `${operation}-of-mixed-keys` : operation,
    request: {
      ...(names.length > 0 ? { params } : {}),
      headers: z.object({
        DPoP: proofHeader,
        ...Object.fromEntries((endpoint.headers ?? []).map((name) => [name, optionalHeaders[name]])),
      }),
      ...(query ? { query: query as z.ZodObject } : {}),
      ...(body ? { body: { required: true, content: { [json]: { schema: body } } } } : {}),
    },
    responses: {
      [status]: { description: 'The answer', headers: macHeaders, content: { [json]: { schema: response } } },
      default: problems,
    },
  };
}

function openRouteOf({ method, path, summary, operation, body, response, needs }: PublicEndpoint): RouteConfig {
  const content = response ? { [json]: { schema: response } } : { 'text/plain': { schema: z.string() } };
  return {
    method: method.toLowerCase() as 'get',
    path,
    summary,
    operationId: operation,
    ...(needs === 'token' ? { security: [...security, {}] } : {}),
    request: {
      ...(needs === undefined
        ? {}
        : { headers: z.object({ DPoP: needs === 'proof' ? proofHeader : proofHeader.optional() }) }),
      ...(body ? { body: { required: true, content: { [body.type]: { schema: body.schema } } } } : {}),
    },
    responses: { 200: { description: 'The answer', content }, default: problems },
  };
}
