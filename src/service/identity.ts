/** Who the key service is: the pinned identity and the documents that it signs, `docs/key-service.md` §2 and §7.5. */

import { compactVerify } from 'jose';
import { isPoint, pointLength } from '../crypto/ecdh.ts';
import { thumbprint } from '../crypto/thumbprint.ts';
import { KeyServiceError } from '../errors.ts';
import { decodeBase64url, encodeBase64url } from '../lib/base64url.ts';

import type { Bytes } from '../types.ts';
import { arrayField, asObject, bytesField, integerField, type JsonObject, parseObject, stringField } from './answer.ts';

/** The public identity key of a key service. */
export interface IdentityKey {
  readonly kty: 'EC';
  readonly crv: 'P-384';
  readonly x: string;
  readonly y: string;
}

/** A transport key of the service (§4). */
export interface TransportKey {
  readonly kid: string;
  readonly point: Bytes;
}

/** What the discovery document says (§2.3). */
export interface ServiceDocument {
  readonly identity: IdentityKey;
  readonly serviceId: string;
  readonly audience: string;
  /** Unix seconds. */
  readonly issued: number;
  /** Unix seconds. */
  readonly expires: number;
  readonly serial: number;
  readonly transportKey: TransportKey;
  readonly maxItems: number;
  readonly maxBodyBytes: number;
  /** The C2SP key that verifies checkpoints of the audit log (§8.5). */
  readonly auditVerifierKey: string | undefined;
}

/** What the document of a key says (§7.5). */
export interface KeyDocument {
  readonly serviceId: string;
  readonly tenant: string;
  readonly keyId: string;
  /** Unix seconds. */
  readonly expires: number;
  /** The revision of the key. */
  readonly serial: number;
  readonly newestVersion: number;
  readonly floor: number;
  /** The version to wrap to. */
  readonly version: number;
  /** Its P-384 point. */
  readonly point: Bytes;
}

/** How a signed document is judged. */
export interface Verification {
  /** The external URL that it must be from. */
  readonly url: string;
  /** Unix seconds at which it must be valid; one of them is enough (the clock of this device, and that corrected by what the service says). */
  readonly times: readonly number[];
}

/** Seconds by which clocks may differ in any case. */
const leeway = 60;
/** §2.3: seconds that a transport key may be kept for. */
const maxTransportKeyLifetime = 86_400;
const coordinate = 48;

/** `ERR_SERVICE_IDENTITY` */
export function untrusted(what: string, cause?: unknown): KeyServiceError {
  const details = cause === undefined ? {} : { cause };
  return new KeyServiceError('ERR_SERVICE_IDENTITY', `The key service is not trusted: ${what}`, details);
}

/** The identity key in the answer of §2.2, when it is the pinned one (§2.4). `pin` is `undefined` for a service on loopback that is not pinned. */
export async function assertIdentity(value: unknown, pin: string | undefined): Promise<IdentityKey> {
  const { kty, crv, x, y } = asObject(value, 'identity');
  const lengths = [x, y].map((part) => (typeof part === 'string' ? decodeBase64url(part)?.byteLength : undefined));
  if (kty !== 'EC' || crv !== 'P-384' || lengths.some((length) => length !== coordinate)) {
    throw untrusted('its identity is no P-384 key');
  }
  const identity = { kty, crv, x: x as string, y: y as string } as const;
  const found = await keyThumbprint(identity);
  if (pin !== undefined && found !== pin) throw untrusted(`its identity is ${found}, pinned is ${pin}`);
  return identity;
}

/** The RFC 7638 thumbprint of a P-384 key. */
export function keyThumbprint({ crv, kty, x, y }: IdentityKey): Promise<string> {
  return thumbprint({ crv, kty, x, y });
}

