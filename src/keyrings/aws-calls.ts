/** Calls of AWS KMS through its SDK: `Encrypt` and `Decrypt` (AWS KMS API Reference), in the regions of a configuration, with errors as this package has them. */

import { DecryptionError, isBullaError, KeyServiceError, type KeyServiceErrorCode } from '../errors.ts';
import { encodeBase64url } from '../lib/base64url.ts';
import { copy } from '../lib/bytes.ts';
import { visible } from '../lib/display.ts';
import { reasonOf } from '../lib/reason.ts';
import type { Bytes } from '../types.ts';
import type { AwsCredentials } from './aws-credentials.ts';
import type { AwsKey } from './aws-references.ts';
import { type ProviderCallSettings, providerCalls } from './provider-calls.ts';
import type { Bound } from './provider-keyring.ts';

/** How the SDK is used. */
export interface AwsSettings extends ProviderCallSettings {
  readonly credentials: AwsCredentials | (() => Promise<AwsCredentials>) | undefined;
  readonly endpoint: string | undefined;
}

/** What AWS KMS does. Both reject as `awsKmsKeyring` says. */
export interface AwsCalls {
  encrypt(key: AwsKey, plaintext: Bytes, bound: Bound, signal: AbortSignal | undefined): Promise<Bytes>;
  decrypt(key: AwsKey, ciphertext: Bytes, bound: Bound, signal: AbortSignal): Promise<Bytes>;
}

/** The package of the SDK. */
export type AwsSdk = typeof import('@aws-sdk/client-kms');

const algorithm = 'SYMMETRIC_DEFAULT';
const maxDetail = 300;

/** Calls in the first of the regions that answers: each attempt asks the next one. */
export function awsCalls(sdk: AwsSdk, regions: readonly string[], settings: AwsSettings): AwsCalls {
  const { endpoint, retry } = settings;
  const credentials = credentialsOf(settings);
  const clients = regions.map((region) => ({
    region,
    // Repetitions and time limits are those of providerCalls.
    client: new sdk.KMSClient({
      ...{ region, maxAttempts: 1 },
      ...(credentials && { credentials }),
      ...(endpoint === undefined ? {} : { endpoint }),
    }),
  }));
  const limit = Math.max(retry.limit, regions.length - 1);
  const call = providerCalls('AWS KMS', { ...settings, retry: { ...retry, limit } });

  const ask = <Output extends Answered>(
    operation: 'Encrypt' | 'Decrypt',
    key: AwsKey,
    signal: AbortSignal | undefined,
    send: (client: Client, keyId: string, options: { abortSignal: AbortSignal }) => Promise<Output>,
  ): Promise<Output> => {
    let attempts = 0;
    const attempt = async (abortSignal: AbortSignal) => {
      const { region, client } = clients[attempts++ % clients.length] as (typeof clients)[number];
      const output = await sent(() => send(client, key.in(region), { abortSignal }), abortSignal, operation);
      if (key.is(output.KeyId ?? '', region)) return output;
      erase(output);
      throw badAnswer('it is of another key than the configured one');
    };
    return call(`aws-kms ${operation}`, 1, signal, attempt, erase);
  };
  return {
    async encrypt(key, plaintext, bound, signal) {
      const { CiphertextBlob: blob } = await ask('Encrypt', key, signal, (client, keyId, options) => {
        const input = { KeyId: keyId, Plaintext: plaintext, EncryptionContext: contextOf(bound) };
        return client.send(new sdk.EncryptCommand({ ...input, EncryptionAlgorithm: algorithm }), options);
      });
      if (blob === undefined || blob.byteLength === 0) throw badAnswer('CiphertextBlob is missing');
      return copy(blob);
    },
    async decrypt(key, ciphertext, bound, signal) {
      const { Plaintext: plaintext } = await ask('Decrypt', key, signal, (client, keyId, options) => {
        const input = { KeyId: keyId, CiphertextBlob: ciphertext, EncryptionContext: contextOf(bound) };
        return client.send(new sdk.DecryptCommand({ ...input, EncryptionAlgorithm: algorithm }), options);
      });
      if (plaintext === undefined) throw badAnswer('Plaintext is missing');
      const taken = copy(plaintext);
      plaintext.fill(0);
      return taken;
    },
  };
}

/** What an answer may have. */
interface Answered {
  readonly KeyId?: string | undefined;
  readonly Plaintext?: Uint8Array | undefined;
}

function erase({ Plaintext: plaintext }: Answered): void {
  plaintext?.fill(0);
}

type Client = InstanceType<AwsSdk['KMSClient']>;

/** §8.11a */
function contextOf({ keyContext, digest }: Bound): Record<string, string> {
  return { ...keyContext, 'bulla:binding': encodeBase64url(digest) };
}

/** A function is the application's: what it fails with is no failure of AWS. */
function credentialsOf({ credentials }: AwsSettings) {
  if (typeof credentials !== 'function') return credentials as ConstructorCredentials | undefined;
  return async () => {
    try {
      return (await credentials()) as AwsCredentialsOfSdk;
    } catch (cause) {
      throw new KeyServiceError('ERR_TOKEN_UNAVAILABLE', 'There are no credentials: their source failed', { cause });
    }
  };
}

