/** What bulla has for Node alone: files as sources of random access, encryption, decryption and re-wrapping from file to file, and TLS by one's own rules. */

export type { WrittenFile } from './node/atomic-file.ts';
export { type DecryptedFile, type DecryptFileOptions, decryptFile } from './node/decrypt-file.ts';
export { type EncryptedFile, type EncryptFileOptions, encryptFile } from './node/encrypt-file.ts';
export { type FileSource, fileSource } from './node/file-source.ts';
export type { FilePath } from './node/paths.ts';
export type { NotKept } from './node/replaced-file.ts';
export { type RewrapFileOptions, rewrapFile } from './node/rewrap-file.ts';
export { type TlsFetch, type TlsFetchOptions, tlsFetch } from './node/tls-fetch.ts';
