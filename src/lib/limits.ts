/** The limits of the format, `docs/format.md` §2.4: checked before anything is allocated, derived or asked for. */

/** Bytes of a serialized envelope. */
export const maxEnvelopeLength = 1_048_576;
/** Bytes of a serialized header. */
export const maxHeaderLength = 65_536;
/** Wrapped keys in an envelope. */
export const maxWrappedKeys = 64;
/** Bytes of a serialized wrapped key. */
export const maxWrappedKeyLength = 16_384;
/** UTF-8 bytes of a key id, a service id, a content type, or a name in a map. */
export const maxNameLength = 256;
/** Pairs in a context, a key context or the metadata. */
export const maxPairs = 64;
/** UTF-8 bytes of a value in a context or the metadata. */
export const maxValueLength = 8_192;
/** UTF-8 bytes of a value in a key context. */
export const maxKeyContextValueLength = 1_024;
/** Bytes of the opaque wrapped key of a key service. */
export const maxOpaqueLength = 8_192;
/** PBKDF2 iterations, least and most (§8.5). */
export const minIterations = 600_000;
/** See {@link minIterations}. */
export const maxIterations = 10_000_000;
/** Segments of a message. */
export const maxSegments = 2 ** 32 - 1;
/** Plaintext bytes of a message. */
export const maxPlaintextLength = 2 ** 46;
/** Binary logarithm of the segment size, least and most (§3). */
export const minSegmentSizeLog2 = 12;
/** See {@link minSegmentSizeLog2}. */
export const maxSegmentSizeLog2 = 22;
/** RSA modulus bits, least and most (§8.4). */
export const minRsaBits = 3_072;
/** See {@link minRsaBits}. */
export const maxRsaBits = 8_192;
/** The value of `use` in the key context of every data key of database fields (`docs/fields.md` §4.4): it is for no message. */
export const fieldsUse = 'bulla-fields';
