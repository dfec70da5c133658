/** Keys of a tenant as of one epoch. The commit tells when the epoch is over, `docs/key-service.md` §11.3. */

import { LruMap } from '../lib/lru.ts';
import type { KeyRecord } from '../model/keys.ts';
import { isReference } from '../model/references.ts';
import { trusted } from './key-queries.ts';
import { type Admit, RevokedCache, type RevokedView } from './revoked-cache.ts';
import type { Store } from './store.ts';

type Found = { readonly key: KeyRecord | undefined };

/** What requests of a tenant look its keys up in during one epoch. */
export interface KeyView {
  readonly epoch: number;
  /** The `resumed` of the state that the epoch is of. */
  readonly resumed: number;
  /** Throws `IntegrityError` for a key whose rows are not to be trusted. */
  find(reference: string): Promise<KeyRecord | undefined>;
  /** Reads keys that are not known yet all at once; `find` then has them. */
  prefetch(references: readonly string[]): Promise<void>;
  /** The data keys that are refused. */
  revoked(): Promise<RevokedView>;
}

/** A view that keeps account of what one request is decided on. */
export interface RequestView extends KeyView {
  /** The ids of the keys that were found; `undefined` where one was not. */
  readonly keys: () => readonly string[] | undefined;
  /** Whether the list of tombstones was asked for. */
  readonly tombstones: () => boolean;
}

/** The view of one request. */
export function requestView(view: KeyView): RequestView {
  const found = new Set<string>();
  let complete = true;
  let tombstones = false;
  return {
    epoch: view.epoch,
    resumed: view.resumed,
    async find(reference) {
      const key = await view.find(reference);
      if (key) found.add(key.id);
      else complete = false;
      return key;
    },
    prefetch: (references) => view.prefetch(references),
    revoked() {
      tombstones = true;
      return view.revoked();
    },
    tombstones: () => tombstones,
    keys: () => (complete ? [...found] : undefined),
  };
}

/** Tenants whose keys are kept, keys of each, and of all: beyond, the tenant that has the most loses them. */
const maxTenants = 10_000;
const maxKeys = 20_000;
const maxAll = 60_000;

interface Current {
  readonly view: Promise<KeyView>;
  epoch: number | undefined;
  kept: number;
}

export class KeyCache {
  readonly #store: Store;
  readonly #admit: Admit;
  readonly #revoked: RevokedCache;
  #kept = 0;
  readonly #views = new LruMap<string, Current>(maxTenants, ({ kept }) => {
    this.#kept -= kept;
  });

  /** `admit` lets a read of a tenant in when it is its turn. Default: at once. */
  constructor(store: Store, admit: Admit = (_, work) => work()) {
    this.#store = store;
    this.#admit = admit;
    this.#revoked = new RevokedCache(store, admit);
  }

  /** The keys of a tenant in the epoch that this replica knows. */
  view(tenant: string): Promise<KeyView> {
    const known = this.#views.get(tenant);
    if (known) return known.view;
    const opening = {
      began: (epoch: number) => {
        opened.epoch = epoch;
      },
      keep: (keys: number) => this.#keep(tenant, opened, keys),
    };
    const opened: Current = { view: this.#open(tenant, opening), epoch: undefined, kept: 0 };
    this.#views.set(tenant, opened);
    opened.view.catch(() => this.#views.get(tenant) === opened && this.#views.delete(tenant));
    return opened.view;
  }

  /** Forgets the keys of a tenant, after a change; where the epoch is given that is over, only if they are of that one. */
  reset(tenant: string, over?: number): void {
    if (over === undefined || over === this.#views.get(tenant)?.epoch) this.#views.delete(tenant);
  }

  #keep(tenant: string, view: Current, keys: number): void {
    if (this.#views.get(tenant) !== view) return;
    const more = Math.min(keys, maxKeys - view.kept);
    view.kept += more;
    this.#kept += more;
    if (this.#kept <= maxAll) return;
    let [largest, most] = [tenant, 0];
    for (const each of this.#views.keys()) {
      const { kept = 0 } = this.#views.get(each) ?? {};
      if (kept > most) [largest, most] = [each, kept];
    }
    this.#views.delete(largest);
  }

  async #open(
    tenant: string,
    { began, keep }: { readonly began: (epoch: number) => void; readonly keep: (keys: number) => void },
  ): Promise<KeyView> {
    // The epoch is read first: keys that are read later can only be newer, and then the commit says so.
    const { epoch, resumed } = await this.#admit(tenant, () => this.#store.head(tenant));
    began(epoch);
    const found = new LruMap<string, Promise<Found>>(maxKeys);
    const prefetch = async (references: readonly string[]): Promise<void> => {
      const wanted = [...new Set(references)].filter((each) => isReference(each) && !found.get(each));
      if (wanted.length === 0) return;
      const finding = this.#admit(tenant, () => this.#store.findKeys(tenant, wanted));
      for (const reference of wanted) {
        const one = finding.then((keys) => ({ key: trusted(keys.get(reference)) }));
        one.catch(() => found.delete(reference));
        found.set(reference, one);
      }
      keep(wanted.length);
      await finding;
    };
    let revoked: Promise<RevokedView> | undefined;
    return {
      epoch,
      resumed,
      prefetch,
      revoked: () => {
        if (!revoked) {
          const reading = this.#revoked.read(tenant);
          revoked = reading;
          reading.catch(() => {
            if (revoked === reading) revoked = undefined;
          });
        }
        return revoked;
      },
      find: async (reference) => {
        if (!isReference(reference)) return undefined;
        const known = found.get(reference);
        if (known !== undefined) return (await known).key;
        const reading = prefetch([reference]);
        // Taken before the wait: one that is not to be trusted is forgotten at once.
        const one = found.get(reference);
        await reading;
        return (await one)?.key;
      },
    };
  }
}
