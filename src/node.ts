/** What bulla has for Node alone: files as sources of random access, and encryption, decryption and re-wrapping from file to file. */

export { type DecryptedFile, type DecryptFileOptions, decryptFile } from './node/decrypt-file.ts';
export { type EncryptedFile, type EncryptFileOptions, encryptFile } from './node/encrypt-file.ts';
export { type FileSource, fileSource } from './node/file-source.ts';
export { type RewrapFileOptions, rewrapFile } from './node/rewrap-file.ts';
