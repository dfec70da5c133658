/** A root key whose bytes are in memory; the layout of §11.1. */

import { randomBytes } from 'node:crypto';
import { open, seal, zeroNonce } from '../crypto/aead.ts';
import { digestFields, sha256 } from '../crypto/digest.ts';
import { deriveBytes } from '../crypto/hkdf.ts';
import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, concat, encodeUtf8, lengthPrefixed } from '../lib/bytes.ts';
import type { RootKey, SecretName } from './root-key.ts';

const version = 1;
const idLength = 8;
const saltLength = 32;

/** A root key of 32 bytes. It also opens what `previous` sealed. */
export function softwareRootKey(bytes: Uint8Array, previous: readonly RootKey[] = []): RootKey {
  if (bytes.byteLength !== 32) throw new OperatorError('A root key has 32 bytes');
  const key = Uint8Array.from(bytes);
  const idBytes = sha256(concat(encodeUtf8('bulla root key id'), key)).subarray(0, idLength);
  const id = Buffer.from(idBytes).toString('hex');
  return {
    id,
    ids: [id, ...previous.flatMap(({ ids }) => ids)],
    async seal(name, secret) {
      const salt = randomBytes(saltLength);
      return concat(Uint8Array.of(version), idBytes, salt, seal(subkey(key, salt, name), zeroNonce, aad(name), secret));
    },
    async open(name, sealed) {
      const owner = Buffer.from(sealed.subarray(1, 1 + idLength)).toString('hex');
      if (owner !== id) {
        const other = previous.find((candidate) => candidate.id === owner);
        if (other) return other.open(name, sealed);
        throw new IntegrityError(`The secret ${name.kind} was sealed by another root key (${owner})`);
      }
      const salt = sealed.subarray(1 + idLength, 1 + idLength + saltLength);
      const body = sealed.subarray(1 + idLength + saltLength);
      const secret = sealed[0] === version ? open(subkey(key, salt, name), zeroNonce, aad(name), body) : undefined;
      if (!secret) throw new IntegrityError(`The secret ${name.kind} does not open: it was changed in the store`);
      return secret;
    },
  };
}

function subkey(key: Uint8Array, salt: Uint8Array, { kind, name }: SecretName): Bytes {
  return deriveBytes(key, salt, 'bulla/v1 root', digestFields(encodeUtf8(kind), encodeUtf8(name)), 32);
}

function aad({ kind, name }: SecretName): Bytes {
  return concat(lengthPrefixed(encodeUtf8(kind)), lengthPrefixed(encodeUtf8(name)));
}
