// Peers that run in Node and in browsers: typage, jose, openpgp. Each gives streams or one-shot calls, and small messages.

import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { CompactEncrypt, compactDecrypt, generateKeyPair } from 'jose';
import * as openpgp from 'openpgp';
import { collect, drain, joined, streamOf } from '../lib/payload.ts';

/** A peer. */
export interface Peer {
  readonly name: string;
  /** Bytes that it can be given in reasonable time. */
  readonly most: number;
  encrypt(plaintext: Uint8Array): Promise<Uint8Array | string>;
  decrypt(message: Uint8Array | string): Promise<unknown>;
  /** Encrypts chunks, keeping nothing; and the other way, for what `seal` made. */
  encryptChunks(chunks: readonly Uint8Array[]): Promise<unknown>;
  seal(chunks: readonly Uint8Array[]): Promise<unknown>;
  decryptSealed(sealed: never): Promise<unknown>;
}

/** All of them, with fresh keys. */
export async function portablePeers(): Promise<Peer[]> {
  return [await typage(), await jose(), await pgp()];
}

async function typage(): Promise<Peer> {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return {
    name: 'age-encryption (X25519)',
    most: 2 ** 26,
    encrypt: (plaintext) => encrypter.encrypt(plaintext),
    decrypt: (message) => decrypter.decrypt(message as Uint8Array, 'uint8array'),
    encryptChunks: async (chunks) => drain(await encrypter.encrypt(streamOf(chunks))),
    seal: async (chunks) => collect(await encrypter.encrypt(streamOf(chunks))),
    decryptSealed: async (sealed: Uint8Array[]) => drain(await decrypter.decrypt(streamOf(sealed))),
  };
}

/** To a P-384 key. */
export async function jose(): Promise<Peer> {
  const alg = 'ECDH-ES+A256KW';
  const { publicKey, privateKey } = await generateKeyPair(alg, { crv: 'P-384' });
  const encrypt = (plaintext: Uint8Array) =>
    new CompactEncrypt(plaintext).setProtectedHeader({ alg, enc: 'A256GCM' }).encrypt(publicKey);
  return {
    name: 'jose (ECDH-ES+A256KW, P-384)',
    most: 2 ** 25,
    encrypt,
    decrypt: (message) => compactDecrypt(message as string, privateKey),
    // It has no streams: the whole in memory is all there is.
    encryptChunks: (chunks) => encrypt(joined(chunks)),
    seal: (chunks) => encrypt(joined(chunks)),
    decryptSealed: (sealed: string) => compactDecrypt(sealed, privateKey),
  };
}

async function pgp(): Promise<Peer> {
  const config: openpgp.PartialConfig = {
    v6Keys: true,
    aeadProtect: true,
    preferredAEADAlgorithm: openpgp.enums.aead.gcm,
  };
  const userIDs = [{ name: 'bench' }];
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: 'curve25519',
    userIDs,
    format: 'object',
    config,
  });
  const encrypt = async (binary: Uint8Array | ReadableStream<Uint8Array>) =>
    openpgp.encrypt({
      message: await openpgp.createMessage({ binary: binary as Uint8Array }),
      encryptionKeys: publicKey,
      format: 'binary',
      config,
    });
  const decrypt = async (binaryMessage: Uint8Array | ReadableStream<Uint8Array>) => {
    const message = await openpgp.readMessage({ binaryMessage: binaryMessage as Uint8Array });
    return (await openpgp.decrypt({ message, decryptionKeys: privateKey, format: 'binary', config })).data;
  };
  type Stream = ReadableStream<Uint8Array>;
  return {
    name: 'openpgp (v6, AES-256-GCM)',
    most: 2 ** 26,
    encrypt: (plaintext) => encrypt(plaintext) as Promise<Uint8Array>,
    decrypt: (message) => decrypt(message as Uint8Array),
    encryptChunks: async (chunks) => drain((await encrypt(streamOf(chunks))) as unknown as Stream),
    seal: async (chunks) => collect((await encrypt(streamOf(chunks))) as unknown as Stream),
    decryptSealed: async (sealed: Uint8Array[]) => drain((await decrypt(streamOf(sealed))) as unknown as Stream),
  };
}
