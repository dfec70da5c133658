// The AWS Encryption SDK for browsers, with a raw AES key and without signature. It has no streams: the whole in memory is all there is.

import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  RawAesKeyringWebCrypto,
  RawAesWrappingSuiteIdentifier,
} from '../aws-browser/node_modules/@aws-crypto/client-browser';

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

/** Its operations under a fresh key, with a frame length. */
export async function awsInPage(frameLength: number) {
  const wrappingSuite = RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING;
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const masterKey = await RawAesKeyringWebCrypto.importCryptoKey(bytes, wrappingSuite);
  const keyring = new RawAesKeyringWebCrypto({ keyName: 'bench', keyNamespace: 'bulla', masterKey, wrappingSuite });
  const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
  return {
    encrypt: async (plaintext: Uint8Array) => (await encrypt(keyring, plaintext, { suiteId, frameLength })).result,
    decrypt: async (message: Uint8Array) => (await decrypt(keyring, message)).plaintext,
  };
}
