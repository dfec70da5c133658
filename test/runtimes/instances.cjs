// Two copies of the built package in one process, by `import` and by `require`: keys, keyrings, errors and messages of
// one work in the other. Prints how many instances the runtime made.

const assert = require('node:assert/strict');

const context = { record: '4711' };
const subpaths = [
  'bulla',
  'bulla/keyrings/aes',
  'bulla/keyrings/ecdh',
  'bulla/keyrings/any-of',
  'bulla/cache',
  'bulla/service',
];

async function main() {
  const required = Object.assign({}, ...subpaths.map((name) => require(name)));
  const imported = Object.assign({}, ...(await Promise.all(subpaths.map((name) => import(name)))));

  for (const [one, other] of [
    [required, imported],
    [imported, required],
  ]) {
    const key = await one.generateEcdhKey();
    const keyrings = [
      one.aesKeyring({ keyId: 'k', key: new Uint8Array(32) }),
      one.ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] }),
      other.ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] }),
      other.anyOf(one.aesKeyring({ keyId: 'k', key: new Uint8Array(32) })),
    ];
    for (const keyring of keyrings) {
      const message = await other.encrypt('attack at dawn', { keyring, context });
      const { plaintext } = await one.decrypt(message, { keyring, context });
      assert.equal(new TextDecoder().decode(plaintext), 'attack at dawn');
      const error = await other.decrypt(message, { keyring }).catch((thrown) => thrown);
      assert.equal(one.isBullaError(error) && error.code, 'ERR_CONTEXT_MISMATCH');
      message[message.byteLength - 1] ^= 1;
      const failed = await other.decrypt(message, { keyring, context }).catch((thrown) => thrown);
      assert.equal(one.isBullaError(failed) && failed.code, 'ERR_DECRYPTION_FAILED');
    }
  }
  console.log(required.encrypt === imported.encrypt ? 'one instance' : 'two instances');
}

void main();
