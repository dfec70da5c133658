// libsodium by its binding for Node: its secretstream in chunks of 64 KiB, its AEAD in one call, and sealed boxes.

import sodium from 'sodium-native';

const chunkLength = 65_536;
const overhead = sodium.crypto_secretstream_xchacha20poly1305_ABYTES;

/** XChaCha20-Poly1305 in one call, a random nonce in front. It works synchronously. */
export function libsodiumAead() {
  const key = Buffer.alloc(sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  sodium.crypto_aead_xchacha20poly1305_ietf_keygen(key);
  const nonceLength = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  const tagLength = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES;
  return {
    name: 'libsodium (sodium-native, XChaCha20-Poly1305)',
    encrypt(plaintext: Uint8Array): Uint8Array {
      const message = Buffer.allocUnsafeSlow(nonceLength + plaintext.byteLength + tagLength);
      const nonce = message.subarray(0, nonceLength);
      sodium.randombytes_buf(nonce);
      const sealed = message.subarray(nonceLength);
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plaintext, null, null, nonce, key);
      return message;
    },
    decrypt(message: Uint8Array): Uint8Array {
      const plaintext = Buffer.allocUnsafeSlow(message.byteLength - nonceLength - tagLength);
      const nonce = message.subarray(0, nonceLength);
      const sealed = message.subarray(nonceLength);
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext, null, sealed, null, nonce, key);
      return plaintext;
    },
  };
}

/** Its operations under fresh keys. It works synchronously. */
export function libsodium() {
  const key = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_KEYBYTES);
  sodium.crypto_secretstream_xchacha20poly1305_keygen(key);
  const [publicKey, secretKey] = [Buffer.alloc(32), Buffer.alloc(32)];
  sodium.crypto_box_keypair(publicKey, secretKey);
  return {
    name: 'libsodium (sodium-native)',
    encrypt(plaintext: Uint8Array): Uint8Array {
      const box = Buffer.alloc(plaintext.byteLength + sodium.crypto_box_SEALBYTES);
      sodium.crypto_box_seal(box, plaintext, publicKey);
      return box;
    },
    decrypt(box: Uint8Array): Uint8Array {
      const plaintext = Buffer.alloc(box.byteLength - sodium.crypto_box_SEALBYTES);
      if (!sodium.crypto_box_seal_open(plaintext, box, publicKey, secretKey)) throw new Error('does not open');
      return plaintext;
    },
    encryptChunks: (chunks: readonly Uint8Array[], consume: (chunk: Uint8Array) => void) => seal(key, chunks, consume),
    decryptChunks: (chunks: readonly Uint8Array[]) => open(key, chunks),
  };
}

function seal(key: Buffer, chunks: readonly Uint8Array[], consume: (chunk: Uint8Array) => void): void {
  const state = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_STATEBYTES);
  const header = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES);
  sodium.crypto_secretstream_xchacha20poly1305_init_push(state, header, key);
  consume(header);
  const tag = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += chunkLength) {
      const piece = chunk.subarray(at, at + chunkLength);
      const sealed = Buffer.allocUnsafeSlow(piece.byteLength + overhead);
      sodium.crypto_secretstream_xchacha20poly1305_push(state, sealed, piece, null, tag);
      consume(sealed);
    }
  }
}

function open(key: Buffer, [header, ...chunks]: readonly Uint8Array[]): void {
  const state = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_STATEBYTES);
  sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, header as Uint8Array, key);
  const tag = Buffer.alloc(1);
  for (const chunk of chunks) {
    const plaintext = Buffer.allocUnsafeSlow(chunk.byteLength - overhead);
    sodium.crypto_secretstream_xchacha20poly1305_pull(state, plaintext, tag, chunk, null);
  }
}
