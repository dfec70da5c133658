// The site of the test: a page with the built SDK, tokens for its user, and a store that takes what the page gives it.

import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { build } from 'esbuild';
import { importJWK, type JWK, SignJWT } from 'jose';
import { audience, listen } from '../../test/support/configured-service.ts';

/** The name of the issuer that the site is. */
export const issuer = 'https://login.example';

/** The site while it is served. */
export interface ClientSite {
  readonly port: number;
  /** Tokens that were issued. */
  readonly tokens: number;
  /** What the page has put into the store. */
  readonly stored: Map<string, Buffer>;
  close(): Promise<void>;
}

/** A token for a proof key that the service takes for so many seconds from now; it takes expired ones for 30 seconds. */
export async function issueToken(
  key: JWK,
  { jkt, seconds, subject, roles }: { jkt: string; seconds: number; subject: string; roles: readonly string[] },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ tenant: 'north', roles, cnf: { jkt }, client_id: subject })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid as string })
    .setIssuer(issuer)
    .setSubject(subject)
    .setAudience(audience)
    .setIssuedAt(now - 60)
    .setExpirationTime(now + seconds - 30)
    .setJti(crypto.randomUUID())
    .sign(await importJWK(key));
}

/** Serves the site on a free port. */
export async function startClientSite(key: JWK): Promise<ClientSite> {
  const { outputFiles } = await build({
    entryPoints: ['e2e/clients/sdk.js'],
    ...{ bundle: true, write: false, format: 'iife', platform: 'browser', target: 'es2022' },
  });
  const script = outputFiles[0]?.text ?? '';
  const stored = new Map<string, Buffer>();
  let tokens = 0;

  async function answer(request: IncomingMessage): Promise<[type: string, body: string | Buffer]> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/sdk.js') return ['text/javascript', script];
    if (pathname === '/token') {
      tokens++;
      const jkt = searchParams.get('jkt') ?? '';
      const seconds = Number(searchParams.get('seconds'));
      const about = { subject: 'page', roles: ['encryptor', 'decryptor'] };
      return ['text/plain', await issueToken(key, { jkt, seconds, ...about })];
    }
    if (request.method === 'PUT') stored.set(pathname, await buffer(request));
    const found = stored.get(pathname);
    if (found !== undefined) return ['application/octet-stream', found];
    return [
      'text/html',
      '<!doctype html><title>clients</title><link rel="icon" href="data:,"><script src="/sdk.js"></script>',
    ];
  }
  const server = createServer((request, response) => {
    answer(request).then(
      ([type, body]) => response.writeHead(200, { 'Content-Type': type }).end(body),
      () => response.destroy(),
    );
  });
  const port = await listen(server, 0);
  return {
    port,
    stored,
    get tokens() {
      return tokens;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
