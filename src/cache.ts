/** A cache of data keys in front of a keyring: fewer calls, within limits of age, messages, bytes and entries. */

export { type CachingKeyring, cachingKeyring, createDataKeyCache } from './cache/caching-keyring.ts';
export type { CacheCounters, DataKeyCache } from './cache/data-key-cache.ts';
export type { DataKeyCacheOptions } from './cache/options.ts';
export type {
  BullaEvent,
  CacheEvent,
  CacheEvictionEvent,
  DecryptEvent,
  DecryptionFailedEvent,
  EncryptEvent,
  EvictionReason,
  OnEvent,
  ServiceCallEvent,
  ServiceRetryEvent,
} from './lib/events.ts';
