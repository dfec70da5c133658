/** How keyrings of one key service recognize each other, also where a cache stands in front of one of them. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import type { KeyServiceClient } from '../service/client.ts';
import type { WrappedItem } from '../service/items.ts';
import type { KeyContext } from '../types.ts';
import type { Keyring, KeyringOptions } from './keyring.ts';

/** A wrapped key that is for a keyring, as the service takes it. */
export interface OwnKey {
  readonly wrappedKey: WrappedKey;
  readonly item: WrappedItem;
}

/** What is behind a keyring of a key service. */
export interface ServiceParts {
  readonly client: KeyServiceClient;
  /** The id of the key, or `alias:` and a name. */
  readonly keyId: string;
  readonly keyContext: KeyContext;
  readonly mode: 'online' | 'offline';
  /** Those of wrapped keys that the keyring would have unwrapped, in order. */
  readonly own: (wrappedKeys: readonly WrappedKey[], options: KeyringOptions) => Promise<readonly OwnKey[]>;
}

const known = new WeakMap<Keyring, ServiceParts>();

/** Makes a keyring known as one of a service. */
export function setServiceParts(keyring: Keyring, parts: ServiceParts): void {
  known.set(keyring, parts);
}

/** What is behind a keyring; `undefined` for one of no service. */
export function servicePartsOf(keyring: Keyring): ServiceParts | undefined {
  return known.get(keyring);
}
