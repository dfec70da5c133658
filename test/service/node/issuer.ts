// An OpenID provider that issues DPoP-bound JWTs by client credentials.

import { createServer } from 'node:http';
import type { JWK } from 'jose';
import { Provider } from 'oidc-provider';
import { audience, close, freePort, listen, signingKey } from '../../support/configured-service.ts';

/** An OpenID provider with one client that authenticates by private_key_jwt. */
export async function startIssuer(
  clientKey: JWK,
): Promise<{ issuer: string; tokenEndpoint: string; stop: () => Promise<void> }> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { privateJwk } = await signingKey('issuer-1');
  const provider = new Provider(issuer, {
    jwks: { keys: [privateJwk as never] },
    clients: [
      {
        client_id: 'nightly',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        id_token_signed_response_alg: 'ES256',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        jwks: { keys: [clientKey as never] },
        dpop_bound_access_tokens: true,
      },
    ],
    extraTokenClaims: () => ({ tenant: 'north', roles: ['encryptor', 'decryptor', 'rewrapper'] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 3), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'keys',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  const server = createServer(provider.callback());
  await listen(server, port);
  return { issuer, tokenEndpoint: `${issuer}/token`, stop: () => close(server) };
}
