/** The keyring of a symmetric key in AWS KMS, `docs/format.md` §8.8. */

import { KeyError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { arrayOf, func, nested, optional, type ReadersOf, takeOptions, takeText } from '../lib/options.ts';
import { isSecure } from '../lib/secure-url.ts';
import type { KeyContext } from '../types.ts';
import { type AwsSdk, awsCalls } from './aws-calls.ts';
import type { AwsCredentials } from './aws-credentials.ts';
import { type AwsKey, awsKey, takeReference, takeRegion } from './aws-references.ts';
import type { Keyring } from './keyring.ts';
import { type ProviderCallOptions, providerCallReaders } from './provider-calls.ts';
import { heldKeys, type ProviderKey, providerKeyring, takeOthers, takeProviderKeyContext } from './provider-keyring.ts';

export type { AwsCredentials } from './aws-credentials.ts';

/** Options of {@link awsKmsKeyring}. */
export interface AwsKmsKeyringOptions extends ProviderCallOptions {
  /**
   * The key: its id, its ARN, or an alias (`alias/orders`, or the ARN of one), for encrypting and decrypting. With an alias, new data keys are wrapped under the key that it points to, and a person who may move it chooses that key: prefer the
   * ARN of the key.
   */
  readonly keyId: string;
  /**
   * Regions in the order in which they are asked, 1 to 8: where one cannot be reached or answer, the next one is asked. Several of them need a multi-Region key (`mrk-…`), or an alias that leads to the
   * same multi-Region key in each.
   */
  readonly regions: readonly string[];
  /** The name of the key in messages, after `aws-kms:`. Readers need the same name. It need not tell the account. Default: `keyId`. */
  readonly name?: string | undefined;
  /** Further keys to decrypt with, at most 8, as `keyId`: what was wrapped under them, by `name` or by their own ids. Such as the keys that an alias led to before. Default: none. */
  readonly decryptKeyIds?: readonly string[] | undefined;
  /**
   * Bound to every wrapped key, and what a wrapped key must have to be opened. It is in the encryption context, so policies can demand it and CloudTrail shows it. No name begins with `aws:` or `bulla:`. Default: empty.
   */
  readonly keyContext?: KeyContext | undefined;
  /** Credentials, or a function that gives them; providers of the SDK are such functions. They stand for one identity. Default: what the SDK finds by itself. */
  readonly credentials?: AwsCredentials | (() => Promise<AwsCredentials>) | undefined;
  /** Another endpoint, such as a VPC endpoint: `https:`, or `http:` on loopback. With one region only. Default: that of the region. */
  readonly endpoint?: string | undefined;
}

const mostRegions = 8;
/** Of `CiphertextBlob` (AWS KMS API Reference, Decrypt). */
const mostBlobBytes = 6_144;

const credentialReaders = {
  accessKeyId: takeText,
  secretAccessKey: takeText,
  sessionToken: optional(takeText),
  expiration: optional((value: unknown, name: string): Date => {
    assert(value instanceof Date && !Number.isNaN(value.getTime()), name, 'a Date');
    return new Date(value);
  }),
} satisfies ReadersOf<AwsCredentials>;

function takeCredentials(value: unknown, name: string): AwsCredentials | (() => Promise<AwsCredentials>) {
  if (typeof value === 'function') return func<() => Promise<AwsCredentials>>()(value, name);
  return nested(credentialReaders)(value, name);
}

function takeEndpoint(value: unknown, name: string): string {
  assert(typeof value === 'string' && URL.canParse(value), name, 'an absolute URL');
  const url = new URL(value);
  assert(isSecure(url), name, 'https:, or http: on loopback');
  assert(url.username + url.password + url.search + url.hash === '', name, 'without user, query and fragment');
  return url.href;
}

function takeAwsKeyContext(value: unknown, name: string): KeyContext {
  const keyContext = takeProviderKeyContext(value, name);
  const isFree = Object.keys(keyContext).every((each) => !each.startsWith('aws:'));
  assert(isFree, name, 'without names that begin with "aws:"');
  return keyContext;
}

const readers = {
  ...providerCallReaders,
  keyId: takeReference,
  regions: arrayOf(takeRegion, 1),
  name: optional(takeText),
  decryptKeyIds: optional(takeOthers(takeReference), []),
  keyContext: takeAwsKeyContext,
  credentials: optional(takeCredentials),
  endpoint: optional(takeEndpoint),
} satisfies ReadersOf<AwsKmsKeyringOptions>;

/**
 * Makes a keyring whose key AWS KMS holds: a symmetric key (`SYMMETRIC_DEFAULT`). KMS wraps each data key by `Encrypt` and unwraps it by `Decrypt`, always with the configured key id, whatever a message says; calls for the
 * same data key are one. Needs the package `@aws-sdk/client-kms`, an optional peer that is loaded here. The identity needs `kms:Encrypt` and `kms:Decrypt` on the key, and nothing else.
 *
 * Rejects with a `TypeError` that names a wrong option, and with `ERR_KEYRING_CANNOT` where the package is not installed. The keyring's methods reject with `ERR_DECRYPTION_FAILED`, and with a
 * `KeyServiceError` whose `problem` is the name of the error at AWS: `ERR_NOT_ALLOWED` (or no such key), `ERR_KEY_DISABLED`, `ERR_KEY_PENDING_DELETION`, `ERR_TOKEN_UNAVAILABLE` (no credentials),
 * `ERR_TOKEN_EXPIRED`, `ERR_TOKEN_REFUSED`, `ERR_THROTTLED`, `ERR_SERVICE_UNAVAILABLE`, `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_TIMEOUT`, `ERR_SERVICE_REQUEST` and `ERR_SERVICE_ANSWER`.
 *
 * @example
 * const keyId = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
 * const keyring = await awsKmsKeyring({ keyId, regions: ['eu-central-1'], keyContext: { tenant: 'north' } });
 * const message = await encrypt(order, { keyring, context: { order: '4711' } });
 */
export async function awsKmsKeyring(options: AwsKmsKeyringOptions): Promise<Keyring> {
  const { keyId, regions, name = keyId, decryptKeyIds, keyContext, ...settings } = takeOptions(options, readers);
  assert(regions.length <= mostRegions, 'regions', `at most ${mostRegions}`);
  assert(new Set(regions).size === regions.length, 'regions', 'different from each other');
  assert(settings.endpoint === undefined || regions.length === 1, 'endpoint', 'given with one region only');
  const own = awsKey(keyId, regions, 'keyId');
  const others = decryptKeyIds.map((each, i) => awsKey(each, regions, `decryptKeyIds[${i}]`));
  const calls = awsCalls(await loadSdk(), regions, settings);
  const keyOf = (id: string, key: AwsKey): ProviderKey => ({
    keyId: id,
    accepts: ({ byteLength }) => byteLength <= mostBlobBytes,
    encrypt: (plaintext, bound, signal) => calls.encrypt(key, plaintext, bound, signal),
    decrypt: (ciphertext, bound, signal) => calls.decrypt(key, ciphertext, bound, signal),
  });
  const keys = heldKeys('aws-kms', { name, own, others, ownNameOf: ({ reference }) => reference }, keyOf);
  return providerKeyring({ keys, keyContext });
}

async function loadSdk(): Promise<AwsSdk> {
  return import('@aws-sdk/client-kms').catch((cause: unknown) => {
    const message = 'awsKmsKeyring needs the package @aws-sdk/client-kms, an optional peer of bulla: install it';
    throw new KeyError('ERR_KEYRING_CANNOT', message, { cause });
  });
}
