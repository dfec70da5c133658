// The AWS Encryption SDK for Node, with a raw AES key: its defaults, its best frame without signature, its caching.

import { pipeline, Readable } from 'node:stream';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { messageContext } from '../lib/payload.ts';

const { encrypt, encryptStream, decrypt, decryptStream } = buildClient(
  CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
);
const unsigned = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;

/** How it is used. */
export interface AwsOptions {
  readonly signed: boolean;
  readonly frameLength?: number;
  readonly cached?: boolean;
}

/** Its operations under one key. */
export function aws({ signed, frameLength, cached = false }: AwsOptions, unencryptedMasterKey: Uint8Array) {
  const keyring = new RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'bulla',
    unencryptedMasterKey,
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  const materials = cached
    ? new NodeCachingMaterialsManager({
        backingMaterials: keyring,
        cache: getLocalCryptographicMaterialsCache(1000),
        maxAge: 300_000,
        maxMessagesEncrypted: 2 ** 30,
      })
    : keyring;
  const options = { ...(signed ? {} : { suiteId: unsigned }), ...(frameLength === undefined ? {} : { frameLength }) };
  return {
    async encrypt(plaintext: Uint8Array): Promise<Uint8Array> {
      const plain = { ...options, plaintextLength: plaintext.byteLength, encryptionContext: messageContext };
      return (await encrypt(materials, plaintext, plain)).result;
    },
    async decrypt(message: Uint8Array): Promise<Uint8Array> {
      return (await decrypt(materials, message)).plaintext;
    },
    encryptStream: () => encryptStream(materials, options),
    decryptStream: () => decryptStream(materials),
    /** Hands each chunk of the message on. */
    encryptChunks: (chunks: Iterable<Uint8Array>, consume: (chunk: Uint8Array) => void) =>
      through(chunks, encryptStream(materials, options), consume),
    decryptChunks: (chunks: Iterable<Uint8Array>, consume: (chunk: Uint8Array) => void) =>
      through(chunks, decryptStream(materials), consume),
  };
}

function through(chunks: Iterable<Uint8Array>, stream: NodeJS.ReadWriteStream, consume: (chunk: Uint8Array) => void) {
  return new Promise<void>((resolve, reject) => {
    stream.on('data', consume);
    pipeline(Readable.from(chunks), stream as NodeJS.WritableStream, (error) => (error ? reject(error) : undefined));
    stream.on('end', resolve);
    stream.on('error', reject);
  });
}
