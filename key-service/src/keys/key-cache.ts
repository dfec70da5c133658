/** Keys as of one epoch. The commit tells when the epoch is over, `docs/key-service.md` §11.3. */

import { LruMap } from '../lib/lru.ts';
import type { KeyRevision, Store } from '../store/store.ts';
import type { KeyRecord } from './model.ts';
import { isReference } from './references.ts';

type Found = { readonly key: KeyRecord | undefined };

/** What requests of one epoch look keys up in. */
export interface KeyView {
  readonly epoch: number;
  find(tenant: string, reference: string): Promise<KeyRecord | undefined>;
}

/** A view that keeps account of what one request is decided on. */
export interface RequestView extends KeyView {
  /** The keys that were found; `undefined` where one was not. */
  readonly keys: () => readonly KeyRevision[] | undefined;
}

/** The view of one request. */
export function requestView(view: KeyView): RequestView {
  const found = new Map<string, KeyRevision>();
  let complete = true;
  return {
    epoch: view.epoch,
    async find(tenant, reference) {
      const key = await view.find(tenant, reference);
      if (key) found.set(key.id, { tenant, id: key.id, revision: key.revision });
      else complete = false;
      return key;
    },
    keys: () => (complete ? [...found.values()] : undefined),
  };
}

export class KeyCache {
  readonly #store: Store;
  #view: Promise<KeyView> | undefined;
  #epoch: number | undefined;

  constructor(store: Store) {
    this.#store = store;
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
    return {
      epoch,
      find: async (tenant, reference) => {
        if (!isReference(reference)) return undefined;
        const id = `${tenant}\n${reference}`;
        let finding = found.get(id);
        if (!finding) {
          finding = this.#store.findKey(tenant, reference).then((key) => ({ key }));
          finding.catch(() => found.delete(id));
          found.set(id, finding);
        }
        return (await finding).key;
      },
    };
  }
}