/** §2.3, §2.4: the discovery document, when it is signed by the identity, from the configured URL and valid now. */
export async function verifyServiceDocument(
  document: string,
  identity: IdentityKey,
  verification: Verification,
): Promise<ServiceDocument> {
  const claims = await verifySigned(document, 'bulla-service+jwt', identity, verification);
  const limits = asObject(claims['limits'], 'limits');
  const audit = typeof claims['audit'] === 'object' ? (claims['audit'] as JsonObject | null) : null;
  return {
    identity,
    serviceId: stringField(claims, 'service_id'),
    audience: stringField(claims, 'audience'),
    issued: integerField(claims, 'iat'),
    expires: integerField(claims, 'exp'),
    serial: integerField(claims, 'serial'),
    transportKey: await newestTransportKey(claims, verification),
    maxItems: integerField(limits, 'items', 1),
    maxBodyBytes: integerField(limits, 'body_bytes', 4096),
    auditVerifierKey: typeof audit?.['verifier_key'] === 'string' ? audit['verifier_key'] : undefined,
  };
}

/** §7.5: the document that publishes the public key of a key encryption key. */
export async function verifyKeyDocument(
  document: string,
  identity: IdentityKey,
  verification: Verification,
): Promise<KeyDocument> {
  const claims = await verifySigned(document, 'bulla-key+jwt', identity, verification);
  const newestVersion = integerField(claims, 'newest_version', 1, 2 ** 32 - 1);
  const active = arrayField(claims, 'keys').map((key) => asObject(key, 'keys[]'));
  const key = active.find((entry) => entry['version'] === newestVersion);
  if (key === undefined) throw untrusted('the document of the key lacks its newest version');
  const point = bytesField(key, 'key', pointLength);
  if (!isPoint(point)) throw untrusted('the public key of the key is no point on P-384');
  return {
    serviceId: stringField(claims, 'service_id'),
    tenant: stringField(claims, 'tenant'),
    keyId: stringField(claims, 'key_id'),
    expires: integerField(claims, 'exp'),
    serial: integerField(claims, 'serial'),
    newestVersion,
    floor: integerField(claims, 'floor', 1, newestVersion),
    version: newestVersion,
    point,
  };
}

async function verifySigned(
  document: string,
  typ: string,
  identity: IdentityKey,
  { url, times }: Verification,
): Promise<JsonObject> {
  const { payload, header } = await verifySignature(document, identity);
  if (header.typ !== typ) throw untrusted(`its document has the type ${header.typ}, not ${typ}`);
  if (header.kid !== (await keyThumbprint(identity))) throw untrusted('its document names another identity');
  const claims = parseObject(payload);
  if (claims['iss'] !== url) throw untrusted(`its document is for ${String(claims['iss']).slice(0, 200)}, not ${url}`);
  const issued = integerField(claims, 'iat') - leeway;
  const expires = integerField(claims, 'exp') + leeway;
  if (!times.some((time) => issued <= time && time < expires)) {
    throw untrusted('its document is not valid now; the clock of this device may be wrong');
  }
  return claims;
}

async function verifySignature(document: string, identity: IdentityKey) {
  try {
    const { payload, protectedHeader } = await compactVerify(document, { ...identity }, { algorithms: ['ES384'] });
    return { payload: new Uint8Array(payload), header: protectedHeader };
  } catch (cause) {
    throw untrusted('the signature of its document is wrong', cause);
  }
}

/** §2.3: the first is the newest. Its `kid` must be its own thumbprint: the proof names the key by it. */
async function newestTransportKey(claims: JsonObject, { times }: Verification): Promise<TransportKey> {
  const first = asObject(arrayField(claims, 'transport_keys')[0], 'transport_keys[0]');
  const point = bytesField(first, 'key', pointLength);
  const kid = stringField(first, 'kid');
  if (!isPoint(point)) throw untrusted('its transport key is no point on P-384');
  if (kid !== (await pointThumbprint(point))) throw untrusted('its transport key has the id of another');
  const expires = integerField(first, 'exp') + leeway;
  if (!times.some((time) => time < expires)) throw untrusted('its transport key has expired');
  // §2.4: one that is kept for longer is not erased in time.
  const latest = expires - maxTransportKeyLifetime - 2 * leeway;
  if (!times.some((time) => time > latest)) throw untrusted('its transport key would be kept for more than a day');
  return { kid, point };
}

async function pointThumbprint(point: Bytes): Promise<string> {
  const x = encodeBase64url(point.subarray(1, 1 + coordinate));
  const y = encodeBase64url(point.subarray(1 + coordinate));
  return keyThumbprint({ kty: 'EC', crv: 'P-384', x, y });
}
