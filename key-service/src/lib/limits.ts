/** The limits of the protocol, checked before anything is allocated, derived or stored. */

/** Bytes of a request body, §1.3. */
export const maxBodyBytes = 4 * 1024 * 1024;
/** Bytes of a body at the token endpoints, where anybody may send one, §1.3. */
export const maxFormBytes = 32 * 1024;
/** Items of a batch, §6.1. */
export const maxItems = 1000;
/** Bytes of an access token and of a proof. */
export const maxTokenBytes = 8192;
/** Seconds that a proof's `iat` may be away, §3.3. */
export const proofSeconds = 60;
/** Seconds that an access token may have ahead, §3.2. */
export const maxTokenSeconds = 900;
/** Seconds of clock difference that token times are allowed. */
export const clockSkewSeconds = 30;
/** `docs/format.md` §2.4. */
export const maxContextPairs = 64;
export const maxContextNameBytes = 256;
export const maxContextValueBytes = 1024;
/** Data keys of one revocation, §7.7. */
export const maxRevokedItems = 100;
/** Entries of the log in one answer, §8.4. */
export const maxEntries = 1000;
