/** The public face of bulla: everything but the keyrings, which have subpaths of their own. */

export { fromText, toText } from './envelope/framing.ts';
// Errors
export {
  type AnyBullaError,
  BullaError,
  ContextMismatchError,
  CryptoUnavailableError,
  DecryptionError,
  isBullaError,
  KeyError,
  type KeyErrorCode,
  KeyServiceError,
  type KeyServiceErrorCode,
  type KeyServiceErrorDetails,
  MessageFormatError,
  type MessageFormatErrorCode,
  SourceError,
  type SourceErrorCode,
  type SourceErrorDetails,
} from './errors.ts';
export type { DecryptionOptions } from './message/begin-decryption.ts';
export type { EncryptionOptions } from './message/begin-encryption.ts';
export { type Decrypted, type DecryptOptions, decrypt } from './message/decrypt.ts';
export { type DecryptStream, type DecryptStreamOptions, decryptStream } from './message/decrypt-stream.ts';
// Messages
export { type EncryptOptions, encrypt } from './message/encrypt.ts';
// Streams and random access
export { type EncryptStream, type EncryptStreamOptions, encryptStream } from './message/encrypt-stream.ts';

// Forms
export { attach, type DetachedMessage, detach, type Message } from './message/forms.ts';
// Messages that exist
export { type Inspection, type InspectOptions, inspect, type WrappedKeyInfo } from './message/inspect.ts';
// Arrays of small messages
export { decryptMany, type EncryptedItem, encryptMany, type PlaintextItem } from './message/many.ts';
export { type ByteRange, type OpenedMessage, type OpenOptions, open } from './message/open.ts';
export { type ReencryptOptions, reencrypt } from './message/reencrypt.ts';
export { type RewrapOptions, rewrap } from './message/rewrap.ts';
export type { Source } from './message/source.ts';
export type { SourceInput } from './message/sources.ts';

// Types
export type { Bytes, Context, KeyContext, KeyUse, MessageHeader, Metadata, RandomSource } from './types.ts';
