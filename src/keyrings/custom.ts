/** What keyrings of your own need: the contract, and data keys as handles. A keyring of a cloud KMS wraps with the method `service` and a service id of its own. */

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
