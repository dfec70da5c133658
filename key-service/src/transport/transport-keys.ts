/** The service's transport keys: made ahead of time, shared by all replicas, erased at their end; `docs/key-service.md` §2.3 and §4. */

import { agree, generatePair, importPair, pointThumbprint } from '../crypto/p384.ts';
import type { Bytes } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { LruMap } from '../lib/lru.ts';
import type { RootKey } from '../seals/root-key.ts';
import type { DatabaseTime } from '../store/database-time.ts';
import { StoreError } from '../store/errors.ts';
import { type ServiceChange, type Store, type TransportRow, transportSecretName } from '../store/store.ts';

/** A transport key that callers may use. */
export interface TransportKey {
  readonly kid: string;
  readonly serial: number;
  readonly point: Bytes;
  readonly expires: number;
}

const lifetime = 24 * 3600;
const renewAfter = 12 * 3600;
// How old the list may be that discovery shows; a key that is not in it is looked for at once.
const refreshAfter = 5;

interface Loaded extends TransportKey {
  readonly privateKey: CryptoKey;
  readonly created: number;
}

export class TransportKeys {
  readonly #store: Store;
  readonly #rootKey: RootKey;
  readonly #time: DatabaseTime;
  readonly #agreed = new LruMap<string, Promise<Bytes | undefined>>(4096);
  #keys = new Map<string, Loaded>();
  #refreshed = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;

  constructor(store: Store, rootKey: RootKey, time: DatabaseTime) {
    this.#store = store;
    this.#rootKey = rootKey;
    this.#time = time;
  }

  /**
   * The keys that callers may use, newest first. Makes a new one where the newest is half through its life. Where the store fails, or the clocks do not agree,
   * the keys that are known are good as long as they live. Throws `StoreError` where there is none.
   */
  async current(): Promise<TransportKey[]> {
    try {
      if (this.#age() > refreshAfter) await this.#refresh();
      const newest = this.#valid()[0];
      if (!newest || newest.created + renewAfter < seconds(this.#time.now)) await this.renew();
    } catch (error) {
      if (!(error instanceof StoreError) || this.#valid().length === 0) throw error;
    }
    return this.#valid();
  }

  /** Makes a transport key unless another replica just did. Throws `ClockDoubt` where the clocks do not agree. */
  async renew(): Promise<void> {
    this.#time.assertAgrees();
    const { point, scalar } = await generatePair();
    const kid = pointThumbprint(point);
    await this.#store.changeService((change) => this.#insert(change, kid, point, scalar));
    scalar.fill(0);
    await this.#refresh();
  }

  /** The key that a proof names, or `undefined` for one that is unknown or erased. */
  async find(kid: string): Promise<TransportKey | undefined> {
    const known = this.#keys.get(kid);
    if (known) return known.expires > seconds(this.#time.now) ? known : undefined;
    if (this.#age() >= 1) await this.#refresh();
    return this.#keys.get(kid);
  }

  /** `Z` of §4.1, computed once for a pair of keys; `undefined` for what is no point. For authenticated callers only. */
  agree(kid: string, clientPoint: Bytes, clientKey: string): Promise<Bytes | undefined> {
    const id = `${kid}.${clientKey}`;
    const known = this.#agreed.get(id);
    if (known !== undefined) return known;
    const key = this.#keys.get(kid);
    const agreed = key ? agree(key.privateKey, clientPoint) : Promise.resolve(undefined);
    this.#agreed.set(id, agreed);
    return agreed;
  }

  /** Forgets expired keys and what was agreed with them. */
  forget(): void {
    const now = seconds(this.#time.now);
    const expired = [...this.#keys.values()].filter(({ expires }) => expires <= now);
    for (const { kid } of expired) this.#keys.delete(kid);
    if (expired.length > 0) this.#agreed.clear();
  }

  async #insert(change: ServiceChange, kid: string, point: Bytes, scalar: Bytes): Promise<void> {
    const now = seconds(this.#time.now);
    const rows = await change.transportKeys();
    const opened = await Promise.all(rows.map((row) => this.#open(row)));
    if (opened.some((key) => key && key.created + renewAfter >= now && key.expires > now)) return;
    // Above every serial that an earlier life of the database has shown.
    const newest = Math.max(
      0,
      ...opened.map((key) => key?.serial ?? 0),
      ...rows.map(({ serial }) => sane(serial, now)),
    );
    const times = { kid, serial: Math.max(now, newest + 1), created: now, expires: now + lifetime };
    const sealed = await this.#rootKey.seal({ kind: 'transport', name: transportSecretName(times) }, scalar);
    await change.putTransportKey({ ...times, point, sealed });
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#load().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #load(): Promise<void> {
    const rows = await this.#store.transportKeys();
    const keys = await Promise.all(rows.map((row) => this.#keys.get(row.kid) ?? this.#open(row)));
    this.#keys = new Map(keys.filter((key) => key !== undefined).map((key) => [key.kid, key]));
    this.#refreshed = performance.now();
  }

  // A row that somebody changed is as good as none: a new key takes its place.
  async #open(row: TransportRow): Promise<Loaded | undefined> {
    const { kid, serial, created, expires } = row;
    const point = Uint8Array.from(row.point);
    try {
      const name = transportSecretName(row);
      const scalar = await this.#rootKey.open({ kind: 'transport', name }, Uint8Array.from(row.sealed));
      if (pointThumbprint(point) !== kid) return undefined;
      const privateKey = await importPair({ point, scalar });
      scalar.fill(0);
      return { kid, serial, created, expires, point, privateKey };
    } catch {
      return undefined;
    }
  }

  /** Seconds since the list was read. */
  #age(): number {
    return (performance.now() - this.#refreshed) / 1000;
  }

  #valid(): Loaded[] {
    const now = seconds(this.#time.now);
    return [...this.#keys.values()].filter(({ expires }) => expires > now).sort((a, b) => b.serial - a.serial);
  }
}

// A serial that somebody wrote into a row must not be what all later ones have to exceed.
function sane(serial: number, now: number): number {
  return serial <= now + lifetime ? serial : 0;
}
