/** The operations of the data plane over a batch, `docs/key-service.md` §6. */

import { randomBytes } from 'node:crypto';
import { Problem, type ProblemDocument } from '../../errors.ts';
import { type Bytes, encodeBase64url } from '../../lib/bytes.ts';
import type { ItemRecord } from '../../model/entry.ts';
import type { KeyRecord } from '../../model/keys.ts';
import { isReference } from '../../model/references.ts';
import { wrapDataKey } from '../../secrets/wrapping.ts';
import { type BoundContext, ContextTable } from './contexts.ts';
import { activeVersion, assertAllowed, openItem, openMaterial, targetKey } from './items.ts';
import type { BatchParts, ItemParts } from './parts.ts';
import type { DataItem, DataOperation, GenerateItem, RewrapItem, UnwrapItem, WrapItem } from './requests.ts';

/** A result of §6.2. */
export interface DataResult {
  readonly key_id: string;
  readonly version: number;
  readonly newest_version: number;
  readonly floor: number;
  readonly wrapped_key?: string;
  readonly sealed_key?: string;
}

/** What a batch gave, what the log says of it, and which versions it used. */
export interface BatchOutcome {
  readonly results: (DataResult | { readonly problem: ProblemDocument })[];
  readonly records: ItemRecord[];
  readonly uses: { readonly keyId: string; readonly version: number; readonly count: number }[];
}

interface ItemOutcome {
  readonly result: DataResult;
  /** The key and version that did the work; two for a rewrap. */
  readonly used: readonly { readonly keyId: string; readonly version: number }[];
}

type ItemOperation<T> = (parts: ItemParts, item: T, index: number) => Promise<ItemOutcome>;

const operations: { readonly [K in DataOperation]: ItemOperation<DataItem> } = {
  'generate-data-key': (parts, item, index) => generate(parts, item, index, true),
  'generate-data-key-without-plaintext': (parts, item, index) => generate(parts, item, index, false),
  wrap: (parts, item, index) => wrap(parts, item as WrapItem, index),
  unwrap: (parts, item, index) => unwrap(parts, item as UnwrapItem, index),
  rewrap: (parts, item) => rewrap(parts, item as RewrapItem),
};

/** Carries out every item; an item that fails has its problem as a result. */
export async function runBatch(
  operation: DataOperation,
  items: readonly DataItem[],
  batch: BatchParts,
): Promise<BatchOutcome> {
  const parts: ItemParts = { ...batch, contexts: new ContextTable(batch.contextMac) };
  const outcome: BatchOutcome = { results: [], records: [], uses: [] };
  const counts = new Map<string, { keyId: string; version: number; count: number }>();
  for (const [index, item] of items.entries()) {
    await parts.turn();
    const context = parts.contexts.get(item.key_context).record;
    try {
      const { result, used } = await operations[operation](parts, item, index);
      for (const use of used) count(counts, use);
      outcome.results.push(result);
      const [source = { keyId: result.key_id, version: result.version }] = used;
      outcome.records.push({ key: source.keyId, version: source.version, context, outcome: 'ok' });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      outcome.results.push({ problem: error.toJSON() });
      const version = 'version' in item ? item.version : undefined;
      const key = isReference(item.key) ? item.key : undefined;
      outcome.records.push({ key, version, context, outcome: error.code });
    }
  }
  outcome.uses.push(...counts.values());
  return outcome;
}

async function generate(parts: ItemParts, item: GenerateItem, index: number, sealed: boolean): Promise<ItemOutcome> {
  const action = sealed ? 'generate-data-key' : 'generate-data-key-without-plaintext';
  const context = parts.contexts.get(item.key_context);
  const key = await targetKey(parts, action, item.key, context);
  const dataKey = new Uint8Array(randomBytes(32));
  try {
    const { version, wrapped } = await wrapUnder(parts, key, context, dataKey);
    const result = { ...describe(key, version), wrapped_key: encodeBase64url(wrapped) };
    const used = [{ keyId: key.id, version }];
    if (!sealed) return { result, used };
    const identity = { keyId: key.id, version, contextDigest: context.digest, wrappedKey: wrapped };
    return {
      result: { ...result, sealed_key: encodeBase64url(parts.session.sealResult(index, identity, dataKey)) },
      used,
    };
  } finally {
    dataKey.fill(0);
  }
}

async function wrap(parts: ItemParts, item: WrapItem, index: number): Promise<ItemOutcome> {
  const context = parts.contexts.get(item.key_context);
  const key = await targetKey(parts, 'wrap', item.key, context);
  const dataKey = parts.openSealed?.(index, context.digest, item.sealed_key);
  if (dataKey?.byteLength !== 32) throw new Problem('transport-failed');
  try {
    const { version, wrapped } = await wrapUnder(parts, key, context, dataKey);
    const result = { ...describe(key, version), wrapped_key: encodeBase64url(wrapped) };
    return { result, used: [{ keyId: key.id, version }] };
  } finally {
    dataKey.fill(0);
  }
}

async function unwrap(parts: ItemParts, item: UnwrapItem, index: number): Promise<ItemOutcome> {
  const context = parts.contexts.get(item.key_context);
  const { key, version, dataKey } = await openItem(parts, 'unwrap', item, context);
  try {
    const identity = { keyId: key.id, version, contextDigest: context.digest, wrappedKey: item.wrapped_key };
    const sealed = parts.session.sealResult(index, identity, dataKey);
    const result = { ...describe(key, version), sealed_key: encodeBase64url(sealed) };
    return { result, used: [{ keyId: key.id, version }] };
  } finally {
    dataKey.fill(0);
  }
}

async function rewrap(parts: ItemParts, item: RewrapItem): Promise<ItemOutcome> {
  const context = parts.contexts.get(item.key_context);
  const { key, version, dataKey } = await openItem(parts, 'rewrap-from', item, context);
  try {
    const targetContext = parts.contexts.get(item.to?.key_context ?? item.key_context);
    const target = await targetKey(parts, 'rewrap-to', item.to?.key ?? key.id, targetContext);
    if (target.id !== key.id) assertAllowed(parts, 'rewrap-to-other-key', target, targetContext);
    const { version: targetVersion, wrapped } = await wrapUnder(parts, target, targetContext, dataKey);
    const result = { ...describe(target, targetVersion), wrapped_key: encodeBase64url(wrapped) };
    const used = [
      { keyId: key.id, version },
      { keyId: target.id, version: targetVersion },
    ];
    return { result, used };
  } finally {
    dataKey.fill(0);
  }
}

async function wrapUnder(parts: ItemParts, key: KeyRecord, { encoded }: BoundContext, dataKey: Bytes) {
  const active = activeVersion(key);
  const material = await openMaterial(parts, key, active);
  const { version } = active;
  const identity = { serviceId: parts.serviceId, tenant: key.tenant, keyId: key.id, version, context: encoded };
  return { version, wrapped: wrapDataKey(material, identity, dataKey) };
}

function describe(key: KeyRecord, version: number) {
  return { key_id: key.id, version, newest_version: key.newest, floor: key.floor };
}

function count(
  counts: Map<string, { keyId: string; version: number; count: number }>,
  { keyId, version }: { readonly keyId: string; readonly version: number },
): void {
  const id = `${keyId}/${version}`;
  const entry = counts.get(id);
  if (entry) entry.count += 1;
  else counts.set(id, { keyId, version, count: 1 });
}
