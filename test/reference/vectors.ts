// The shape of test/vectors/*.json and the decoding of its byte strings; nothing here needs Node.

/** What a reader reports. */
export type ErrorCode =
  | 'ERR_NOT_A_MESSAGE'
  | 'ERR_UNSUPPORTED_VERSION'
  | 'ERR_UNSUPPORTED_SUITE'
  | 'ERR_UNSUPPORTED_FEATURE'
  | 'ERR_LIMIT_EXCEEDED'
  | 'ERR_TRUNCATED'
  | 'ERR_MALFORMED'
  | 'ERR_CONTEXT_MISMATCH'
  | 'ERR_NO_MATCHING_KEY'
  | 'ERR_DECRYPTION_FAILED';

/** A name and a value, of a context, a key context or the metadata. */
export type Pair = readonly [name: string, value: string];

/** Base64url without padding, or pieces of it where a long run of bytes repeats. */
export type Bytes = string | readonly (string | { readonly repeat: string; readonly times: number })[];

export type Jwk = { readonly kty: string } & { readonly [member in 'crv' | 'x' | 'y' | 'd' | EncodedRsa]?: string };
type EncodedRsa = 'n' | 'e' | 'p' | 'q' | 'dp' | 'dq' | 'qi';

/** The entries of keys.json. */
export interface KeyMaterial {
  readonly bytes?: string;
  readonly jwk?: Jwk;
  readonly passphrase?: string;
}

/** A key a reader holds: its material by its name in keys.json, and what the reader expects of a wrapped key (§7.6). */
export interface VectorKey {
  readonly method: 'ecdh' | 'service-ecdh' | 'aes' | 'rsa' | 'passphrase' | 'kms';
  readonly key: string;
  readonly keyId: string;
  readonly version?: number;
  readonly serviceId?: string;
  readonly keyContext?: readonly Pair[];
}

/** One wrap of the data key, with all that a writer draws at random; `wrappedKey` alone is an entry taken as it is. */
export type VectorWrap =
  | (VectorKey & {
      readonly ephemeralPrivateKey?: string;
      readonly salt?: string;
      readonly iterations?: number;
      readonly encryptedKey?: string;
    })
  | {
      readonly method: 'service';
      readonly keyId: string;
      readonly version?: number;
      readonly serviceId: string;
      readonly keyContext?: readonly Pair[];
      readonly opaque: Bytes;
    }
  | { readonly method: 'raw'; readonly wrappedKey: Bytes };

/** What a writer starts from. */
export interface VectorInput {
  readonly name: string;
  readonly clauses: readonly string[];
  /** `{ length }`: the bytes 0, 1, ..., 250, 0, 1, ... up to that length. */
  readonly plaintext: string | { readonly length: number };
  readonly dataKey: string;
  readonly salt: string;
  readonly segmentSizeLog2: number;
  readonly created: number;
  readonly keyUse: 'SINGLE' | 'SHARED';
  readonly context: readonly Pair[];
  readonly contentType: string;
  readonly metadata: readonly Pair[];
  readonly extraHeaderFields: Bytes;
  readonly wraps: readonly VectorWrap[];
  /** The keys that a reader holds, in its order, where the order or what it expects matters. Default: each wrap's own key alone. */
  readonly readers?: readonly VectorKey[];
}

export interface ValidVector extends VectorInput {
  readonly intermediates: {
    readonly header: Bytes;
    readonly map: Bytes;
    readonly transcriptDigest: string;
    readonly messageKeyInfo: string;
    readonly commitmentInfo: string;
    readonly messageKey: string;
    readonly commitment: string;
    readonly wraps: readonly Readonly<Record<string, Bytes>>[];
    readonly envelope: Bytes;
    readonly nonces: readonly string[];
  };
  readonly messageLength: number;
  readonly messageSha384: string;
  /** Absent where the message is long: seal the plaintext under `messageKey` and compare with `messageSha384`. */
  readonly message?: Bytes;
  /** The other forms (§1.5, §1.6), of small messages. */
  readonly text?: string;
  readonly detached?: { readonly envelope: string; readonly body: string; readonly text: string };
  /** Foldings of `text` that a reader takes for it (§1.7). */
  readonly folded?: readonly string[];
}

/** Exactly one of `message`, `text` and `detached`; there, one of `envelope` and `text`. */
export interface InvalidVector {
  readonly name: string;
  /** The first one holds the rule that is broken. */
  readonly clauses: readonly string[];
  readonly code: ErrorCode;
  readonly message?: Bytes;
  readonly text?: string;
  readonly detached?: { readonly envelope?: Bytes; readonly text?: string; readonly body: Bytes };
  readonly keys: readonly VectorKey[];
  readonly context: readonly Pair[];
}

export function decodeBytes(value: Bytes): Uint8Array {
  const pieces = typeof value === 'string' ? [value] : value;
  const decoded = pieces.map((piece) => {
    if (typeof piece === 'string') return decodeBase64url(piece);
    const unit = decodeBase64url(piece.repeat);
    return Uint8Array.from({ length: unit.length * piece.times }, (_, index) => unit[index % unit.length] ?? 0);
  });
  const result = new Uint8Array(decoded.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of decoded) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}

export function plaintextOf({ plaintext }: Pick<VectorInput, 'plaintext'>): Uint8Array {
  if (typeof plaintext === 'string') return decodeBytes(plaintext);
  return Uint8Array.from({ length: plaintext.length }, (_, index) => index % 251);
}

/** The message of a vector; a long one, which the file does not hold, is sealed again from its message key (§6). */
export async function messageOf(vector: ValidVector, subtle: SubtleCrypto): Promise<Uint8Array> {
  if (vector.message !== undefined) return decodeBytes(vector.message);
  const [envelope, plaintext] = [decodeBytes(vector.intermediates.envelope), plaintextOf(vector)];
  const key = await subtle.importKey('raw', owned(decodeBytes(vector.intermediates.messageKey)), 'AES-GCM', false, [
    'encrypt',
  ]);
  const message = new Uint8Array(vector.messageLength);
  const view = new DataView(message.buffer);
  message.set([0x62, 0x75, 0x6c, 0x6c, 0x61, 1]);
  view.setUint32(6, envelope.length);
  message.set(envelope, 10);
  const size = 2 ** vector.segmentSizeLog2;
  for (let index = 0; index * size <= plaintext.length; index++) {
    const iv = new Uint8Array(12);
    new DataView(iv.buffer).setUint32(8, index);
    const piece = owned(plaintext.subarray(index * size, (index + 1) * size));
    const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, key, piece);
    message.set(new Uint8Array(sealed), 10 + envelope.length + index * (size + 16));
  }
  return message;
}

/** A copy that no SharedArrayBuffer backs, as WebCrypto's types want it. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);

const decodeBase64url = (text: string): Uint8Array =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
