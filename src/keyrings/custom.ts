/** What keyrings of your own need: the contract, and data keys as handles. A keyring of your own service wraps with the method `service` and a service id; one over a provider's key with `kms` (`docs/format.md` §8.8). */

export type { WrappedKey, Wrapping } from '../envelope/wrapped-key.ts';
export type { KeyIdentity } from '../schedule/wrapping-keys.ts';
export type { KeyChange } from '../types.ts';
export { importDataKey } from './data-key.ts';
export type {
  CacheScope,
  DataKey,
  DataKeyRevocation,
  GeneratedDataKey,
  KeyNews,
  Keyring,
  KeyringOptions,
  RewrapDataKeyOptions,
  Rewrapped,
  Unwrapped,
} from './keyring.ts';
