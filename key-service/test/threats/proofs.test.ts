// Threats: proofs for other requests, from another time, used before, forged; and what rides in them.

import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { b64, hash, pointOf, signJws, utf8 } from '../reference-client/encodings.ts';
import { audience } from './support/issuer.ts';
import { type Attempt, freshNonce, ProofKey, proofOf, send, verdict } from './support/raw.ts';
import { externalUrl, World } from './support/world.ts';

const key = new ProofKey();
let world: World;
let url: string;
let token: string;

beforeAll(async () => {
  world = await World.start();
  url = world.running.url;
  token = world.north.token('alice@north', key.jkt);
});

afterAll(() => world?.remove());

const now = (): number => Math.floor(Date.now() / 1000);
const attempt = (more: Partial<Attempt> = {}): Promise<string> => verdict(url, { key, token, ...more });
const withClaims = (claims: object): Promise<string> => attempt({ claims });
const withHeader = (header: object): Promise<string> => attempt({ header });

describe('a proof for something else', () => {
  it.each([
    ['the same path of another service', { htu: 'https://evil.example/v1/caller' }, 'proof-url'],
    ['where the service listens, not where it is', { htu: 'http://127.0.0.1/v1/caller' }, 'proof-url'],
    ['a query', { htu: `${externalUrl}/v1/caller?x=1` }, 'proof-url'],
    ['a fragment', { htu: `${externalUrl}/v1/caller#x` }, 'proof-url'],
    ['a trailing slash', { htu: `${externalUrl}/v1/caller/` }, 'proof-url'],
    ['another case', { htu: `${externalUrl}/v1/Caller` }, 'proof-url'],
    ['an escape', { htu: `${externalUrl}/v1/%63aller` }, 'proof-url'],
    ['plain HTTP', { htu: externalUrl.replace('https', 'http') }, 'proof-url'],
    ['a method in small letters', { htm: 'get' }, 'proof-(method|claims)'],
  ])('%s', async (_, claims, check) => {
    expect(await withClaims(claims)).toMatch(new RegExp(`^401 ${check}$`));
  });

  it('another body: one byte more, less, changed, none', async () => {
    const body = '{"items":[{}]}';
    const client = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const { kid } = (await world.client('alice@north').discover()).transport_keys[0] ?? { kid: '' };
    const session = { bulla_key: b64(pointOf(client.publicKey)), bulla_transport: kid };
    for (const sent of [`${body} `, body.slice(0, -1), body.replace('[', ' ['), '']) {
      const claims = { ...session, bulla_body: b64(hash('sha256', utf8(body))) };
      const what = { method: 'POST', path: '/v1/data-keys/generate-data-key', body: sent, claims };
      expect(await attempt(what), sent).toBe('401 proof-body');
    }
  });

  it('another token of the same caller', async () => {
    const other = world.north.token('alice@north', key.jkt);
    const proof = proofOf({ key, token: other }, await freshNonce(url));
    expect(await attempt({ proof })).toBe('401 proof-token');
  });
});

describe('a proof from another time', () => {
  it('old, future and absurd', async () => {
    for (const [iat, check] of [
      [now() - 75, 'proof-time'],
      [now() - 86_400, 'proof-time'],
      [now() + 75, 'proof-time'],
      [now() + 86_400, 'proof-time'],
      [0, 'proof-time'],
      [-1, 'proof-time'],
      [1e300, 'proof-(time|claims)'],
      [String(now()), 'proof-claims'],
      [null, 'proof-claims'],
      [undefined, 'proof-claims'],
    ] as const) {
      expect(await withClaims({ iat }), String(iat)).toMatch(new RegExp(`^401 ${check}$`));
    }
    expect(await withClaims({ iat: now() - 50 })).toBe('200 ok');
    expect(await withClaims({ iat: now() + 50 })).toBe('200 ok');
  });

  it('without a nonce of this service, with a forged or a garbled one: told the next', async () => {
    const nonce = await freshNonce(url);
    const garbled = `${nonce.slice(0, -2)}${nonce.endsWith('AA') ? 'BB' : 'AA'}`;
    for (const each of [undefined, 'nonce', b64(randomBytes(32)), garbled, `${nonce}x`, `x${nonce}`]) {
      expect(await withClaims({ nonce: each }), each).toBe('401 proof-nonce');
    }
    const { headers, json } = await send(url, { key, token, claims: { nonce: undefined } });
    expect(json.code).toBe('use-dpop-nonce');
    expect(headers.get('www-authenticate')).toMatch(/^DPoP error="use_dpop_nonce"/);
    expect(await withClaims({ nonce: headers.get('dpop-nonce') })).toBe('200 ok');
  });
});

