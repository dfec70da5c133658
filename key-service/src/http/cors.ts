/** CORS as it is configured, with the headers that a client in a browser needs; `docs/key-service.md` §1.5. */

import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { isLoopback } from '../config.ts';

/** Which origins may read answers. */
export type AllowedOrigins = readonly string[] | 'loopback';

export function corsFor(origins: AllowedOrigins): MiddlewareHandler {
  return cors({
    origin: (origin) => (isAllowed(origin, origins) ? origin : null),
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowHeaders: ['Authorization', 'DPoP', 'Content-Type', 'If-Match', 'Idempotency-Key'],
    exposeHeaders: ['DPoP-Nonce', 'WWW-Authenticate', 'Retry-After', 'Date', 'ETag', 'Bulla-Salt', 'Bulla-MAC'],
    maxAge: 600,
  });
}

function isAllowed(origin: string, origins: AllowedOrigins): boolean {
  if (origins !== 'loopback') return origins.includes(origin);
  try {
    const { protocol, hostname } = new URL(origin);
    return protocol.startsWith('http') && isLoopback(hostname);
  } catch {
    return false;
  }
}
