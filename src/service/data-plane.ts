/** The operations on data keys, each for many at once; `docs/key-service.md` §6. */

import type { AeadKey, SecretKey } from '../crypto/keys.ts';
import { randomBytes } from '../crypto/random.ts';
import { encodeBase64url } from '../lib/base64url.ts';
import { requestSealKey } from '../schedule/transport-keys.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { arrayField, asObject, badAnswer, integerField, type JsonObject } from './answer.ts';
import { Batches, type Settled } from './batches.ts';
import { type CallResult, call, type RequestSealing } from './call.ts';
import type { Connection } from './connection.ts';
import {
  assertSameVersion,
  isKeyId,
  keyVersionOf,
  openSealedKey,
  type ServiceWrappedKey,
  sealForRequest,
  type WrappedItem,
  wrappedItemJson,
  wrappedResult,
} from './items.ts';
import type { KeyChanges } from './key-changes.ts';
import { problemError } from './problem.ts';

/** A key and a key context to wrap under. */
export interface WrapTarget {
  /** The id of the key, or `alias:` and a name. */
  readonly key: string;
  readonly keyContext: KeyContext;
}

/** A data key to wrap. */
export interface WrapItem extends WrapTarget {
  readonly dataKey: Bytes;
}

/** A wrapped key to re-wrap, and what under; without a target, under the newest version of the same key. */
export interface RewrapItem {
  readonly source: WrappedItem;
  readonly target: WrapTarget | undefined;
}

/** A data key that the service made. */
export interface ServiceDataKey extends ServiceWrappedKey {
  readonly dataKey: SecretKey;
}

/** An operation, as it concerns one item. */
interface Operation<Item, Result> {
  readonly name: string;
  readonly json: (item: Item) => JsonObject;
  /** What is sealed into the items of a request. */
  readonly seal?: (items: readonly Item[], sealing: RequestSealing) => Promise<{ salt: string; sealed: string[] }>;
  readonly read: (result: JsonObject, item: Item, index: number, sealKey: AeadKey) => Promise<Result> | Result;
  /** Which key an item is about, and which version where it names one. */
  readonly about: (item: Item) => { readonly key: string; readonly version?: number };
}

const targetJson = ({ key, keyContext }: WrapTarget): JsonObject => ({ key, key_context: keyContext });
const sourceOf = ({ keyId, version }: WrappedItem) => ({ key: keyId, version });

const generate: Operation<WrapTarget, ServiceDataKey> = {
  name: 'generate-data-key',
  json: targetJson,
  async read(result, { key, keyContext }, index, sealKey) {
    const wrapped = wrappedResult(result, key);
    const { wrappedKey } = wrapped;
    return {
      ...wrapped,
      dataKey: await openSealedKey('handle', sealKey, index, result, wrapped, keyContext, wrappedKey),
    };
  },
  about: ({ key }) => ({ key }),
};

const generateWrapped: Operation<WrapTarget, ServiceWrappedKey> = {
  name: 'generate-data-key-without-plaintext',
  json: targetJson,
  read: (result, { key }) => wrappedResult(result, key),
  about: ({ key }) => ({ key }),
};

const wrap: Operation<WrapItem, ServiceWrappedKey> = {
  name: 'wrap',
  json: targetJson,
  async seal(items, { agreed, fields }) {
    const salt = await randomBytes(32);
    const key = await requestSealKey(agreed, salt, fields);
    const sealed = items.map(({ dataKey, keyContext }, i) => sealForRequest(key, i, dataKey, keyContext));
    return { salt: encodeBase64url(salt), sealed: await Promise.all(sealed) };
  },
  read: (result, { key }) => wrappedResult(result, key),
  about: ({ key }) => ({ key }),
};

function unwrap<Form extends 'handle' | 'bytes'>(form: Form) {
  const operation: Operation<WrappedItem, Form extends 'handle' ? SecretKey : Bytes> = {
    name: 'unwrap',
    json: wrappedItemJson,
    read(result, item, index, sealKey) {
      const about = keyVersionOf(result);
      assertSameVersion(about, item);
      return openSealedKey(form, sealKey, index, result, about, item.keyContext, item.wrappedKey);
    },
    about: sourceOf,
  };
  return operation;
}

