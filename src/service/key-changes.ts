/** What answers tell about keys, for those who keep data keys: rotations, raised floors, keys that can no longer be used. */

import { type AnyBullaError, isBullaError } from '../errors.ts';
import { tell } from '../lib/callbacks.ts';
import type { KeyChange } from '../types.ts';

/** Is told what answers say of keys. What it throws is ignored. */
export type KeyListener = (change: KeyChange) => void;

const unavailableCodes: readonly AnyBullaError['code'][] = [
  'ERR_KEY_DISABLED',
  'ERR_KEY_VERSION_UNAVAILABLE',
  'ERR_NOT_ALLOWED',
];

/** Passes on what answers say. */
export class KeyChanges {
  readonly #listeners = new Set<KeyListener>();

  /** Adds a listener; what it gives back removes it. */
  listen(listener: KeyListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A key could be used. */
  seen(key: string, { keyId, newestVersion, floor }: { keyId: string; newestVersion: number; floor: number }): void {
    this.#tell({ key, keyId, newestVersion, floor, version: undefined, unavailable: undefined });
  }

  /** Something was refused; tells nothing where that says nothing of the key. */
  refused(key: string, error: unknown, version?: number): void {
    if (!isBullaError(error) || !unavailableCodes.includes(error.code)) return;
    const concerned = error.code === 'ERR_KEY_VERSION_UNAVAILABLE' ? version : undefined;
    const unavailable = error.code === 'ERR_NOT_ALLOWED' ? 'for-caller' : 'for-all';
    const change = { newestVersion: undefined, floor: undefined, version: concerned, unavailable } as const;
    this.#tell({ key, keyId: key.startsWith('alias:') ? undefined : key, ...change });
  }

  #tell(change: KeyChange): void {
    // Those who listen now: a listener that subscribes again would be told for ever.
    for (const listener of [...this.#listeners]) tell(listener, change);
  }
}
