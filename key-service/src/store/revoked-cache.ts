/** The revoked data keys of tenants, read once and then read on; `docs/key-service.md` §7.6 and §11.11. */

import { LruMap } from '../lib/lru.ts';
import { RevokedKeys } from '../model/tombstones.ts';
import type { Store } from './store.ts';

/** Runs a read of a tenant. */
export type Admit = <T>(tenant: string, work: () => Promise<T>) => Promise<T>;

/** What a request is decided on. */
export interface RevokedView {
  /** The length of the list when it was read. */
  readonly total: number;
  readonly keys: Pick<RevokedKeys, 'has' | 'isEmpty'>;
}

/** Tenants whose lists are kept. */
const maxTenants = 10_000;
/** Tombstones that are kept altogether; one tenant alone may have half as many. */
const maxEntries = 2_000_000;

export class RevokedCache {
  readonly #store: Store;
  readonly #admit: Admit;
  #entries = 0;
  readonly #lists = new LruMap<string, RevokedKeys>(maxTenants, ({ head }) => {
    this.#entries -= head.total;
  });
  readonly #reading = new Map<string, Promise<RevokedView>>();

  constructor(store: Store, admit: Admit) {
    this.#store = store;
    this.#admit = admit;
  }

  /** What is revoked of a tenant by now, or later. Throws `IntegrityError` for a list that somebody changed. */
  read(tenant: string): Promise<RevokedView> {
    // One after the other: each goes on where the last one ended. One that began before this call may have missed what this caller must see.
    const before = this.#reading.get(tenant)?.catch(() => undefined);
    const reading = (async () => {
      await before;
      return this.#read(tenant);
    })();
    this.#reading.set(tenant, reading);
    const done = () => this.#reading.get(tenant) === reading && this.#reading.delete(tenant);
    reading.then(done, done);
    return reading;
  }

  async #read(tenant: string): Promise<RevokedView> {
    const list = this.#lists.get(tenant) ?? new RevokedKeys();
    // Out of the map while it changes: a list that does not lead where it must is read from its beginning the next time.
    this.#lists.delete(tenant);
    for (;;) {
      const { head, entries } = await this.#admit(tenant, () => this.#store.tombstones(tenant, list.head));
      for (const entry of entries) list.add(entry);
      if (list.head.total >= head.total) break;
    }
    this.#keep(tenant, list);
    return { total: list.head.total, keys: list };
  }

  #keep(tenant: string, list: RevokedKeys): void {
    this.#lists.set(tenant, list);
    this.#entries += list.head.total;
    for (const oldest of this.#lists.keys()) {
      if (this.#entries <= maxEntries) return;
      this.#lists.delete(oldest);
    }
  }
}
