// A fake of AWS KMS, strict about what its API Reference says: fields, lengths, SigV4, encryption contexts, states of keys, and the bodies of its errors. It is driven through the official SDK.

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { type AwsKmsKeyringOptions, awsKmsKeyring } from '../../src/keyrings/aws-kms.ts';
import type { Bytes } from '../../src/types.ts';
import { demand, type FakeReply, type FakeRequest, type HttpProvider, startHttpProvider } from './http-provider.ts';
import type { CommonOptions, FakeProvider } from './providers.ts';

const account = '111122223333';
const accessKeyId = 'AKIAIOSFODNN7EXAMPLE';
const secretAccessKey = 'secret-of-the-fake';

interface AwsFakeKey {
  readonly id: string;
  readonly secret: Buffer;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport';
}

/** The fake, with what an administrator can do to it. */
export interface FakeAwsKms extends FakeProvider {
  readonly http: HttpProvider;
  readonly ids: { readonly one: string; readonly two: string; readonly everywhere: string };
  key(id: string): AwsFakeKey;
  /** What aliases lead to, by region and alias. */
  readonly aliases: Map<string, string>;
  /** Has answers name another key. */
  claim(arn: string | undefined): void;
  arn(id: string, region?: string): string;
  /** How many milliseconds its clock is ahead. */
  skew(milliseconds: number): void;
  options(more?: Partial<AwsKmsKeyringOptions>): AwsKmsKeyringOptions;
}

const home = 'eu-central-1';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();

function failure(name: string, message: string, status = 400): FakeReply {
  const headers = { 'Content-Type': 'application/x-amz-json-1.1', 'x-amzn-RequestId': 'a-request-of-the-fake' };
  return { status, headers, body: { __type: name, message } };
}

