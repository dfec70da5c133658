/** Who is let in, and how much of the service each tenant and each address may use at once; `docs/key-service.md` §12.7. */

import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { Problem } from '../errors.ts';
import { Budget, type Spent } from '../lib/budget.ts';
import { connectionShares } from '../lib/connection-shares.ts';
import { Abandoned, Busy, Gate } from '../lib/gate.ts';
import { maxBodyBytes } from '../lib/limits.ts';
import { Slices } from '../lib/slices.ts';

/** What one request holds of the service, until `leave`. */
export interface Admitted {
  /** Makes room for so many bytes of its body. Throws a `Problem`. */
  hold(bytes: number): void;
  leave(): void;
}

const verifying = { total: 64, each: 32, waiting: 4096 };
const forms = { total: 64, each: 16, waiting: 256 };

export class Admission {
  /** Time of the event loop, in turn over tenants. */
  readonly slices = new Slices();
  readonly #requests: Budget;
  readonly #bytes: Budget;
  readonly #verifying = new Gate(verifying);
  readonly #forms = new Gate(forms);
  readonly #changes: Gate;
  readonly #connections: Gate;
  readonly #failures: RateLimiterMemory;

  /** `connections` is what the store has of them. */
  constructor(limits: Config['limits'], connections: number) {
    const requests = limits.requests_in_flight;
    const bytes = limits.body_bytes_in_flight;
    this.#requests = new Budget(requests, Math.max(1, Math.floor(requests / 2)));
    this.#bytes = new Budget(bytes, Math.max(maxBodyBytes, Math.floor(bytes / 2)));
    const waiting = requests;
    this.#changes = new Gate({ total: requests, each: 1, waiting });
    const { share, beside } = connectionShares(connections);
    // One of a tenant's share is for its commits.
    this.#connections = new Gate({ total: beside, each: Math.max(1, share - 1), waiting });
    this.#failures = new RateLimiterMemory({ points: limits.failed_authentications_per_minute, duration: 60 });
  }

  /** Checks token and proof of a request, in turn over addresses. */
  verify<T>(address: string | undefined, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return told(this.#verifying.run(address ?? '', work, signal));
  }

  /** Reads and answers a form of whom nobody has authenticated, in turn over addresses. */
  form<T>(address: string | undefined, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return told(this.#forms.run(address ?? '', work, signal));
  }

  /** A change of keys: one at a time for each tenant. */
  change<T>(tenant: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return told(this.#changes.run(tenant, () => this.#connections.run(tenant, work, signal), signal));
  }

  /** A read of the store beside commits. */
  read<T>(tenant: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return told(this.#connections.run(tenant, work, signal));
  }

  /** Lets a request of an authenticated caller in. Throws a `Problem`. */
  enter(tenant: string): Admitted {
    refuse(this.#requests.take(tenant, 1));
    let held = 0;
    return {
      hold: (bytes) => {
        refuse(this.#bytes.take(tenant, bytes));
        held += bytes;
      },
      leave: () => {
        this.#bytes.give(tenant, held);
        this.#requests.give(tenant, 1);
      },
    };
  }

  /** Bytes of bodies in memory. */
  get bytesInFlight(): number {
    return this.#bytes.taken;
  }

  /** Notes that authentication failed. Seconds to come back after, where the address has failed too often: its callers who authenticate are let in all the same. */
  async failed(address: string | undefined): Promise<number | undefined> {
    if (address === undefined) return undefined;
    try {
      await this.#failures.consume(address);
      return undefined;
    } catch (error) {
      return Math.ceil(((error as { msBeforeNext?: number }).msBeforeNext ?? 1000) / 1000);
    }
  }
}

function refuse(spent: Spent | undefined): void {
  if (spent === 'share') throw new Problem('rate-limited', 'The tenant has too much in flight', { retry_after: 1 });
  if (spent === 'total') throw new Problem('unavailable', 'The service has too much in flight', { retry_after: 1 });
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Busy) throw new Problem('rate-limited', error.message, { retry_after: 1 });
    if (error instanceof Abandoned) throw new Problem('malformed-request', 'The caller has gone');
    throw error;
  }
}
