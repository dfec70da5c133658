// libsodium as WebAssembly: its AEAD in one call, a random nonce in front.

import sodium from 'libsodium-wrappers';

/** Its operations under a fresh key. */
export async function libsodiumWasm() {
  await sodium.ready;
  const key = sodium.crypto_aead_xchacha20poly1305_ietf_keygen();
  const nonceLength = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  return {
    name: 'libsodium (WASM, XChaCha20-Poly1305)',
    most: 2 ** 24,
    encrypt(plaintext: Uint8Array) {
      const nonce = sodium.randombytes_buf(nonceLength);
      return { nonce, sealed: sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, null, null, nonce, key) };
    },
    decrypt({ nonce, sealed }: { nonce: Uint8Array; sealed: Uint8Array }): Uint8Array {
      return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, null, nonce, key);
    },
  };
}
