/** The primitives of `node:crypto`: synchronous for small inputs, where a call of WebCrypto costs ten times the work; by WebCrypto for large ones. */

import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  type DecipherGCM,
  diffieHellman,
  KeyObject,
} from 'node:crypto';
import { setImmediate } from 'node:timers';
import { DecryptionError } from '../errors.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { isPromise } from './awaitable.ts';
import { concat } from './bytes.ts';
import { hkdf, isOldNode } from './hkdf-node.ts';
import { own, release, releaseBySending, withRoom } from './memory-node.ts';
import type { NativeAead, NativeCrypto, NativeHmac, NativeSecret } from './native.ts';
import { turnTaker } from './turns.ts';
import { builtInCrypto } from './webcrypto-node.ts';

const tagLength = 16;

/**
 * Up to here a call is synchronous. For messages of 100 B that saves the way to another thread and back, fifty times the work. For segments it saves memory: SubtleCrypto copies its input,
 * and touching new pages costs more than AES, so that for this thread the copy takes about as long as sealing (`docs/performance.md`). Above, others would wait too long.
 * Deno's `node:crypto` runs AES in software, at a fifth of the speed of its SubtleCrypto; it only saves importing a key.
 */
const isDeno = process.versions['deno'] !== undefined;
const syncLength = (isDeno ? 2 ** 12 : 2 ** 20) + tagLength;

/** Hands results on, now and then after a turn of the event loop. */
export const takeTurns = turnTaker({ slice: 1, nextTurn: (resume) => setImmediate(resume) });

/** As {@link NativeCrypto} says. */
export const nodeCrypto: NativeCrypto = {
  importSecret: (bytes) => new NodeSecret(createSecretKey(bytes)),
  secretOf: (handle) => (handle instanceof NodeSecret ? handle : adopted(handle)),
  isAead: (handle) => handle instanceof NodeAead,
  isHmac: (handle) => handle instanceof NodeHmac,
  sha384: (bytes) => own(createHash('sha384').update(bytes).digest()),
  // See `agreeByNode`.
  agree: isOldNode ? agreeByNode : undefined,
};

/**
 * The shared secret of two ECDH keys. In Node 20 and 22 WebCrypto takes 2.4 to 3 times as long: it multiplies once more to check the public key that it
 * checked when it was imported. Later versions do not. They also agree on another thread, and they print a warning (DEP0204) when a key that is not
 * extractable becomes a `KeyObject`.
 */
export function agreeByNode(privateKey: CryptoKey, publicKey: CryptoKey): Awaitable<Bytes> {
  const keys = { privateKey: KeyObject.from(privateKey), publicKey: KeyObject.from(publicKey) };
  return takeTurns(own(diffieHellman(keys)));
}

// Where `import` and `require` load a copy of the package each (Node before 20.19 and 22.12), keys and keyrings of one
// work in the other. A property of the handle would do too, and would show the key to every inspector and logger.
const registry = Symbol.for('bulla.secrets.v1');
const shared = globalThis as { [registry]?: WeakMap<object, KeyObject> };
if (shared[registry] === undefined) Object.defineProperty(shared, registry, { value: new WeakMap() });
const secrets = shared[registry] as WeakMap<object, KeyObject>;

/** The secret of another copy of this package. */
function adopted(handle: object): NodeSecret | undefined {
  const key = secrets.get(handle);
  return key === undefined ? undefined : new NodeSecret(key);
}

/** A `KeyObject`, out of sight. */
class NodeSecret implements NativeSecret {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
    secrets.set(this, key);
  }

  deriveBytes(salt: Bytes, info: Bytes, length: number): Bytes {
    return hkdf(this.#key, salt, info, length);
  }

  deriveAead(salt: Bytes, info: Bytes, use: 'seal' | 'open' | 'unwrap'): NativeAead {
    const bytes = this.deriveBytes(salt, info, 32);
    const key = createSecretKey(bytes);
    bytes.fill(0);
    return new NodeAead(key, use === 'seal' ? 'encrypt' : 'decrypt');
  }

  deriveMac(salt: Bytes, info: Bytes, bytes: Bytes): Bytes {
    const key = this.deriveBytes(salt, info, 48);
    const mac = createHmac('sha384', key).update(bytes).digest();
    key.fill(0);
    return own(mac);
  }

  deriveHmac(salt: Bytes, info: Bytes): NativeHmac {
    const bytes = this.deriveBytes(salt, info, 32);
    const key = createSecretKey(bytes);
    bytes.fill(0);
    return new NodeHmac(key);
  }
}

/** A `KeyObject`, out of sight. */
class NodeHmac implements NativeHmac {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  sign(bytes: Bytes): Bytes {
    return own(createHmac('sha256', this.#key).update(bytes).digest());
  }
}

/** A `KeyObject`, and as soon as there is much to do the same key for WebCrypto. */
class NodeAead implements NativeAead {
  // createCipheriv takes raw bytes four times slower than a KeyObject (Node 24).
  readonly #key: KeyObject;
  readonly #usage: 'encrypt' | 'decrypt';
  #cryptoKey: CryptoKey | Promise<CryptoKey> | undefined;

  constructor(key: KeyObject, usage: 'encrypt' | 'decrypt') {
    this.#key = key;
    this.#usage = usage;
  }

