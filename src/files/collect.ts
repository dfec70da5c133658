/** A stream as a blob that the browser has shown it can read: browsers keep large ones on disk. */

/** What every blob of this package is said to be. A blob URL of somebody's HTML, opened in a tab, would otherwise be a page of this origin. */
const type = 'application/octet-stream';

/**
 * Reads a stream to its end. Rejects with what it errors with, and with what the browser says where it has no room: a blob is there when its first and last byte can be read.
 *
 * The browser makes the blob itself, of a body, and waits until each piece is stored. Of pieces in memory it makes one at once, whose bytes may never arrive: a Chromium that has just started
 * has room for about 500 MB.
 */
export async function blobOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Blob> {
  let failure: { readonly error: unknown } | undefined;
  const reader = stream.getReader();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          // Told below: of a body that errors, browsers make errors of their own, and Firefox one that nobody can catch.
          failure = { error };
          controller.close();
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  const blob = (await new Response(body).blob()).slice(undefined, undefined, type);
  if (failure !== undefined) throw failure.error;
  await Promise.all([blob.slice(0, 1).arrayBuffer(), blob.slice(-1).arrayBuffer()]);
  return blob;
}
