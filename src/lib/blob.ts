/** Blobs and files, of any realm and any implementation. */

/** Whether something is a `Blob`, by what it can do: its tag differs among runtimes. */
export function isBlob(value: unknown): value is Blob {
  const { size, slice, stream } = (value ?? {}) as Partial<Blob>;
  return typeof size === 'number' && typeof slice === 'function' && typeof stream === 'function';
}
