/** Keys as of one epoch. The commit tells when the epoch is over, `docs/key-service.md` §11.3. */

import { LruMap } from '../lib/lru.ts';
import type { KeyRecord } from '../model/keys.ts';
import { isReference } from '../model/references.ts';
import { type Admit, RevokedCache, type RevokedView } from './revoked-cache.ts';
import type { KeyRevision, Store, TombstonesSeen } from './store.ts';

type Found = { readonly key: KeyRecord | undefined };

/** What requests of one epoch look keys up in. */
export interface KeyView {
  readonly epoch: number;
  find(tenant: string, reference: string): Promise<KeyRecord | undefined>;
  /** Reads keys that are not known yet all at once; `find` then has them. */
  prefetch(tenant: string, references: readonly string[]): Promise<void>;
  /** The data keys of a tenant that are refused. */
  revoked(tenant: string): Promise<RevokedView>;
}

/** A view that keeps account of what one request is decided on. */
export interface RequestView extends KeyView {
  /** The keys that were found; `undefined` where one was not. */
  readonly keys: () => readonly KeyRevision[] | undefined;
  /** The list of tombstones that was asked for. */
  readonly tombstones: () => TombstonesSeen | undefined;
}

/** The view of one request. */
export function requestView(view: KeyView): RequestView {
  const found = new Map<string, KeyRevision>();
  let complete = true;
  let tombstones: TombstonesSeen | undefined;
  return {
    epoch: view.epoch,
    async find(tenant, reference) {
      const key = await view.find(tenant, reference);
      if (key) found.set(key.id, { tenant, id: key.id, revision: key.revision });
      else complete = false;
      return key;
    },
    prefetch: (tenant, references) => view.prefetch(tenant, references),
    async revoked(tenant) {
      const revoked = await view.revoked(tenant);
      tombstones = { tenant, total: revoked.total };
      return revoked;
    },
    tombstones: () => tombstones,
    keys: () => (complete ? [...found.values()] : undefined),
  };
}

export class KeyCache {
  readonly #store: Store;
  readonly #admit: Admit;
  readonly #revoked: RevokedCache;
  #view: Promise<KeyView> | undefined;
  #epoch: number | undefined;

  /** `admit` lets a read of a tenant in when it is its turn. Default: at once. */
  constructor(store: Store, admit: Admit = (_, work) => work()) {
    this.#store = store;
    this.#admit = admit;
    this.#revoked = new RevokedCache(store, admit);
  }

  /** The keys of the epoch that this replica knows. */
  view(): Promise<KeyView> {
    if (!this.#view) {
      const view = this.#open();
      view.catch(() => this.#drop(view));
      this.#view = view;
    }
    return this.#view;
  }

  /** Forgets all keys, after a change; where the epoch is given that is over, only if they are of that one. */
  reset(over: number | undefined = this.#epoch): void {
    if (over === this.#epoch) this.#view = undefined;
  }

  #drop(view: Promise<KeyView>): void {
    if (this.#view === view) this.#view = undefined;
  }

  async #open(): Promise<KeyView> {
    // The epoch is read first: keys that are read later can only be newer, and then the commit says so.
    const epoch = await this.#store.epoch();
    this.#epoch = epoch;
    const found = new LruMap<string, Promise<Found>>(20_000);
    const prefetch = async (tenant: string, references: readonly string[]): Promise<void> => {
      const wanted = [...new Set(references)].filter((each) => isReference(each) && !found.get(`${tenant}\n${each}`));
      if (wanted.length === 0) return;
      const finding = this.#admit(tenant, () => this.#store.findKeys(tenant, wanted));
      for (const reference of wanted) {
        const id = `${tenant}\n${reference}`;
        const one = finding.then((keys) => ({ key: keys.get(reference) }));
        one.catch(() => found.delete(id));
        found.set(id, one);
      }
      await finding;
    };
    const revoked = new LruMap<string, Promise<RevokedView>>(20_000);
    return {
      epoch,
      prefetch,
      revoked: (tenant) => {
        const known = revoked.get(tenant);
        if (known !== undefined) return known;
        const reading = this.#revoked.read(tenant);
        reading.catch(() => revoked.delete(tenant));
        revoked.set(tenant, reading);
        return reading;
      },
      find: async (tenant, reference) => {
        if (!isReference(reference)) return undefined;
        const id = `${tenant}\n${reference}`;
        if (!found.get(id)) await prefetch(tenant, [reference]);
        return (await found.get(id))?.key;
      },
    };
  }
}