describe('a proof that was used', () => {
  it('is refused at once, from ten at the same time one passes, and after a restart none', async () => {
    const proof = proofOf({ key, token }, await freshNonce(url));
    expect(await attempt({ proof })).toBe('200 ok');
    expect(await attempt({ proof })).toBe('401 proof-replayed');

    const next = proofOf({ key, token }, await freshNonce(url));
    const answers = await Promise.all(Array.from({ length: 10 }, () => attempt({ proof: next })));
    expect(answers.sort()).toEqual(['200 ok', ...Array.from({ length: 9 }, () => '401 proof-replayed')]);

    await world.stop();
    url = (await world.start()).url;
    expect(await attempt({ proof })).toBe('401 proof-replayed');
    expect(await attempt({ proof: next })).toBe('401 proof-replayed');
  });

  it('is used up by a denied and by a malformed request too', async () => {
    for (const path of ['/v1/keys', '/v1/keys/key-nobody', '/v1/audit/entries/9/3']) {
      const proof = proofOf({ key, token, path }, await freshNonce(url));
      const first = await attempt({ proof, path });
      expect(first, path).toMatch(/^40[03] /);
      expect(await attempt({ proof, path }), path).toBe('401 proof-replayed');
    }
  });

  it('the same jti in another proof of the same key is refused; of another key it is not used', async () => {
    const jti = b64(randomBytes(24));
    expect(await withClaims({ jti })).toBe('200 ok');
    expect(await withClaims({ jti })).toBe('401 proof-replayed');
    const other = new ProofKey();
    const attempted = { key: other, token: world.north.token('alice@north', other.jkt), claims: { jti } };
    expect(await verdict(url, attempted)).toBe('200 ok');
  });

  it('the same proof in another encoding is the same proof (ECDSA is malleable)', async () => {
    const proof = proofOf({ key, token }, await freshNonce(url));
    expect(await attempt({ proof })).toBe('200 ok');
    const [header = '', claims = '', signature = ''] = proof.split('.');
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const bytes = Buffer.from(signature, 'base64url');
    const s = (order - BigInt(`0x${bytes.toString('hex', 32)}`)).toString(16).padStart(64, '0');
    const mirrored = b64(Buffer.concat([bytes.subarray(0, 32), Buffer.from(s, 'hex')]));
    expect(await attempt({ proof: `${header}.${claims}.${mirrored}` })).toBe('401 proof-replayed');
    expect(await attempt({ proof: `${header}.${claims}.${signature}==` })).toMatch(/^401 proof-/);
  });
});

