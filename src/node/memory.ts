/** Memory in large pieces: given back early, and kept at hand by the process rather than by the system. */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Bytes } from '../types.ts';

type Transferable = ArrayBuffer & { transfer?: (length: number) => ArrayBuffer };

const closedPort = createClosedPort();

/**
 * Frees memory at once that the caller alone owns: the arrays and all others on their buffers are empty afterwards. Results of SubtleCrypto are fresh
 * memory; left to the garbage collector they double the peak, and touching new pages costs more than AES.
 */
export function release(arrays: readonly Bytes[]): void {
  for (const { buffer } of arrays) {
    const { transfer } = buffer as Transferable;
    // Node 20 has no transfer: a message that cannot arrive detaches and frees just as well.
    if (transfer !== undefined) transfer.call(buffer, 0);
    else if (buffer.byteLength > 0) closedPort.postMessage(null, [buffer]);
  }
}

function createClosedPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.unref();
  return port1;
}

/**
 * Has glibc keep what is released, up to 64 MiB, instead of giving it back to the system and asking for it again page by page, which takes longer than AES. Freeing one untouched piece of nearly
 * 32 MiB does it: that is what the thresholds of `malloc` adjust themselves to (mallopt(3), M_MMAP_THRESHOLD). Harmless with any other allocator; for a process of our own, since it is felt in all of it.
 */
export function keepReleasedMemory(): void {
  const largest = 2 ** 25 - 2 ** 16;
  release([new Uint8Array(Buffer.allocUnsafeSlow(largest).buffer as ArrayBuffer)]);
}
