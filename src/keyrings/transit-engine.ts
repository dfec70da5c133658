/**
 * Calls of the transit engine of OpenBao and Vault: `POST <mount>/encrypt/<key>` and `POST <mount>/decrypt/<key>` with `batch_input`, by their API documentation (openbao.org/api-docs/secret/transit,
 * developer.hashicorp.com/vault/api-docs/secret/transit).
 */

import { DecryptionError, KeyServiceError, type KeyServiceErrorCode } from '../errors.ts';
import { decodeBase64url, encodeBase64url } from '../lib/base64url.ts';
import { bytesToKey } from '../lib/bytes.ts';
import { visible } from '../lib/display.ts';
import { retryAfterOf } from '../lib/retry.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { badAnswer, type JsonObject } from '../service/answer.ts';
import { Batches, type Settled } from '../service/batches.ts';
import { exchange, type Fetch, type HttpAnswer } from '../service/http.ts';
import { objectOf } from '../service/problem.ts';
import type { Bytes } from '../types.ts';
import { type ProviderCallSettings, providerCalls } from './provider-calls.ts';

/** Where an engine is, and how it is called. */
export interface TransitSettings extends ProviderCallSettings {
  readonly url: string;
  readonly mount: string;
  readonly namespace: string | undefined;
  readonly fetch: Fetch;
}

/** What an engine does. Both reject as `transitKeyring` says. */
export interface TransitEngine {
  encrypt(key: string, token: string, plaintext: Bytes, aad: Bytes, signal: AbortSignal | undefined): Promise<Bytes>;
  decrypt(key: string, token: string, ciphertext: Bytes, aad: Bytes, signal: AbortSignal): Promise<Bytes>;
}

/** Whether bytes are the text of a ciphertext: `vault:v`, the version, and base64. OpenBao writes the same. */
export function isTransitCiphertext(bytes: Bytes): boolean {
  return /^vault:v[1-9]\d{0,9}:[A-Za-z0-9+/]+={0,2}$/.test(bytesToKey(bytes));
}

/** Items of one request, and about how many bytes it has: the engine takes 32 MiB. */
const mostItems = 128;
const mostBytes = 2 ** 20;
const maxAnswer = 2 ** 22;
const maxDetail = 300;

const service = 'the transit engine';
const badEngineAnswer = (what: string) => badAnswer(what, service);

type Operation = 'encrypt' | 'decrypt';

type Input = Readonly<Record<string, string>>;

