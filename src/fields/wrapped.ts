/** The column `wrapped` of a data key's row, and which wrapped keys may stand in it: `docs/fields.md` §4.1 and §4.4. */

import { decodeWrappedKey, encodeWrappedKey, type WrappedKey } from '../envelope/wrapped-key.ts';
import { KeyError } from '../errors.ts';
import { concat, copy, lengthPrefixed, readU32 } from '../lib/bytes.ts';
import { fieldsUse, maxWrappedKeyLength, maxWrappedKeys } from '../lib/limits.ts';
import type { Bytes } from '../types.ts';

/** Methods that need a secret to wrap. With others, anyone who can write to the database could plant keys. */
const methods: readonly string[] = ['service', 'aes'];

/** The column's bytes. Throws `ERR_KEYRING_CANNOT` for wrapped keys that must not stand in it, and says what the keyring lacks. */
export function encodeWrapped(wrappedKeys: readonly WrappedKey[], tenant: string): Bytes {
  const wrong = wrappedKeys.length === 0 ? 'makes none' : wrappedKeys.map((key) => fault(key, tenant)).find(Boolean);
  if (wrong)
    throw new KeyError('ERR_KEYRING_CANNOT', `The keyring of a tenant cannot wrap data keys of fields: it ${wrong}`);
  return copy(concat(...wrappedKeys.map((key) => lengthPrefixed(encodeWrappedKey(key)))));
}

/** The wrapped keys of a column, or `undefined` where one of them must not stand in it. */
export function decodeWrapped(wrapped: Bytes, tenant: string): readonly WrappedKey[] | undefined {
  const keys: WrappedKey[] = [];
  for (let at = 0; at < wrapped.byteLength; ) {
    const length = wrapped.byteLength - at < 4 ? maxWrappedKeyLength + 1 : readU32(wrapped, at);
    const end = at + 4 + length;
    if (length > maxWrappedKeyLength || end > wrapped.byteLength || keys.length === maxWrappedKeys) return undefined;
    // A wrapped key keeps its bytes: the store may keep, and change, those that it gave.
    const key = decode(copy(wrapped.subarray(at + 4, end)));
    if (key === undefined || fault(key, tenant) !== undefined) return undefined;
    keys.push(key);
    at = end;
  }
  return keys.length === 0 ? undefined : keys;
}

function decode(bytes: Bytes): WrappedKey | undefined {
  try {
    return decodeWrappedKey(bytes);
  } catch {
    // Whatever is wrong with it, the row is not what this package wrote.
    return undefined;
  }
}

function fault({ wrapping, keyContext }: WrappedKey, tenant: string): string | undefined {
  if (!methods.includes(wrapping.method)) {
    return `wraps by the method ${wrapping.method}, which needs no secret; use serviceKeyring (online) or aesKeyring`;
  }
  const own = (name: string) => (Object.hasOwn(keyContext, name) ? keyContext[name] : undefined);
  if (own('use') !== fieldsUse) return `has no use: '${fieldsUse}' in its keyContext`;
  return own('tenant') === tenant ? undefined : 'has not the tenant in its keyContext';
}
