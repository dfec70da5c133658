/** One call to a provider for all who want the same data key at the same time. */

import { copy } from '../lib/bytes.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { Bytes } from '../types.ts';

interface Opening {
  readonly opened: Promise<Bytes>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Data keys that are being opened. Not by `SingleFlight`, which begins again by itself once nobody waits: here each piece of work has its own entry, so that what it opens is
 * overwritten by the last one who waited for it, also where it comes later.
 */
export class Openings {
  readonly #openings = new Map<string, Opening>();

  /** A copy of what `work` opens. The work is aborted when nobody waits for it any more. Rejects with what it rejects with, and with the reason of the signal. */
  async join(
    id: string,
    work: (signal: AbortSignal) => Promise<Bytes>,
    signal: AbortSignal | undefined,
  ): Promise<Bytes> {
    signal?.throwIfAborted();
    const opening = this.#openings.get(id) ?? this.#begin(id, work);
    opening.waiting++;
    try {
      return copy(await untilAborted(opening.opened, signal));
    } finally {
      opening.waiting--;
      if (opening.waiting === 0) this.#end(id, opening);
    }
  }

  #begin(id: string, work: (signal: AbortSignal) => Promise<Bytes>): Opening {
    const controller = new AbortController();
    const opening: Opening = { opened: work(controller.signal), controller, waiting: 0 };
    this.#openings.set(id, opening);
    // Who comes from then on makes a call of their own.
    const done = () => this.#close(id, opening);
    opening.opened.then(done, done);
    return opening;
  }

  #end(id: string, opening: Opening): void {
    this.#close(id, opening);
    opening.controller.abort();
    opening.opened.then(
      (bytes) => bytes.fill(0),
      () => {},
    );
  }

  #close(id: string, opening: Opening): void {
    if (this.#openings.get(id) === opening) this.#openings.delete(id);
  }
}
