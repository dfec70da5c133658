/** The time that everything is decided by: the clock of the database, carried on by a monotonic one and compared with that of this machine. */

import type { Clock } from '../lib/clock.ts';
import { StoreError } from './errors.ts';

/** Options of {@link DatabaseTime}. */
export interface DatabaseTimeOptions {
  /** The clock of this machine. Default: `Date.now`. */
  readonly clock?: Clock | undefined;
  /** Milliseconds that only grow. Default: `performance.now`. */
  readonly monotonic?: Clock | undefined;
  /** Milliseconds that clocks may differ. Default: 60,000. */
  readonly bound?: number | undefined;
}

const maxRoundTrip = 1000;
/** After a jump nothing is destroyed for this long. */
const steadyAfter = 24 * 3_600_000;

/** Clocks disagree, or one has jumped: what cannot be undone has to wait. */
export class ClockDoubt extends StoreError {}

interface Reference {
  readonly time: number;
  readonly at: number;
}

/**
 * A database without a clock of its own (SQLite) is as good as that of this machine, and only a jump of it against the monotonic clock is noticed.
 */
export class DatabaseTime {
  readonly #ask: () => Promise<number | undefined>;
  readonly #clock: Clock;
  readonly #monotonic: Clock;
  readonly #bound: number;
  #database: Reference | undefined;
  #local: Reference;
  #jumped: number | undefined;

  constructor(ask: () => Promise<number | undefined>, options: DatabaseTimeOptions = {}) {
    const { clock = Date.now, monotonic = () => performance.now(), bound = 60_000 } = options;
    this.#ask = ask;
    this.#clock = clock;
    this.#monotonic = monotonic;
    this.#bound = bound;
    this.#local = { time: clock(), at: monotonic() };
  }

  /** Milliseconds since 1970 by the clock of the database. */
  readonly now: Clock = () => (this.#database ? this.#carried(this.#database) : this.#clock());

  /** Asks the database. Throws `StoreError`. */
  async measure(): Promise<void> {
    const sent = this.#monotonic();
    const time = await this.#ask();
    const received = this.#monotonic();
    this.#watch();
    if (time === undefined || (this.#database && received - sent > maxRoundTrip)) return;
    const measured = { time, at: (sent + received) / 2 };
    if (this.#database && Math.abs(this.#carried(this.#database) - this.#carried(measured)) > this.#bound) {
      this.#jumped = received;
    }
    this.#database = measured;
  }

  /** Milliseconds that the clock of this machine is ahead of the database's. */
  get offset(): number {
    return this.#clock() - this.now();
  }

  /** Why what cannot be undone has to wait; `undefined` where nothing speaks against it. */
  doubt(): string | undefined {
    this.#watch();
    const seconds = Math.round(this.offset / 1000);
    if (Math.abs(this.offset) > this.#bound) {
      return `The clock of this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the database's`;
    }
    if (this.#jumped === undefined) return undefined;
    return 'A clock has jumped less than 24 hours ago';
  }

  /** Throws `ClockDoubt`. */
  assertAgrees(): void {
    const doubt = this.doubt();
    if (doubt !== undefined) throw new ClockDoubt(doubt);
  }

  #carried({ time, at }: Reference): number {
    return time + this.#monotonic() - at;
  }

  #watch(): void {
    const at = this.#monotonic();
    const time = this.#clock();
    if (Math.abs(time - this.#carried(this.#local)) > this.#bound) {
      this.#local = { time, at };
      this.#jumped = at;
    }
    if (this.#jumped !== undefined && at - this.#jumped > steadyAfter) this.#jumped = undefined;
  }
}