describe('a forged proof', () => {
  it('alg none and symmetric, also with the public key as the secret', async () => {
    const claims = proofOf({ key, token }, await freshNonce(url)).split('.')[1] ?? '';
    const secret = key.pair.publicKey.export({ type: 'spki', format: 'pem' });
    for (const alg of ['none', 'NONE', 'HS256', 'HS512', 'RS256', 'ES256K', 'dir', '']) {
      const header = b64(utf8(JSON.stringify({ typ: 'dpop+jwt', alg, jwk: key.jwk })));
      const mac = b64(createHmac('sha256', secret).update(`${header}.${claims}`).digest());
      expect(await attempt({ proof: `${header}.${claims}.${mac}` }), alg).toBe('401 proof-algorithm');
      expect(await attempt({ proof: `${header}.${claims}.` }), alg).toMatch(/^401 proof-(algorithm|malformed)$/);
    }
  });

  it('with a private or symmetric key embedded, with none, with one off the curve, of another curve', async () => {
    const { d } = key.pair.privateKey.export({ format: 'jwk' });
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });
    const keys = [
      { ...key.jwk, d },
      { ...key.jwk, k: 'AAAA' },
      { kty: 'oct', k: 'AAAA' },
      { ...key.jwk, x: key.jwk.y },
      { ...key.jwk, crv: 'P-384' },
      { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
      { kty: 'EC' },
      {},
      other,
      'key',
      null,
      undefined,
    ];
    for (const jwk of keys) {
      expect(await withHeader({ jwk }), JSON.stringify(jwk)).toMatch(/^401 proof-key$/);
    }
  });

  it('wrong typ, an access token as proof, a proof as access token', async () => {
    for (const typ of ['JWT', 'at+jwt', 'dpop+jwt ', 'application/dpop+jwt', undefined, 1]) {
      expect(await withHeader({ typ }), String(typ)).toBe('401 proof-type');
    }
    expect(await attempt({ proof: token })).toBe('401 proof-type');
    const proof = proofOf({ key, token }, await freshNonce(url));
    expect(await attempt({ token: proof })).toMatch(/^401 token-(issuer|type)$/);
  });

  it('signed by another key than the embedded one, changed, garbled, not a JWS', async () => {
    const nonce = await freshNonce(url);
    const forger = new ProofKey();
    const claims = { ath: b64(hash('sha256', utf8(token))) };
    const other = proofOf({ key: forger, token, header: { jwk: key.jwk }, claims }, nonce);
    expect(await attempt({ proof: other })).toBe('401 proof-signature');
    const [header = '', payload = '', signature = ''] = proofOf({ key, token }, nonce).split('.');
    const changed = b64(utf8(Buffer.from(payload, 'base64url').toString().replace('"jti":"', '"jti":"x')));
    expect(await attempt({ proof: `${header}.${changed}.${signature}` })).toBe('401 proof-signature');
    expect(await attempt({ proof: `${header}.${payload}.${b64(Buffer.alloc(64))}` })).toBe('401 proof-signature');
    const der = b64(sign('sha256', utf8(`${header}.${payload}`), key.pair.privateKey));
    expect(await attempt({ proof: `${header}.${payload}.${der}` })).toBe('401 proof-signature');
    for (const junk of [
      'x',
      'a.b.c',
      `${header}.${payload}`,
      `${header}.${payload}.${signature}.x`,
      'bnVsbA.bnVsbA.AA',
    ]) {
      expect(await attempt({ proof: junk }), junk).toBe('401 proof-malformed');
    }
    expect(await attempt({ proof: '' })).toMatch(/^401 proof-(missing|malformed)$/);
    expect(await withHeader({ crit: ['exp'], exp: 1 })).toMatch(/^401 proof-/);
  });

  it('an unencoded payload (RFC 7797 §7: never in a JWT) is refused', async () => {
    expect(await withHeader({ crit: ['b64'], b64: false })).toMatch(/^401 proof-/);
  });

  it('with a member twice: what is read is what is signed', async () => {
    const nonce = await freshNonce(url);
    const claims = Buffer.from(proofOf({ key, token }, nonce).split('.')[1] ?? '', 'base64url').toString();
    const header = b64(utf8(JSON.stringify({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk })));
    const twice = b64(utf8(claims.replace('"htm":"GET"', '"htm":"GET","htm":"POST"')));
    const signature = sign('sha256', utf8(`${header}.${twice}`), {
      key: key.pair.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    expect(await attempt({ proof: `${header}.${twice}.${b64(signature)}` })).toMatch(/^401 proof-(method|malformed)$/);
  });

  it('two proofs, two tokens', async () => {
    const proofs = [proofOf({ key, token }, await freshNonce(url)), proofOf({ key, token }, await freshNonce(url))];
    expect(await attempt({ proof: proofs.join(', ') })).toBe('401 proof-malformed');
    const twice = (headers: Record<string, string | string[]>): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const sent = request(`${url}/v1/caller`, { headers }, (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        });
        sent.on('error', reject).end();
      });
    const authorization = `DPoP ${token}`;
    const both = await twice({ authorization, dpop: proofs });
    expect([both.status, JSON.parse(both.text).check]).toEqual([401, 'proof-malformed']);
    // Node joins or drops a second Authorization before any code of the service sees it; it must not be the one that counts.
    const evil = world.south.token('alice@south', key.jkt);
    const tokens = await twice({ authorization: [authorization, `DPoP ${evil}`], dpop: proofs[0] ?? '' });
    expect(tokens.text).not.toContain('south');
    expect([200, 400, 401]).toContain(tokens.status);
  });

  it.each([
    ['a jti that is too long', { jti: 'x'.repeat(129) }],
    ['no jti', { jti: undefined }],
    ['a jti that is no string', { jti: 12345678901234567890n.toString().split('') }],
    ['a short request id', { bulla_request: 'x'.repeat(15) }],
    ['a long request id', { bulla_request: 'x'.repeat(65) }],
    ['a request id with a line break', { bulla_request: `${'x'.repeat(16)}\n{"level":60}` }],
    ['a key without a transport key', { bulla_key: b64(Buffer.alloc(97, 4)) }],
  ])('%s', async (_, claims) => {
    expect(await withClaims(claims)).toBe('401 proof-claims');
  });
});

