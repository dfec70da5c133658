// One side of an exchange, run by the Node under test on the built package:
//   side.mjs encrypt FOLDER KEYS.json    writes a message for every size and keyring
//   side.mjs decrypt FOLDER KEYS.json    decrypts them all and compares
// With WITHOUT_WEBCRYPTO=1 it runs on @peculiar/webcrypto.

import { createHash, webcrypto } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

if (process.env.WITHOUT_WEBCRYPTO === '1') {
  Object.defineProperty(Object.getPrototypeOf(webcrypto), 'subtle', { value: undefined });
  Reflect.deleteProperty(globalThis, 'crypto');
}
const { decrypt, encrypt } = await import('bulla');
const { ecdhKeyring, importEcdhPrivateKey } = await import('bulla/keyrings/ecdh');
const { aesKeyring } = await import('bulla/keyrings/aes');
const { importRsaPrivateKey, importRsaPublicKey, rsaKeyring } = await import('bulla/keyrings/rsa');
const { passphraseKeyring } = await import('bulla/keyrings/passphrase');

const [action, folder, keyFile] = process.argv.slice(2);
const keys = JSON.parse(readFileSync(keyFile, 'utf8'));
const segment = 262_144;
const sizes = [0, 1, segment - 1, segment, segment + 1, 2 * segment, 2 * segment + 1, 64 * 2 ** 20];
const context = { id: '4711', name: 'Zoë \u{1F600}' };

const ecdhKey = await importEcdhPrivateKey(keys.ecdh);
const keyrings = {
  ecdh: ecdhKeyring({ recipients: [ecdhKey.publicKey], privateKeys: [ecdhKey], keyContext: { tenant: 'a' } }),
  aes: aesKeyring({ keyId: 'k', key: Buffer.from(keys.aes, 'base64url') }),
  rsa: rsaKeyring({
    recipients: [await importRsaPublicKey(keys.rsa)],
    privateKeys: [await importRsaPrivateKey(keys.rsa)],
  }),
  passphrase: passphraseKeyring({ passphrase: keys.passphrase }),
};
const cases = [
  ...sizes.map((size) => ({ method: 'ecdh', size })),
  ...['aes', 'rsa', 'passphrase'].map((method) => ({ method, size: segment + 1 })),
];

for (const { method, size } of cases) {
  const path = join(folder, `${method}-${size}.bulla`);
  const plaintext = pattern(size);
  const keyring = keyrings[method];
  if (action === 'encrypt') {
    writeFileSync(path, await encrypt(plaintext, { keyring, context, metadata: { size: String(size) } }));
  } else {
    const opened = await decrypt(readFileSync(path), { keyring, context });
    if (opened.plaintext.constructor !== Uint8Array) throw new Error('the plaintext is no plain Uint8Array');
    if (hash(opened.plaintext) !== hash(plaintext)) throw new Error(`${path} decrypted to something else`);
    if (opened.header.metadata.size !== String(size)) throw new Error(`${path} has another header`);
  }
}
console.log(`${cases.length} messages`);

function pattern(length) {
  const block = createHash('sha512').update(String(length)).digest();
  return new Uint8Array(Buffer.alloc(length, block));
}

function hash(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
