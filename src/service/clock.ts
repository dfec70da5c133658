/** The time by the clock of the service, which differs from that of the device. */

import { timeOf } from '../lib/callbacks.ts';

/** Seconds below which a difference is none: `Date` has seconds, and answers take a while. */
const tolerance = 2;

/** Learns how far the device's clock is off, from the `Date` of answers. */
export class ServiceClock {
  readonly #now: () => number;
  readonly #maxSkew: number;
  #skew = 0;

  /** `now` in milliseconds, `maxSkew` in seconds: by how much the service may correct the device when documents are judged. */
  constructor(now: () => number, maxSkew: number) {
    this.#now = now;
    this.#maxSkew = maxSkew;
  }

  /** Seconds that the service is ahead. */
  get skew(): number {
    return this.#skew;
  }

  /** Unix seconds by the device. */
  deviceTime(): number {
    return Math.floor(timeOf(this.#now) / 1000);
  }

  /** Unix seconds by the service, for proofs and for tokens. */
  serviceTime(): number {
    return this.deviceTime() + this.#skew;
  }

  /**
   * Unix seconds to judge signed documents by. `Date` is not signed: believed without a bound, it would let somebody show a document that expired long ago. So it
   * counts up to `maxSkew` only.
   */
  documentTimes(): readonly number[] {
    const device = this.deviceTime();
    return Math.abs(this.#skew) <= this.#maxSkew ? [device, device + this.#skew] : [device];
  }

  /** Unix seconds by which documents are renewed: as the service says, within the same bound. */
  documentTime(): number {
    return this.documentTimes().at(-1) as number;
  }

  /** Takes note of the `Date` header of an answer. */
  learn(date: string | null): void {
    const time = date === null ? Number.NaN : Date.parse(date) / 1000;
    if (Number.isNaN(time)) return;
    const skew = Math.round(time - timeOf(this.#now) / 1000);
    this.#skew = Math.abs(skew) <= tolerance ? 0 : skew;
  }
}
