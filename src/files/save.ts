/** Saving streams from a page: straight into a file that the user picks, where the browser has the File System Access API, else as a download. */

import { copy } from '../lib/bytes.ts';
import { optional, type ReadersOf, takeBoolean, takeOptions, takeText } from '../lib/options.ts';
import { blobOf } from './collect.ts';

/** Options of {@link openFileToSave}. */
export interface SaveOptions {
  /** The name that the user is offered. */
  readonly suggestedName: string;
  /** `true` never asks for a place, and downloads. Default: `false`. */
  readonly download?: boolean | undefined;
}

const readers = {
  suggestedName: takeText,
  download: optional(takeBoolean, false),
} satisfies ReadersOf<SaveOptions>;

/** The File System Access API, which not every browser has. */
interface FilePicker {
  showSaveFilePicker?(options: {
    readonly suggestedName: string;
  }): Promise<{ createWritable(): Promise<WritableStream<Uint8Array>> }>;
}

/**
 * Opens a file to save a stream to. In browsers with the File System Access API (Chromium) the user picks its place, and chunks go to disk as they come; nothing appears there before the stream is closed, and
 * nothing at all if it is aborted. Elsewhere the stream is collected, and downloaded when it is closed.
 *
 * To be called while the page handles a click or a key. Rejects with the browser's own `AbortError` when the user picks no place, and its `SecurityError` without a click; throws a `TypeError` that names a
 * wrong option.
 *
 * @example
 * const file = await openFileToSave({ suggestedName: 'film.mp4' });
 * await response.body.pipeThrough(decryptStream({ keyring })).pipeTo(file);
 */
export async function openFileToSave(options: SaveOptions): Promise<WritableStream<Uint8Array>> {
  const { suggestedName, download } = takeOptions(options, readers);
  const picker = globalThis as unknown as FilePicker;
  if (download || picker.showSaveFilePicker === undefined) return downloadOnClose(suggestedName);
  const file = await picker.showSaveFilePicker({ suggestedName });
  return file.createWritable();
}

function downloadOnClose(name: string): WritableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const writer = writable.getWriter();
  const collected = blobOf(readable);
  // The next write or close reports it.
  collected.catch(() => {});
  return new WritableStream<Uint8Array>({
    // The writer may reuse it.
    write: (chunk) => writer.write(copy(chunk)),
    abort: (reason) => writer.abort(reason),
    async close() {
      await writer.close();
      const url = URL.createObjectURL(await collected);
      const link = Object.assign(document.createElement('a'), { href: url, download: name });
      link.click();
      // The browser reads the blob after the click; a minute is more than it waits before it begins.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
  });
}
