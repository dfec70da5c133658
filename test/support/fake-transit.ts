// A fake of the transit engine of OpenBao and Vault, strict about what its API documentation says: paths, headers, fields, base64, versions, additional data, and the words of its errors.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type TransitKeyringOptions, transitKeyring } from '../../src/keyrings/transit.ts';
import type { Bytes } from '../../src/types.ts';
import { demand, type FakeReply, type FakeRequest, type HttpProvider, startHttpProvider } from './http-provider.ts';
import type { CommonOptions, FakeProvider } from './providers.ts';

interface TransitKey {
  readonly versions: Buffer[];
  minDecryption: number;
  softDeleted: boolean;
  /** An engine of a version that knows no `associated_data` passes over it. */
  ignoresAdditionalData: boolean;
}

/** The fake, with what an operator can do to it. */
export interface FakeTransit extends FakeProvider {
  readonly http: HttpProvider;
  readonly tokens: Set<string>;
  key(name: string): TransitKey;
  rotate(name: string): void;
  options(more?: Partial<TransitKeyringOptions>): TransitKeyringOptions;
}

const errors = (status: number, ...said: string[]): FakeReply => ({ status, body: { errors: said } });
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const operations = ['encrypt', 'decrypt'] as const;

/** Starts a fake with the keys `one` and `two`. */
export async function startFakeTransit(): Promise<FakeTransit> {
  const newKey = (): TransitKey => ({
    versions: [randomBytes(32)],
    minDecryption: 1,
    softDeleted: false,
    ignoresAdditionalData: false,
  });
  const keys = new Map([
    ['one', newKey()],
    ['two', newKey()],
  ]);
  const tokens = new Set(['hvs.secret-of-the-fake']);
  const seen: Bytes[] = [];

  const encrypt = (key: TransitKey, { plaintext, associated_data: aad }: Record<string, string>) => {
    demand(base64.test(plaintext ?? ''), 'plaintext that is no base64');
    seen.push(new Uint8Array(Buffer.from(plaintext ?? '', 'base64')));
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key.versions.at(-1) as Buffer, iv);
    cipher.setAAD(key.ignoresAdditionalData ? Buffer.of() : Buffer.from(aad ?? '', 'base64'));
    const parts = [iv, cipher.update(plaintext ?? '', 'base64'), cipher.final(), cipher.getAuthTag()];
    return { ciphertext: `vault:v${key.versions.length}:${Buffer.concat(parts).toString('base64')}` };
  };
  const decrypt = (
    key: TransitKey,
    { ciphertext = '', associated_data: aad = '' }: Record<string, string>,
    lie: (plaintext: Bytes) => Bytes,
  ) => {
    const [, version, encoded = ''] = /^vault:v(\d+):(.*)$/.exec(ciphertext) ?? [];
    if (version === undefined) return { plaintext: '', error: 'invalid ciphertext: no prefix' };
    if (Number(version) > key.versions.length)
      return { plaintext: '', error: 'invalid ciphertext: version is too new' };
    if (Number(version) < key.minDecryption) {
      return { plaintext: '', error: 'ciphertext or signature version is disallowed by policy (too old)' };
    }
    if (!base64.test(encoded)) return { plaintext: '', error: 'invalid ciphertext: could not decode base64' };
    const bytes = Buffer.from(encoded, 'base64');
    if (bytes.length < 28) return { plaintext: '', error: 'invalid ciphertext: too short' };
    try {
      const decipher = createDecipheriv(
        'aes-256-gcm',
        key.versions[Number(version) - 1] as Buffer,
        bytes.subarray(0, 12),
      );
      decipher.setAAD(key.ignoresAdditionalData ? Buffer.of() : Buffer.from(aad, 'base64'));
      decipher.setAuthTag(bytes.subarray(-16));
      const plaintext = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
      seen.push(new Uint8Array(plaintext));
      return { plaintext: Buffer.from(lie(new Uint8Array(plaintext))).toString('base64') };
    } catch {
      return { plaintext: '', error: 'cipher: message authentication failed' };
    }
  };
  const parse = ({ path }: FakeRequest) => {
    const [, operation, name] = /^\/v1\/transit\/(encrypt|decrypt)\/([\w.-]+)$/.exec(path) ?? [];
    demand(operation !== undefined && name !== undefined, `path ${path}`);
    return { operation: operation as (typeof operations)[number], name };
  };
  const itemsOf = (request: FakeRequest, field: string): Record<string, string>[] => {
    const body = JSON.parse(request.body) as { batch_input?: Record<string, string>[] };
    demand(Object.keys(body).join() === 'batch_input' && Array.isArray(body.batch_input), 'a body without batch_input');
    const items = body.batch_input;
    demand(items.length >= 1 && items.length <= 128, `${items.length} items`);
    for (const item of items) {
      demand(
        Object.keys(item).sort().join() === ['associated_data', field].sort().join(),
        `fields ${Object.keys(item)}`,
      );
      const { associated_data: aad = '' } = item;
      demand(base64.test(aad) && Buffer.from(aad, 'base64').length === 48, 'associated_data of another length');
    }
    return items;
  };

  const http = await startHttpProvider({
    operation: (request) => parse(request).operation,
    answer(request, lie) {
      const { operation, name } = parse(request);
      const { headers, method } = request;
      demand(method === 'POST', `method ${method}`);
      demand(headers['x-vault-request'] === 'true', 'no X-Vault-Request');
      demand(headers['content-type'] === 'application/json', `Content-Type ${headers['content-type']}`);
      demand(headers['authorization'] === undefined && headers['cookie'] === undefined, 'other credentials');
      const token = headers['x-vault-token'];
      if (typeof token !== 'string' || !tokens.has(token)) return errors(403, 'permission denied', 'invalid token');
      const key = keys.get(name);
      if (key === undefined) return errors(400, 'encryption key not found');
      const items = itemsOf(request, operation === 'encrypt' ? 'plaintext' : 'ciphertext');
      const results = items.map((item) => {
        if (key.softDeleted)
          return {
            [operation === 'encrypt' ? 'ciphertext' : 'plaintext']: '',
            error: 'refusing to use soft-deleted key',
          };
        return operation === 'encrypt' ? encrypt(key, item) : decrypt(key, item, lie);
      });
      const status = results.some((result) => 'error' in result) ? 400 : 200;
      return { status, body: { request_id: 'fake', data: { batch_results: results } } };
    },
    refuse(fault, request) {
      switch (fault) {
        case 'denied':
          return errors(403, '1 error occurred:\n\t* permission denied\n\n');
        case 'no such key':
          return errors(400, 'encryption key not found');
        case 'disabled':
          return errors(400, 'refusing to use soft-deleted key');
        case 'version unavailable':
          return errors(400, 'ciphertext or signature version is disallowed by policy (too old)');
        case 'refused credentials':
          return errors(403, 'permission denied', 'invalid token');
        case 'throttled':
          return {
            ...errors(429, 'request path "transit": rate limit quota exceeded'),
            headers: { 'Retry-After': '0' },
          };
        case 'unavailable':
          return errors(503, 'Vault is sealed');
        default:
          throw new Error(`the transit engine knows no ${fault} of ${request.path}`);
      }
    },
  });
  const options = (more: Partial<TransitKeyringOptions> = {}): TransitKeyringOptions => ({
    url: http.url,
    key: 'one',
    token: 'hvs.secret-of-the-fake',
    retry: { limit: 2, delay: 0 },
    ...more,
  });
  return {
    ...http,
    get calls() {
      return http.calls;
    },
    http,
    provider: 'transit',
    codes: {
      denied: 'ERR_NOT_ALLOWED',
      'no such key': 'ERR_NOT_ALLOWED',
      disabled: 'ERR_KEY_DISABLED',
      'version unavailable': 'ERR_KEY_VERSION_UNAVAILABLE',
      'refused credentials': 'ERR_TOKEN_REFUSED',
      throttled: 'ERR_THROTTLED',
      unavailable: 'ERR_SERVICE_UNAVAILABLE',
      unreachable: 'ERR_SERVICE_UNREACHABLE',
      silent: 'ERR_SERVICE_TIMEOUT',
      nonsense: 'ERR_SERVICE_ANSWER',
    },
    keyring: async (common: CommonOptions = {}) => transitKeyring(options(common as Partial<TransitKeyringOptions>)),
    seen,
    tokens,
    key: (name) => keys.get(name) as TransitKey,
    rotate: (name) => void keys.get(name)?.versions.push(randomBytes(32)),
    options,
  };
}
