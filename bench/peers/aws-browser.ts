// The AWS Encryption SDK for browsers, with a raw AES key and without signature. It has no streams: the whole in memory is all there is.

import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  RawAesKeyringWebCrypto,
  RawAesWrappingSuiteIdentifier,
  WebCryptoCachingMaterialsManager,
} from '@aws-crypto/client-browser';

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

/** How it is used. */
export interface AwsOptions {
  readonly frameLength: number;
  readonly cached?: boolean;
  readonly encryptionContext?: Record<string, string>;
}

/** Its operations under a fresh key. */
export async function awsInPage({ frameLength, cached = false, encryptionContext = {} }: AwsOptions) {
  const wrappingSuite = RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING;
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const masterKey = await RawAesKeyringWebCrypto.importCryptoKey(bytes, wrappingSuite);
  const keyring = new RawAesKeyringWebCrypto({ keyName: 'bench', keyNamespace: 'bulla', masterKey, wrappingSuite });
  const materials = cached
    ? new WebCryptoCachingMaterialsManager({
        backingMaterials: keyring,
        cache: getLocalCryptographicMaterialsCache(1000),
        maxAge: 300_000,
        maxMessagesEncrypted: 2 ** 30,
      })
    : keyring;
  const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
  return {
    async encrypt(plaintext: Uint8Array) {
      const plaintextLength = plaintext.byteLength;
      const options = { suiteId, frameLength, encryptionContext, plaintextLength };
      return (await encrypt(materials, plaintext, options)).result;
    },
    decrypt: async (message: Uint8Array) => (await decrypt(materials, message)).plaintext,
  };
}