describe('§4.1 the session in a proof', () => {
  const point = (): Buffer => pointOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey);
  const kid = async (): Promise<string> => (await world.client('alice@north').discover()).transport_keys[0]?.kid ?? '';

  it('§4.6 a point off the curve, the point at infinity, a compressed point: transport-key', async () => {
    const bulla_transport = await kid();
    const off = point();
    off.writeUInt8((off[96] ?? 0) ^ 1, 96);
    const points = [off, Buffer.concat([Buffer.of(4), Buffer.alloc(96)]), Buffer.alloc(97), Buffer.alloc(97, 0xff)];
    for (const bytes of points) {
      const claims = { bulla_key: b64(bytes), bulla_transport };
      expect(await withClaims(claims), bytes.toString('hex', 0, 4)).toBe('401 transport-key');
    }
    const compressed = Buffer.concat([Buffer.of(2), point().subarray(1, 49)]);
    expect(await withClaims({ bulla_key: b64(compressed), bulla_transport })).toMatch(
      /^401 (transport-key|proof-claims)$/,
    );
    expect(await withClaims({ bulla_key: b64(point()), bulla_transport })).toBe('200 ok');
  });

  it('§3.3 the data plane does not answer without one', async () => {
    const body = JSON.stringify({ items: [{ key: 'alias:x' }] });
    for (const operation of ['generate-data-key', 'generate-data-key-without-plaintext', 'wrap', 'unwrap', 'rewrap']) {
      const what = { method: 'POST', path: `/v1/data-keys/${operation}`, body };
      expect(await attempt(what), operation).toBe('401 proof-claims');
    }
  });
});

it('a token and a proof from the wire are of no use at another place of the same issuer', async () => {
  // The proof names this service: another one with the same audience refuses it, and the other way round.
  const proof = signJws(
    { alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk } as { alg: string },
    { jti: b64(randomBytes(24)), htm: 'GET', htu: 'https://replica.example/v1/caller', iat: now(), aud: audience },
    key.pair.privateKey,
  );
  expect(await attempt({ proof })).toMatch(/^401 proof-(url|claims)$/);
});
