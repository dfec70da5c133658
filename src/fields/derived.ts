/** What is derived from a data key, kept as long as the key itself is: record keys, index keys, salts. */

import type { HmacKey } from '../crypto/hmac-sha256.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { randomBytes } from '../crypto/random.ts';
import type { DataKey } from '../keyrings/keyring.ts';
import { isPromise, whenThere } from '../lib/awaitable.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { bytesToKey } from '../lib/bytes.ts';
import {
  type Binding,
  bindingOf,
  deriveIndexKey,
  deriveRecordKey,
  type IndexScope,
  type RecordScope,
  recordKeyInfo,
} from '../schedule/field-keys.ts';
import type { Awaitable, Bytes, RandomSource } from '../types.ts';
import { recordSaltLength } from './record.ts';

/** A salt that a writer uses for many records (§1.7). */
interface SaltBatch {
  readonly salt: Bytes;
  readonly begun: number;
  records: number;
}

interface Derived {
  readonly recordKeys: BoundedMap<string, Awaitable<AeadKey>>;
  readonly indexKeys: BoundedMap<string, Awaitable<HmacKey>>;
  readonly salts: BoundedMap<string, SaltBatch>;
}

/** Record keys of one data key: a reader meets a salt of each writer and hour. */
const maxRecordKeys = 1_024;
const maxOthers = 256;
const maxInfos = 10_000;
/** §1.7 */
export const maxRecordsOfSalt = 65_536;
const maxSaltAge = 3_600_000;

/** See the head of this file. A cache that drops a data key drops what was derived from it. */
export class DerivedKeys {
  readonly #ofKey = new WeakMap<DataKey, Derived>();
  readonly #bindings = new BoundedMap<string, Binding>(maxInfos);
  readonly #infos = new BoundedMap<string, Awaitable<Bytes>>(maxInfos);

  /** What record keys of a scope are derived by; computed once. */
  info(scope: RecordScope): Awaitable<Bytes> {
    const key = JSON.stringify([scope.tenant, scope.field, scope.schemaVersion]);
    return kept(this.#infos, key, () => recordKeyInfo(scope));
  }

  /** What records of a field and tenant are bound to; encoded once. */
  binding(field: string, tenant: string): Binding {
    const key = JSON.stringify([field, tenant]);
    const known = this.#bindings.get(key) ?? bindingOf(field, tenant);
    this.#bindings.set(key, known);
    return known;
  }

  /** The key of records with a salt (§1.5). */
  recordKey(dataKey: DataKey, salt: Bytes, info: Bytes, use: 'seal' | 'open'): Awaitable<AeadKey> {
    const { recordKeys } = this.#of(dataKey);
    // The info is a digest of tenant, field and schema version: what the key depends on is all here.
    const id = `${use} ${bytesToKey(salt)} ${remembered(textOfInfos, info, bytesToKey)}`;
    return kept(recordKeys, id, () => deriveRecordKey(dataKey, salt, info, use));
  }

  /** The key of an index (§5.1). */
  indexKey(dataKey: DataKey, scope: IndexScope): Awaitable<HmacKey> {
    const id = remembered(textOfScopes, scope, (value) => JSON.stringify(value));
    return kept(this.#of(dataKey).indexKeys, id, () => deriveIndexKey(dataKey, scope));
  }

  /** A salt for `count` more records of a field, at most 65,536. */
  salt(dataKey: DataKey, field: string, count: number, random: RandomSource | undefined): Awaitable<Bytes> {
    const { salts } = this.#of(dataKey);
    const known = salts.get(field);
    const now = performance.now();
    if (known !== undefined && known.records + count <= maxRecordsOfSalt && now - known.begun < maxSaltAge) {
      known.records += count;
      return known.salt;
    }
    return whenThere(randomBytes(recordSaltLength, random), (salt) => {
      salts.set(field, { salt, begun: now, records: count });
      return salt;
    });
  }

  #of(dataKey: DataKey): Derived {
    let derived = this.#ofKey.get(dataKey);
    if (derived === undefined) {
      derived = {
        recordKeys: new BoundedMap(maxRecordKeys),
        indexKeys: new BoundedMap(maxOthers),
        salts: new BoundedMap(maxOthers),
      };
      this.#ofKey.set(dataKey, derived);
    }
    return derived;
  }
}

// Of objects that are used again and again, and never changed.
const textOfInfos = new WeakMap<Bytes, string>();
const textOfScopes = new WeakMap<IndexScope, string>();

function remembered<Key extends object>(texts: WeakMap<Key, string>, key: Key, make: (key: Key) => string): string {
  const known = texts.get(key) ?? make(key);
  texts.set(key, known);
  return known;
}

/** What a map has under an id, or what is made: once, and at once when it is there. A failure is not kept. */
function kept<Value>(
  map: BoundedMap<string, Awaitable<Value>>,
  id: string,
  make: () => Awaitable<Value>,
): Awaitable<Value> {
  const known = map.get(id);
  if (known !== undefined) return known;
  const made = make();
  map.set(id, made);
  if (isPromise(made)) made.then((value) => map.set(id, value)).catch(() => map.delete(id));
  return made;
}