/** An engine that is called in batches: what is asked for in one tick, of one key and with one token, is one request. */
export function transitEngine(settings: TransitSettings): TransitEngine {
  const call = providerCalls('The transit engine', settings);
  /** What is under way, by path and token: requests of one that are slow or repeated hold up nobody else's. */
  const underWay = new Map<string, { readonly batches: Batches<Input, string>; waiting: number }>();
  const begin = (operation: Operation, path: string, token: string) => {
    const batches = new Batches<Input, string>({
      limits: () => ({ items: mostItems, bytes: mostBytes }),
      run: (inputs, signal) =>
        call(`transit ${operation}`, inputs.length, signal, (limited) =>
          request(settings, path, token, operation, inputs, limited),
        ),
    });
    return { batches, waiting: 0 };
  };
  const ask = async (operation: Operation, key: string, token: string, input: Input, signal?: AbortSignal) => {
    const path = `${settings.mount}/${operation}/${key}`;
    const id = JSON.stringify([path, token]);
    const own = underWay.get(id) ?? begin(operation, path, token);
    underWay.set(id, own);
    const size = Object.values(input).reduce((sum, text) => sum + text.length + 32, 0);
    own.waiting++;
    try {
      return await own.batches.add({ item: input, size }, signal);
    } finally {
      own.waiting--;
      if (own.waiting === 0) underWay.delete(id);
    }
  };

  return {
    async encrypt(key, token, plaintext, aad, signal) {
      const input = { plaintext: base64(plaintext), associated_data: base64(aad) };
      const ciphertext = encodeUtf8(await ask('encrypt', key, token, input, signal), 'ciphertext');
      if (!isTransitCiphertext(ciphertext)) throw badEngineAnswer('ciphertext is not one of the transit engine');
      return ciphertext;
    },
    async decrypt(key, token, ciphertext, aad, signal) {
      const input = { ciphertext: bytesToKey(ciphertext), associated_data: base64(aad) };
      const text = await ask('decrypt', key, token, input, signal);
      const plaintext = decodeBase64url(text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'));
      if (plaintext === undefined) throw badEngineAnswer('plaintext is not base64');
      return plaintext;
    },
  };
}

async function request(
  { url, namespace, fetch, timeout }: TransitSettings,
  path: string,
  token: string,
  operation: Operation,
  inputs: readonly Input[],
  signal: AbortSignal,
): Promise<readonly Settled<string>[]> {
  const body = encodeUtf8(JSON.stringify({ batch_input: inputs }), 'body');
  const headers = {
    'Content-Type': 'application/json',
    'X-Vault-Request': 'true',
    'X-Vault-Token': token,
    ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
  };
  // Repetitions are those of providerCalls.
  const http = { fetch, timeout, retry: { limit: 0 }, onEvent: undefined, service };
  return exchange(http, {
    ...{ operation, method: 'POST', url: `${url}/v1/${path}`, maxBytes: maxAnswer, signal },
    prepare: async () => ({ headers, body }),
    read: async (answer) => readResults(answer, operation, inputs.length),
  });
}

/** A result for each item. Where some of them failed, the engine answers with 400 or 500 and the results all the same. */
function readResults(answer: HttpAnswer, operation: Operation, count: number): readonly Settled<string>[] {
  const { status } = answer;
  const document = objectOf(answer.body);
  const results = (document['data'] as JsonObject | null | undefined)?.['batch_results'];
  if (!Array.isArray(results))
    throw status === 200 ? badEngineAnswer('it has no batch_results') : refusal(answer, document);
  if (results.length !== count) throw badEngineAnswer(`it has ${results.length} results for ${count} items`);
  return results.map((result: unknown) => {
    const { error, [operation === 'encrypt' ? 'ciphertext' : 'plaintext']: value } = resultOf(result);
    if (typeof error === 'string' && error !== '') return { error: itemError(error, status, operation) };
    if (typeof value !== 'string') throw badEngineAnswer('a result has neither a value nor an error');
    return { value };
  });
}

function resultOf(result: unknown): JsonObject {
  if (typeof result !== 'object' || result === null) throw badEngineAnswer('a result is not an object');
  return result as JsonObject;
}

const statuses: Readonly<Record<number, KeyServiceErrorCode>> = {
  403: 'ERR_NOT_ALLOWED',
  404: 'ERR_NOT_ALLOWED',
  // Replicas that have not heard of the latest state yet, and standbys.
  412: 'ERR_SERVICE_UNAVAILABLE',
  429: 'ERR_THROTTLED',
  472: 'ERR_SERVICE_UNAVAILABLE',
  473: 'ERR_SERVICE_UNAVAILABLE',
};

const sentences: Readonly<Partial<Record<KeyServiceErrorCode, string>>> = {
  ERR_NOT_ALLOWED: 'The transit engine does not allow this, or has no such key',
  ERR_KEY_DISABLED: 'The key is soft-deleted',
  ERR_KEY_VERSION_UNAVAILABLE: 'The version of the key can no longer be used',
  ERR_TOKEN_REFUSED: 'The token has expired, was revoked, or is none',
  ERR_THROTTLED: 'The transit engine takes no more requests at the moment',
  ERR_SERVICE_UNAVAILABLE: 'The transit engine cannot answer at the moment',
};

/** The error of a whole request. */
function refusal({ status, headers }: HttpAnswer, document: JsonObject): Error {
  const errors = Array.isArray(document['errors']) ? document['errors'].filter((each) => typeof each === 'string') : [];
  const said = errors.join('; ');
  const retryAfter = retryAfterOf(headers);
  if (status === 403 && said.includes('invalid token')) return keyError('ERR_TOKEN_REFUSED', said, status, retryAfter);
  if (status === 400) return itemError(said, status, undefined);
  const code = statuses[status] ?? (status >= 500 ? 'ERR_SERVICE_UNAVAILABLE' : 'ERR_SERVICE_REQUEST');
  return keyError(code, said, status, retryAfter);
}

/** The error of one item, by what the engine says: it has no codes. */
function itemError(said: string, status: number, operation: Operation | undefined): Error {
  if (/encryption key not found/.test(said)) return keyError('ERR_NOT_ALLOWED', said, status);
  if (/soft-deleted/.test(said)) return keyError('ERR_KEY_DISABLED', said, status);
  if (/disallowed by policy|less than the minimum/.test(said)) {
    return keyError('ERR_KEY_VERSION_UNAVAILABLE', said, status);
  }
  // §8.13a: of another key or version, changed, or with other additional data.
  const isUnopened = /message authentication failed|^invalid ciphertext|no such key version/.test(said);
  if (operation === 'decrypt' && isUnopened) return new DecryptionError();
  return keyError(status >= 500 ? 'ERR_SERVICE_UNAVAILABLE' : 'ERR_SERVICE_REQUEST', said, status);
}

function keyError(code: KeyServiceErrorCode, said: string, status: number, retryAfter?: number): KeyServiceError {
  const sentence = sentences[code] ?? 'The transit engine does not take the request';
  const detail = said === '' ? `status ${status}` : visible(said.slice(0, maxDetail));
  return new KeyServiceError(code, `${sentence} (${detail})`, { status, retryAfter });
}

/** RFC 4648 §4 with padding. */
function base64(bytes: Bytes): string {
  const text = encodeBase64url(bytes).replaceAll('-', '+').replaceAll('_', '/');
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}
