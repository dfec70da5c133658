/** Looking at the signed documents of keys, so that a client that asks for nothing else hears of revocation. */

import type { KeyServiceClient } from '../service/client.ts';
import { type DataKeyStore, unref } from './data-key-cache.ts';

/** Watches a cache: passes on what the clients in front of it are told, and asks while there are entries. */
export class Watch {
  readonly #cache: DataKeyStore;
  // Weak: a server makes a client for each of its users.
  readonly #clients = new WeakSet<KeyServiceClient>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(cache: DataKeyStore) {
    this.#cache = cache;
  }

  /** Begins to listen to a client; once is enough. */
  add(client: KeyServiceClient): void {
    if (this.#clients.has(client)) return;
    this.#clients.add(client);
    client.onKeyChange((change) => this.#cache.apply(client, change));
  }

  /** Polls from now on, until the cache is empty. */
  schedule(): void {
    const { pollInterval } = this.#cache.settings;
    if (this.#timer !== undefined || pollInterval === 0) return;
    this.#timer = setTimeout(() => {
      void this.#poll().finally(() => {
        this.#timer = undefined;
        if (this.#cache.size > 0) this.schedule();
      });
    }, pollInterval);
    unref(this.#timer);
  }

  async #poll(): Promise<void> {
    const asked = [...this.#cache.subjects()].flatMap(([client, keyIds]) =>
      // What the answer says reaches the cache by the listener; a failure that says nothing of the key changes nothing.
      [...keyIds].map((keyId) => client.keyDocument(keyId, { fresh: true }).catch(() => undefined)),
    );
    await Promise.all(asked);
  }
}
