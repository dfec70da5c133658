// What is encrypted: bytes in memory, as chunks and as streams.

/** What small messages are bound to, by bulla and by the AWS Encryption SDK alike; the other peers have no such thing. */
export const messageContext = { table: 'people', row: '4711' };

/** Chunks of 1 MiB that cycle through 32 MiB of noise: more than the caches of a processor hold. */
export function chunksOf(bytes: number): Uint8Array<ArrayBuffer>[] {
  const size = 2 ** 20;
  noise ??= makeNoise(2 ** 25);
  const buffer = noise;
  return Array.from({ length: Math.ceil(bytes / size) }, (_, i) => {
    const at = (i * size) % buffer.byteLength;
    return buffer.subarray(at, at + Math.min(size, bytes - i * size));
  });
}

let noise: Uint8Array<ArrayBuffer> | undefined;

/** Random bytes. */
export function makeNoise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

/** A stream that gives a chunk whenever it is asked. */
export function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next === chunks.length) controller.close();
      else controller.enqueue(chunks[next++] as Uint8Array);
    },
  });
}

/** Reads to the end and throws the chunks away; resolves to the bytes that there were. */
export async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stream.getReader();
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes += value.byteLength;
  }
}

/** All chunks of a stream. */
export async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    chunks.push(value as Uint8Array<ArrayBuffer>);
  }
}

/** One array of all chunks. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    result.set(chunk, at);
    at += chunk.byteLength;
  }
  return result;
}

/** The same bytes in one piece of memory, as chunks of 1 MiB: what a message is that somebody read from somewhere. */
export function rechunked(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer>[] {
  const whole = joined(chunks);
  return Array.from({ length: Math.ceil(whole.byteLength / 2 ** 20) }, (_, i) =>
    whole.subarray(i * 2 ** 20, (i + 1) * 2 ** 20),
  );
}