const rewrap: Operation<RewrapItem, ServiceWrappedKey> = {
  name: 'rewrap',
  json: ({ source, target }) => ({ ...wrappedItemJson(source), ...(target && { to: targetJson(target) }) }),
  read: (result, { source, target }) => wrappedResult(result, target?.key ?? source.keyId),
  about: ({ source }) => sourceOf(source),
};

/** Items of one operation, sent together; the limits are those of the service once it is known. */
function batches<Item, Result>(connection: Connection, changes: KeyChanges, operation: Operation<Item, Result>) {
  const queue = new Batches<Item, Result>({
    limits: () => {
      const { maxItems = 1_000, maxBodyBytes = 2 ** 22 } = connection.discovery.known ?? {};
      return { items: maxItems, bytes: maxBodyBytes - 1_024 };
    },
    run: (items, signal) => runBatch(connection, changes, operation, items, signal),
  });
  // Three bytes for each UTF-16 unit at most, and room for a sealed key.
  const sizeOf = (item: Item) => JSON.stringify(operation.json(item)).length * 3 + 128;
  return (item: Item, signal?: AbortSignal) => queue.add({ item, size: sizeOf(item) }, signal);
}

async function runBatch<Item, Result>(
  connection: Connection,
  changes: KeyChanges,
  operation: Operation<Item, Result>,
  items: readonly Item[],
  signal: AbortSignal,
): Promise<readonly Settled<Result>[]> {
  const answer = await call(connection, {
    method: 'POST',
    path: `/v1/data-keys/${operation.name}`,
    items: items.length,
    signal,
    body: async (sealing) => {
      const json = items.map(operation.json);
      if (operation.seal === undefined) return { items: json };
      const { salt, sealed } = await operation.seal(items, sealing);
      return { salt, items: json.map((item, i) => ({ ...item, sealed_key: sealed[i] })) };
    },
  });
  const results = arrayField(answer.body, 'results').map((result) => asObject(result, 'results[]'));
  if (results.length !== items.length) {
    throw badAnswer(`it has ${results.length} results for ${items.length} items`);
  }
  // All are read before any is handed out: an answer that is wrong somewhere is wrong.
  return readResults(answer, operation, items, results, changes);
}

async function readResults<Item, Result>(
  { sealKey, requestId }: CallResult,
  operation: Operation<Item, Result>,
  items: readonly Item[],
  results: readonly JsonObject[],
  changes: KeyChanges,
): Promise<Settled<Result>[]> {
  const key = await sealKey();
  const settled = await Promise.all(
    results.map(async (result, i): Promise<Settled<Result>> => {
      if (!('problem' in result)) return { value: await operation.read(result, items[i] as Item, i, key) };
      const problem = asObject(result['problem'], 'problem');
      return { error: problemError(integerField(problem, 'status', 400, 599), problem, { requestId }) };
    }),
  );
  settled.forEach((outcome, i) => {
    const { key: asked, version } = operation.about(items[i] as Item);
    if ('error' in outcome) {
      changes.refused(asked, outcome.error, version);
    } else {
      const about = keyVersionOf(results[i] as JsonObject);
      // Where the target of a rewrap is another key, what it says is about that one.
      changes.seen(isKeyId(asked) ? about.keyId : asked, about);
    }
  });
  return settled;
}

/** The operations of one client. */
export function dataPlane(connection: Connection, changes: KeyChanges) {
  return {
    generate: batches(connection, changes, generate),
    generateWrapped: batches(connection, changes, generateWrapped),
    wrap: batches(connection, changes, wrap),
    unwrap: batches(connection, changes, unwrap('handle')),
    unwrapBytes: batches(connection, changes, unwrap('bytes')),
    rewrap: batches(connection, changes, rewrap),
  };
}

/** See {@link dataPlane}. */
export type DataPlane = ReturnType<typeof dataPlane>;
