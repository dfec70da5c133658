// Issuers of access tokens for the threat tests: real keys, and tokens of every wrong kind.

import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { b64, signJws } from '../../reference-client/encodings.ts';

export const audience = 'https://keys.example';

/** An issuer with one ES256 key. */
export class Issuer {
  readonly name: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;

  constructor(name: string, kid = 'first') {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    [this.name, this.kid, this.privateKey, this.publicKey] = [name, kid, privateKey, publicKey];
  }

  get jwk(): object {
    return { ...this.publicKey.export({ format: 'jwk' }), kid: this.kid, alg: 'ES256', use: 'sig' };
  }

  get jwks(): { keys: object[] } {
    return { keys: [this.jwk] };
  }

  /** The claims of a token for a proof key; what is `undefined` in `claims` is left out. */
  claims(user: string, jkt: string | undefined, claims: object = {}): object {
    const [sub, tenant] = user.split('@');
    const now = Math.floor(Date.now() / 1000);
    const roles =
      { alice: 'user', admin: 'admin', approver: 'approver', recoverer: 'recoverer', importer: 'importer' }[
        sub ?? ''
      ] ?? 'nothing';
    const times = { iat: now, exp: now + 600, jti: b64(randomBytes(16)) };
    return { iss: this.name, aud: audience, sub, tenant, groups: [roles], ...times, cnf: jkt && { jkt }, ...claims };
  }

  /** A token; `header` and `claims` replace what would stand in a good one. */
  token(user: string, jkt: string | undefined, claims: object = {}, header: object = {}): string {
    const all = { alg: 'ES256', typ: 'at+jwt', kid: this.kid, ...header };
    return signJws(all, this.claims(user, jkt, claims), this.privateKey);
  }
}

/** A server of a key set that can be taken away. */
export class KeySetServer {
  readonly server: Server;
  keys: readonly object[] = [];
  /** `undefined`: answers; a status: fails with it; `hang`: says nothing. */
  failure: number | 'hang' | undefined;

  constructor() {
    this.server = createServer((_, response) => {
      if (this.failure === 'hang') return;
      if (this.failure !== undefined) {
        response.writeHead(this.failure).end();
        return;
      }
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: this.keys }));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/jwks`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
