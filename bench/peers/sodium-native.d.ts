/** What is used of a package without types. */
declare module 'sodium-native' {
  const sodium: {
    readonly crypto_secretstream_xchacha20poly1305_ABYTES: number;
    readonly crypto_secretstream_xchacha20poly1305_KEYBYTES: number;
    readonly crypto_secretstream_xchacha20poly1305_STATEBYTES: number;
    readonly crypto_secretstream_xchacha20poly1305_HEADERBYTES: number;
    readonly crypto_secretstream_xchacha20poly1305_TAG_MESSAGE: number;
    readonly crypto_aead_xchacha20poly1305_ietf_KEYBYTES: number;
    readonly crypto_aead_xchacha20poly1305_ietf_NPUBBYTES: number;
    readonly crypto_aead_xchacha20poly1305_ietf_ABYTES: number;
    readonly crypto_box_SEALBYTES: number;
    crypto_secretstream_xchacha20poly1305_keygen(key: Uint8Array): void;
    crypto_secretstream_xchacha20poly1305_init_push(state: Uint8Array, header: Uint8Array, key: Uint8Array): void;
    crypto_secretstream_xchacha20poly1305_init_pull(state: Uint8Array, header: Uint8Array, key: Uint8Array): void;
    crypto_secretstream_xchacha20poly1305_push(...args: (Uint8Array | number | null)[]): void;
    crypto_secretstream_xchacha20poly1305_pull(...args: (Uint8Array | null)[]): void;
    randombytes_buf(bytes: Uint8Array): void;
    crypto_aead_xchacha20poly1305_ietf_keygen(key: Uint8Array): void;
    crypto_aead_xchacha20poly1305_ietf_encrypt(...args: (Uint8Array | null)[]): number;
    crypto_aead_xchacha20poly1305_ietf_decrypt(...args: (Uint8Array | null)[]): number;
    crypto_box_keypair(publicKey: Uint8Array, secretKey: Uint8Array): void;
    crypto_box_seal(box: Uint8Array, plaintext: Uint8Array, publicKey: Uint8Array): void;
    crypto_box_seal_open(plain: Uint8Array, box: Uint8Array, publicKey: Uint8Array, secretKey: Uint8Array): boolean;
  };
  export default sodium;
}
