/** The memory of what `node:crypto` gives: freed early, and kept as plain arrays. */

import { MessageChannel } from 'node:worker_threads';
import type { Bytes } from '../types.ts';

/** Frees memory without waiting for the garbage collector, where Node can (from 21) and the bytes are all that is in it. Tells whether it did. */
export function release({ buffer, byteLength }: Buffer): boolean {
  const { transfer } = buffer as Growable;
  if (transfer === undefined || byteLength < worthMoving || buffer.byteLength !== byteLength) return false;
  transfer.call(buffer, 0);
  return true;
}

/** The same where Node cannot: what is transferred to a port that is closed is freed at once. Otherwise up to 32 MiB wait for the garbage collector. */
export function releaseBySending(pieces: readonly Buffer[]): void {
  const whole = pieces.filter(
    ({ buffer, byteLength }) => byteLength >= worthMoving && buffer.byteLength === byteLength,
  );
  nowhere ??= closedPort();
  nowhere.postMessage(
    undefined,
    whole.map(({ buffer }) => buffer as ArrayBuffer),
  );
}

let nowhere: MessagePort | undefined;

function closedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1 as unknown as MessagePort;
}

/** The bytes of a `Buffer` as a plain `Uint8Array` in memory of its own. */
export function own(buffer: Buffer): Bytes {
  const { buffer: memory, byteLength } = buffer;
  return memory.byteLength === byteLength && memory instanceof ArrayBuffer
    ? new Uint8Array(memory)
    : new Uint8Array(buffer);
}

type Growable = ArrayBuffer & { transfer?: (length: number) => ArrayBuffer };

/** The bytes in memory of their own that has room for more; large ones in the memory they are in, where Node (from 21) can make that larger. */
export function withRoom(buffer: Buffer, more: number): Bytes {
  const { buffer: memory, byteLength } = buffer;
  const length = byteLength + more;
  const { transfer } = memory as Growable;
  const isWhole = memory.byteLength === byteLength && memory instanceof ArrayBuffer;
  if (isWhole && transfer !== undefined && byteLength >= worthMoving)
    return new Uint8Array(transfer.call(memory, length));
  const result = new Uint8Array(length);
  result.set(buffer);
  return result;
}

const worthMoving = 2 ** 14;