/** The region that a request is signed for; AWS Signature Version 4, checked to the last byte. */
function signedFor({ method, path, headers, body }: FakeRequest): string {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([\w-]+)\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, id, day = '', region = '', names = '', signature] = parts.exec(headers['authorization'] ?? '') ?? [];
  demand(id === accessKeyId, `Authorization ${headers['authorization']}`);
  const signed = names.split(';');
  for (const name of ['host', 'x-amz-date', 'x-amz-target']) demand(signed.includes(name), `${name} is not signed`);
  const canonicalHeaders = signed.map((name) => `${name}:${String(headers[name]).trim()}\n`).join('');
  const canonical = [method, path, '', canonicalHeaders, names, sha256(body)].join('\n');
  const date = String(headers['x-amz-date']);
  demand(date.startsWith(day), 'x-amz-date of another day');
  const scope = `${day}/${region}/kms/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = [region, 'kms', 'aws4_request'].reduce<Buffer>(hmac, hmac(`AWS4${secretAccessKey}`, day));
  demand(hmac(key, toSign).toString('hex') === signature, 'a signature that is wrong');
  return region;
}

const contextBytes = (context: Record<string, string>) =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))));

/** Starts a fake with two keys, and one that is in every region. */
export async function startFakeAwsKms(): Promise<FakeAwsKms> {
  const newKey = (id: string): [string, AwsFakeKey] => [id, { id, secret: randomBytes(32), state: 'Enabled' }];
  const ids = {
    one: '1234abcd-12ab-34cd-56ef-1234567890ab',
    two: '0987dcba-09fe-87dc-65ba-ab0987654321',
    everywhere: 'mrk-1234abcd12ab34cd56ef1234567890ab',
  };
  const keys = new Map(Object.values(ids).map(newKey));
  const aliases = new Map([[`${home} alias/orders`, ids.one]]);
  const seen: Bytes[] = [];
  let claimed: string | undefined;
  let ahead = 0;
  const arnOf = (id: string, region = home) => `arn:aws:kms:${region}:${account}:key/${id}`;

  const find = (keyId: unknown, region: string): AwsFakeKey | undefined => {
    demand(typeof keyId === 'string' && keyId.length >= 1 && keyId.length <= 2048, 'no KeyId');
    const [, arnRegion, resource = keyId] = new RegExp(`^arn:aws:kms:([\\w-]+):${account}:(.+)$`).exec(keyId) ?? [];
    if (arnRegion !== undefined && arnRegion !== region) return undefined;
    const id = resource.startsWith('alias/') ? aliases.get(`${region} ${resource}`) : resource.replace(/^key\//, '');
    const key = keys.get(id ?? '');
    return key !== undefined && (region === home || key.id.startsWith('mrk-')) ? key : undefined;
  };
  const refusalOf = (key: AwsFakeKey, region: string): FakeReply | undefined => {
    const arn = arnOf(key.id, region);
    if (key.state === 'Disabled') return failure('DisabledException', `${arn} is disabled.`);
    if (key.state === 'PendingDeletion') return failure('KMSInvalidStateException', `${arn} is pending deletion.`);
    return key.state === 'Enabled' ? undefined : failure('KMSInvalidStateException', `${arn} is pending import.`);
  };
  const dated = ({ headers, ...reply }: FakeReply): FakeReply => ({
    ...reply,
    headers: { ...headers, Date: new Date(Date.now() + ahead).toUTCString() },
  });
  const success = (body: object): FakeReply => ({
    status: 200,
    headers: { 'Content-Type': 'application/x-amz-json-1.1', 'x-amzn-RequestId': 'a-request-of-the-fake' },
    body,
  });
  const encrypt = (key: AwsFakeKey, region: string, input: Record<string, unknown>): FakeReply => {
    const plaintext = Buffer.from(String(input['Plaintext']), 'base64');
    demand(plaintext.length >= 1 && plaintext.length <= 4096, `Plaintext of ${plaintext.length} bytes`);
    seen.push(new Uint8Array(plaintext));
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key.secret, iv);
    cipher.setAAD(contextBytes(input['EncryptionContext'] as Record<string, string>));
    const sealed = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
    // The real one has metadata in front, the key's id among them.
    const blob = Buffer.concat([Buffer.from(key.id.padEnd(40)), iv, ...sealed]).toString('base64');
    return success({
      CiphertextBlob: blob,
      KeyId: claimed ?? arnOf(key.id, region),
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    });
  };
  const decrypt = (
    key: AwsFakeKey,
    region: string,
    input: Record<string, unknown>,
    lie: (plaintext: Bytes) => Bytes,
  ): FakeReply => {
    const blob = Buffer.from(String(input['CiphertextBlob']), 'base64');
    demand(blob.length >= 1 && blob.length <= 6144, `CiphertextBlob of ${blob.length} bytes`);
    const id = blob.subarray(0, 40).toString('latin1').trim();
    if (blob.length < 68 || !keys.has(id)) return failure('InvalidCiphertextException', '');
    if (id !== key.id)
      return failure(
        'IncorrectKeyException',
        'The key ID in the request does not identify a CMK that can perform this operation.',
      );
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.secret, blob.subarray(40, 52));
      decipher.setAAD(contextBytes(input['EncryptionContext'] as Record<string, string>));
      decipher.setAuthTag(blob.subarray(-16));
      const plaintext = new Uint8Array(Buffer.concat([decipher.update(blob.subarray(52, -16)), decipher.final()]));
      seen.push(plaintext);
      return success({
        Plaintext: Buffer.from(lie(plaintext)).toString('base64'),
        KeyId: claimed ?? arnOf(key.id, region),
        EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      });
    } catch {
      return failure('InvalidCiphertextException', '');
    }
  };

  const http = await startHttpProvider({
    operation({ headers }) {
      const [, operation] = /^TrentService\.(Encrypt|Decrypt)$/.exec(String(headers['x-amz-target'])) ?? [];
      demand(operation !== undefined, `X-Amz-Target ${headers['x-amz-target']}`);
      return operation === 'Encrypt' ? 'encrypt' : 'decrypt';
    },
    answer(request, lie) {
      demand(request.method === 'POST' && request.path === '/', `${request.method} ${request.path}`);
      demand(request.headers['content-type'] === 'application/x-amz-json-1.1', 'another Content-Type');
      const region = signedFor(request);
      const date = String(request.headers['x-amz-date']).replace(/(....)(..)(..T..)(..)/, '$1-$2-$3:$4:');
      const now = Date.now() + ahead;
      if (Math.abs(Date.parse(date) - now) > 300_000) {
        return dated(failure('InvalidSignatureException', `Signature expired: ${date}`));
      }
      const input = JSON.parse(request.body) as Record<string, unknown>;
      const isEncrypt = request.headers['x-amz-target'] === 'TrentService.Encrypt';
      const fields = ['EncryptionAlgorithm', 'EncryptionContext', 'KeyId', isEncrypt ? 'Plaintext' : 'CiphertextBlob'];
      demand(Object.keys(input).sort().join() === fields.sort().join(), `fields ${Object.keys(input)}`);
      demand(input['EncryptionAlgorithm'] === 'SYMMETRIC_DEFAULT', 'another algorithm');
      const context = input['EncryptionContext'] as Record<string, unknown>;
      demand(/^[\w-]{64}$/.test(String(context['bulla:binding'])), 'no bulla:binding');
      for (const value of Object.values(context)) demand(typeof value === 'string', 'a context that has no strings');
      const key = find(input['KeyId'], region);
      if (key === undefined) return failure('NotFoundException', `Key '${arnOf('?', region)}' does not exist`);
      return dated(
        refusalOf(key, region) ?? (isEncrypt ? encrypt(key, region, input) : decrypt(key, region, input, lie)),
      );
    },
    refuse(fault) {
      const arn = arnOf(ids.one);
      switch (fault) {
        case 'denied':
          return failure(
            'AccessDeniedException',
            `User: arn:aws:iam::${account}:user/a is not authorized to perform: kms:Decrypt on resource: ${arn}`,
          );
        case 'no such key':
          return failure('NotFoundException', `Key '${arn}' does not exist`);
        case 'disabled':
          return failure('DisabledException', `${arn} is disabled.`);
        case 'pending deletion':
          return failure('KMSInvalidStateException', `${arn} is pending deletion.`);
        case 'expired credentials':
          return failure('ExpiredTokenException', 'The security token included in the request is expired');
        case 'refused credentials':
          return failure('UnrecognizedClientException', 'The security token included in the request is invalid.');
        case 'throttled':
          return failure('ThrottlingException', 'You have exceeded the rate at which you may call KMS.');
        case 'unavailable':
          return failure('KMSInternalException', '', 500);
        default:
          throw new Error(`AWS KMS knows no ${fault}`);
      }
    },
  });
  const options = (more: Partial<AwsKmsKeyringOptions> = {}): AwsKmsKeyringOptions => ({
    keyId: arnOf(ids.one),
    regions: [home],
    endpoint: http.url,
    credentials: { accessKeyId, secretAccessKey },
    retry: { limit: 2, delay: 0 },
    ...more,
  });
  return {
    ...http,
    get calls() {
      return http.calls;
    },
    reset() {
      claimed = undefined;
      ahead = 0;
      http.reset();
    },
    http,
    provider: 'aws-kms',
    codes: {
      denied: 'ERR_NOT_ALLOWED',
      'no such key': 'ERR_NOT_ALLOWED',
      disabled: 'ERR_KEY_DISABLED',
      'pending deletion': 'ERR_KEY_PENDING_DELETION',
      'expired credentials': 'ERR_TOKEN_EXPIRED',
      'refused credentials': 'ERR_TOKEN_REFUSED',
      throttled: 'ERR_THROTTLED',
      unavailable: 'ERR_SERVICE_UNAVAILABLE',
      unreachable: 'ERR_SERVICE_UNREACHABLE',
      silent: 'ERR_SERVICE_TIMEOUT',
      nonsense: 'ERR_SERVICE_ANSWER',
    },
    keyring: async ({ key = 'one', ...common }: CommonOptions = {}) =>
      awsKmsKeyring(options({ keyId: arnOf(ids[key]), ...common } as Partial<AwsKmsKeyringOptions>)),
    seen,
    ids,
    key: (id) => keys.get(id) as AwsFakeKey,
    aliases,
    claim: (arn) => {
      claimed = arn;
    },
    arn: arnOf,
    skew: (milliseconds) => {
      ahead = milliseconds;
    },
    options,
  };
}