  seal(nonce: Bytes, plaintext: Bytes, additionalData: Bytes): Awaitable<Bytes> {
    this.#assertFor('encrypt');
    if (plaintext.byteLength > syncLength) return this.#bySubtle(nonce, plaintext, additionalData);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    if (additionalData.byteLength > 0) cipher.setAAD(additionalData);
    const sealed = withRoom(cipher.update(plaintext), tagLength);
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.byteLength);
    return takeTurns(sealed);
  }

  open(nonce: Bytes, sealed: Bytes, additionalData: Bytes): Awaitable<Bytes> {
    this.#assertFor('decrypt');
    if (sealed.byteLength > syncLength) return this.#bySubtle(nonce, sealed, additionalData);
    const end = sealed.byteLength - tagLength;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagLength });
    decipher.setAuthTag(sealed.subarray(end));
    if (additionalData.byteLength > 0) decipher.setAAD(additionalData);
    const plaintext = own(decipher.update(sealed.subarray(0, end)));
    try {
      checkTag(decipher);
    } catch (error) {
      // What comes before the tag was checked is nobody's to see.
      plaintext.fill(0);
      throw error;
    }
    return takeTurns(plaintext);
  }

  sealInto(nonce: Bytes, plaintext: Bytes, target: Bytes): Awaitable<void> {
    this.#assertFor('encrypt');
    if (isDeno && plaintext.byteLength > syncLength) return this.#bySubtle(nonce, plaintext, none).then(moveTo(target));
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    return after(through(cipher, plaintext, target, false), () => {
      cipher.final();
      target.set(cipher.getAuthTag(), plaintext.byteLength);
    });
  }

  openInto(nonce: Bytes, ciphertext: Bytes, tag: Bytes, target: Bytes): Awaitable<void> {
    this.#assertFor('decrypt');
    if (isDeno && ciphertext.byteLength > syncLength) {
      return this.#bySubtle(nonce, concat(ciphertext, tag), none).then(moveTo(target));
    }
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagLength });
    decipher.setAuthTag(tag);
    return after(through(decipher, ciphertext, target, true), () => checkTag(decipher));
  }

  #assertFor(usage: 'encrypt' | 'decrypt'): void {
    if (this.#usage !== usage) throw new TypeError(`the key is not for this: it can ${this.#usage} and nothing else`);
  }

  #bySubtle(iv: Bytes, data: Bytes, additionalData: Bytes): Promise<Bytes> {
    const algorithm = { name: 'AES-GCM', iv, additionalData, tagLength: tagLength * 8 };
    const call = async (key: CryptoKey, input: Bytes) =>
      new Uint8Array(await subtle()[this.#usage](algorithm, key, input));
    this.#cryptoKey ??= this.#import();
    if (!isPromise(this.#cryptoKey)) return call(this.#cryptoKey, data);
    // The first few come before the key is there, and their inputs may be used again by then.
    const input = new Uint8Array(data);
    return this.#cryptoKey.then((key) => call(key, input));
  }

  async #import(): Promise<CryptoKey> {
    // KeyObject.toCryptoKey() needs Node 22.
    const bytes = this.#key.export();
    try {
      const key = await subtle().importKey('raw', bytes, 'AES-GCM', false, [this.#usage]);
      this.#cryptoKey = key;
      return key;
    } finally {
      bytes.fill(0);
    }
  }
}

const none = new Uint8Array(0);

const moveTo = (target: Bytes) => (bytes: Bytes) => {
  target.set(bytes);
  bytes.fill(0);
};

function subtle(): SubtleCrypto {
  return (builtInCrypto() as Crypto).subtle;
}

/** Throws `ERR_DECRYPTION_FAILED`. Nothing but the tag can be wrong at this place, and runtimes say so in different words. */
function checkTag(decipher: DecipherGCM): void {
  try {
    decipher.final();
  } catch {
    throw new DecryptionError();
  }
}

/**
 * Sends bytes through a cipher into a target. What OpenSSL gives lies in memory of its own, which Node has no way round: pieces are small enough that it
 * stays in the processor's cache. Where it is secret it is overwritten, and it is freed for the next piece.
 */
function through(cipher: CipherGCM | DecipherGCM, input: Bytes, target: Bytes, isSecret: boolean): Awaitable<void> {
  const { byteLength } = input;
  if (byteLength > syncLength) return throughInTurns(cipher, input, target, isSecret);
  const used: Buffer[] = [];
  for (let at = 0; at < byteLength; at += pieceLength) {
    const piece = cipher.update(input.subarray(at, at + pieceLength));
    target.set(piece, at);
    if (isSecret) overwrite.call(piece, 0);
    if (!release(piece)) used.push(piece);
  }
  // A few do not matter, and each call takes as long as sealing 10 kB.
  if (used.length > 1) releaseBySending(used);
  return takeTurns(undefined);
}

/** The same, and now and then others have their turn. */
async function throughInTurns(...[cipher, input, target, isSecret]: Parameters<typeof through>): Promise<void> {
  for (let at = 0; at < input.byteLength; at += syncLength) {
    await through(cipher, input.subarray(at, at + syncLength), target.subarray(at), isSecret);
  }
}

const pieceLength = 2 ** 16;
/** That of `Buffer` is slower. */
const overwrite = Uint8Array.prototype.fill;

function after(work: Awaitable<void>, end: () => void): Awaitable<void> {
  return isPromise(work) ? work.then(end) : end();
}
