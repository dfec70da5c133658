// What is asked of the platform's WebCrypto while everything is done once: the algorithms, curves, hashes and sizes of docs/compliance.md, and nothing else.

import { expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, decryptStream, encrypt, encryptStream, reencrypt, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { passphraseKeyring } from '../../src/keyrings/passphrase.ts';
import { generateRsaKey, rsaKeyring } from '../../src/keyrings/rsa.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { generateProofKey } from '../../src/service.ts';
import { pattern } from '../support/data.ts';
import { clientOf, keyContext, newKey } from '../support/service-client.ts';

const operations = [
  ...['digest', 'encrypt', 'decrypt', 'sign', 'verify', 'deriveBits', 'deriveKey', 'importKey', 'exportKey'],
  ...['generateKey', 'wrapKey', 'unwrapKey'],
] as const;

const formats = ['raw', 'jwk', 'spki', 'pkcs8'];

/** All that may be asked. */
const allowed = new Set([
  'digest SHA-256',
  'digest SHA-384',
  'AES-GCM key of 256',
  'AES-GCM nonce of 12, tag of 128',
  'HKDF',
  'HKDF SHA-384',
  'HMAC SHA-384',
  'HMAC',
  'ECDH P-384',
  'ECDH',
  'ECDSA P-256',
  'ECDSA P-384',
  'ECDSA SHA-256',
  'ECDSA SHA-384',
  'RSA-OAEP SHA-384',
  'RSA-OAEP',
  'PBKDF2',
  'PBKDF2 SHA-512',
]);

interface Parameters {
  readonly name: string;
  readonly hash?: string | { readonly name: string };
  readonly namedCurve?: string;
  readonly length?: number;
  readonly iv?: Uint8Array;
  readonly tagLength?: number;
}

/** An algorithm with what of it can be weak. */
function wordsOf(operation: string, given: string | Parameters): string {
  const parameters = typeof given === 'string' ? { name: given } : given;
  // Web Cryptography §29.4: where a tag has no length, it has 128 bits.
  const { name, hash, namedCurve, length, iv, tagLength = 128 } = parameters;
  if (operation === 'digest') return `digest ${name}`;
  if (name === 'AES-GCM' && iv !== undefined) return `AES-GCM nonce of ${iv.byteLength}, tag of ${tagLength}`;
  if (name === 'AES-GCM' && length !== undefined) return `AES-GCM key of ${length}`;
  return [name, typeof hash === 'object' ? hash.name : hash, namedCurve].filter(Boolean).join(' ');
}

/** Runs work, and gives what it asked of WebCrypto. */
async function recorded(work: () => Promise<void>): Promise<Set<string>> {
  const prototype = SubtleCrypto.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const seen = new Set<string>();
  const note = (operation: string, algorithm: unknown, key?: unknown) => {
    if (typeof algorithm !== 'string' && typeof (algorithm as Parameters | null)?.name !== 'string') return;
    if (formats.includes(algorithm as string)) return;
    const words = wordsOf(operation, algorithm as Parameters);
    // An imported AES key is as long as what is imported: seen on the key itself.
    if (words !== 'AES-GCM') seen.add(words);
    const { algorithm: own } = (key ?? {}) as Partial<CryptoKey>;
    if (own?.name === 'AES-GCM') seen.add(wordsOf(operation, own as Parameters));
  };
  const originals = operations.map((name) => [name, prototype[name]] as const);
  for (const [name, original] of originals) {
    prototype[name] = function (this: unknown, ...args: unknown[]) {
      for (const argument of args)
        note(
          name,
          argument,
          args.find((each) => each instanceof CryptoKey),
        );
      return original?.apply(this, args);
    };
  }
  try {
    await work();
  } finally {
    for (const [name, original] of originals) if (original !== undefined) prototype[name] = original;
  }
  return seen;
}

test('everything once: nothing is asked for but what the page on compliance names', async () => {
  const keyId = await newKey();
  const seen = await recorded(async () => {
    const [own, rsa] = await Promise.all([generateEcdhKey(), generateRsaKey()]);
    const local = anyOf(
      ecdhKeyring({ recipients: [own.publicKey], privateKeys: [own] }),
      aesKeyring({ keyId: 'a', key: new Uint8Array(32).fill(1) }),
      passphraseKeyring({ passphrase: 'orbit-velvet-cactus-lantern-mosaic-tundra' }),
      rsaKeyring({ recipients: [rsa.publicKey], privateKeys: [rsa.privateKey] }),
    );
    const client = clientOf('alice@north', { dpop: generateProofKey('ES384') });
    const keyring = serviceKeyring({ client, keyId, keyContext });
    const offline = serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext, mode: 'offline' });
    // Long enough that nothing is done for small inputs alone.
    const plaintext = pattern(300_000);
    for (const each of [local, keyring, offline, cachingKeyring(keyring, { pollInterval: 0 })]) {
      const message = await encrypt(plaintext, { keyring: each, context: { a: '1' } });
      await decrypt(message, { keyring: each, context: { a: '1' } });
      await reencrypt(message, { from: each, to: keyring, context: { a: '1' } });
      const sealing = new Blob([plaintext]).stream().pipeThrough(encryptStream({ keyring: each }));
      await new Response(sealing.pipeThrough(decryptStream({ keyring: each }))).arrayBuffer();
    }
    await rewrap(await encrypt('x', { keyring: local }), { from: local, to: keyring });
  });
  expect([...seen].filter((words) => !allowed.has(words))).toEqual([]);
  // In Node much goes through node:crypto, whose names test/architecture/algorithms.test.ts reads in the sources.
  if (typeof document !== 'undefined') expect([...allowed].filter((words) => !seen.has(words))).toEqual([]);
  else expect(seen.size).toBeGreaterThan(5);
});