type ConstructorCredentials = NonNullable<NonNullable<ConstructorParameters<AwsSdk['KMSClient']>[0]>['credentials']>;
type AwsCredentialsOfSdk = Exclude<ConstructorCredentials, (...args: never) => unknown>;

/** What an error of the SDK may have. */
interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { httpStatusCode?: number; requestId?: string; clockSkewCorrected?: boolean } | undefined;
}

async function sent<Output>(send: () => Promise<Output>, signal: AbortSignal, operation: string): Promise<Output> {
  try {
    return await send();
  } catch (first) {
    signal.throwIfAborted();
    // The SDK has set its clock by that of AWS.
    const again = (first as SdkError).$metadata?.clockSkewCorrected === true ? send() : Promise.reject(first);
    return again.catch((error: unknown) => {
      signal.throwIfAborted();
      throw errorOf(error as SdkError, operation);
    });
  }
}

/** By the names of errors in the AWS KMS API Reference and in the SDK. */
const codes: readonly (readonly [names: RegExp, code: KeyServiceErrorCode])[] = [
  [/^(AccessDenied|NotFound)/, 'ERR_NOT_ALLOWED'],
  [/^(Disabled|KMSInvalidState)Exception$/, 'ERR_KEY_DISABLED'],
  [/^(Expired|TokenRefreshRequired)/, 'ERR_TOKEN_EXPIRED'],
  [
    /^(UnrecognizedClient|Invalid(ClientToken|Signature|AccessKey)|SignatureDoesNot|Incomplete|MissingAuth)/,
    'ERR_TOKEN_REFUSED',
  ],
  [/^(CredentialsProvider|TokenProvider|Provider)Error$/, 'ERR_TOKEN_UNAVAILABLE'],
  [/^(Throttl|TooManyRequests|RequestLimitExceeded|LimitExceeded|SlowDown)/, 'ERR_THROTTLED'],
  [/^(KeyUnavailable|KMSInternal|DependencyTimeout)Exception$/, 'ERR_SERVICE_UNAVAILABLE'],
];

const sentences: Readonly<Partial<Record<KeyServiceErrorCode, string>>> = {
  ERR_NOT_ALLOWED: 'AWS KMS does not allow this, or has no such key',
  ERR_KEY_DISABLED: 'The key cannot be used in its state',
  ERR_KEY_PENDING_DELETION: 'The key is about to be deleted',
  ERR_TOKEN_EXPIRED: 'The credentials have expired',
  ERR_TOKEN_REFUSED: 'AWS KMS does not take the credentials',
  ERR_TOKEN_UNAVAILABLE: 'There are no credentials',
  ERR_THROTTLED: 'AWS KMS takes no more requests at the moment',
  ERR_SERVICE_UNAVAILABLE: 'AWS KMS cannot answer at the moment',
  ERR_SERVICE_UNREACHABLE: 'AWS KMS could not be reached',
  ERR_SERVICE_ANSWER: 'The answer of AWS KMS cannot be used',
};

function badAnswer(what: string): KeyServiceError {
  return new KeyServiceError('ERR_SERVICE_ANSWER', `The answer of AWS KMS cannot be used: ${what}`);
}

/** The error of a call. What AWS says is shown; what was sent is not: an error of the SDK is no cause. */
function errorOf(error: SdkError, operation: string): unknown {
  if (isBullaError(error)) return error;
  const { message, $metadata: { httpStatusCode: status, requestId } = {} } = error;
  const problem = String(error.name);
  // §8.13a
  if (operation === 'Decrypt' && /^(IncorrectKey|InvalidCiphertext)Exception$/.test(problem))
    return new DecryptionError();
  const said = String(message ?? '');
  const code = codeOf(problem, said, status, error);
  const shown = code === 'ERR_SERVICE_UNREACHABLE' ? reasonOf(error) : [problem, said].filter(Boolean).join(': ');
  const sentence = sentences[code] ?? 'AWS KMS does not take the request';
  const detail = visible(shown.slice(0, maxDetail));
  return new KeyServiceError(code, `${sentence} (${detail})`, { status, problem, requestId });
}

function codeOf(problem: string, said: string, status: number | undefined, error: unknown): KeyServiceErrorCode {
  const found = codes.find(([names]) => names.test(problem))?.[1];
  // Either of the two errors of states can mean it (AWS KMS Developer Guide, "Key states").
  if (found === 'ERR_KEY_DISABLED' && /pending ?deletion/i.test(said)) return 'ERR_KEY_PENDING_DELETION';
  if (found !== undefined) return found;
  if (status !== undefined && status >= 400) {
    if (status === 429) return 'ERR_THROTTLED';
    return status >= 500 ? 'ERR_SERVICE_UNAVAILABLE' : 'ERR_SERVICE_REQUEST';
  }
  return error instanceof SyntaxError || status !== undefined ? 'ERR_SERVICE_ANSWER' : 'ERR_SERVICE_UNREACHABLE';
}
