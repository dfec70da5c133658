/** What is derived from a data key, kept as long as the key itself is: record keys, index keys, salts. */

import type { HmacKey } from '../crypto/hmac-sha256.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { randomBytes } from '../crypto/random.ts';
import type { DataKey } from '../keyrings/keyring.ts';
import { isPromise } from '../lib/awaitable.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { bytesToKey } from '../lib/bytes.ts';
import {
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
  readonly indexKeys: BoundedMap<string, Promise<HmacKey>>;
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
  readonly #infos = new BoundedMap<string, Promise<Bytes>>(maxInfos);

  /** What record keys of a scope are derived by; computed once. */
  info(scope: RecordScope): Promise<Bytes> {
    const key = JSON.stringify([scope.tenant, scope.field, scope.schemaVersion]);
    const known = this.#infos.get(key) ?? recordKeyInfo(scope);
    this.#infos.set(key, known);
    return known;
  }

  /** The key of records with a salt (§1.5). */
  recordKey(dataKey: DataKey, salt: Bytes, info: Bytes, use: 'seal' | 'open'): Awaitable<AeadKey> {
    const { recordKeys } = this.#of(dataKey);
    // The info is a digest of tenant, field and schema version: what the key depends on is all here.
    const id = `${use} ${bytesToKey(salt)} ${bytesToKey(info)}`;
    const known = recordKeys.get(id);
    if (known !== undefined) return known;
    const derived = deriveRecordKey(dataKey, salt, info, use);
    recordKeys.set(id, derived);
    if (isPromise(derived)) {
      derived.then((key) => recordKeys.set(id, key)).catch(() => recordKeys.delete(id));
    }
    return derived;
  }

  /** The key of an index (§5.1). */
  indexKey(dataKey: DataKey, scope: IndexScope): Promise<HmacKey> {
    const { indexKeys } = this.#of(dataKey);
    const id = JSON.stringify(scope);
    const known = indexKeys.get(id);
    if (known !== undefined) return known;
    const derived = deriveIndexKey(dataKey, scope);
    indexKeys.set(id, derived);
    derived.catch(() => indexKeys.delete(id));
    return derived;
  }

  /** A salt for `count` more records of a field, at most 65,536. */
  async salt(dataKey: DataKey, field: string, count: number, random: RandomSource | undefined): Promise<Bytes> {
    const { salts } = this.#of(dataKey);
    const known = salts.get(field);
    const now = performance.now();
    if (known !== undefined && known.records + count <= maxRecordsOfSalt && now - known.begun < maxSaltAge) {
      known.records += count;
      return known.salt;
    }
    const batch = { salt: await randomBytes(recordSaltLength, random), begun: now, records: count };
    salts.set(field, batch);
    return batch.salt;
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
