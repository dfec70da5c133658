/** Bytes as drivers send them to PostgreSQL. */

/** `pg` sends a `Buffer` as bytea; a plain array of bytes it would send as JSON. The memory is the same. Runtimes without `Buffer` have other drivers, which take the bytes as they are. */
export function toBytea(bytes: Uint8Array): Uint8Array {
  const { Buffer } = globalThis as { Buffer?: { from(b: ArrayBufferLike, at: number, length: number): Uint8Array } };
  return Buffer?.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) ?? bytes;
}
