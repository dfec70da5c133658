/** What turns the chunks of a stream into segments or back, on this thread (`transform.ts`) or on others. */

import type { AeadKey } from '../crypto/keys.ts';
import { assert } from '../lib/assert.ts';
import type { Bytes } from '../types.ts';

/** Turns chunks of one side into segments of the other. */
export interface SegmentPipe {
  /** Takes a chunk, which may be used again when this resolves: when there is room for more. */
  write(chunk: Bytes): Promise<void>;
  /** Takes the end; resolves when the last segment is out. */
  end(): Promise<void>;
}

/** Where results go. */
export interface PipeOutput {
  emit(result: Bytes): void;
  /** Hears of a failure at once, also while nothing is written. */
  fail(error: unknown): void;
}

/** What a pipe does. */
export interface PipeWork {
  readonly direction: 'seal' | 'open';
  readonly key: AeadKey;
  /** Plaintext bytes of every segment but the last. */
  readonly segmentSize: number;
}

/** Threads that seal and open segments; `createWorkerPool` of `bulla/workers` makes them. */
export interface SegmentWorkers {
  /** A pipe whose work they do. */
  pipe(work: PipeWork, output: PipeOutput): SegmentPipe;
}

/** The reader of workers among options, which are kept as they are. */
export function takeWorkers(value: unknown, name: string): SegmentWorkers {
  assert(typeof (value as Partial<SegmentWorkers> | null)?.pipe === 'function', name, 'a pool of workers');
  return value as SegmentWorkers;
}
