/** The discovery document of a service, fetched when it is needed and before it expires; `docs/key-service.md` §2. */

import { elapsed, type Moment, moment } from '../lib/elapsed.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import { parseObject, stringField } from './answer.ts';
import type { ServiceClock } from './clock.ts';
import { exchange, type HttpAnswer } from './http.ts';
import { assertIdentity, keyThumbprint, type ServiceDocument, untrusted, verifyServiceDocument } from './identity.ts';
import type { Settings } from './options.ts';
import { unauthenticatedError } from './problem.ts';

/** Seconds before its end at which a document is fetched again. */
const renewBefore = 60;
/** Bytes of the answer of §2.2. */
const maxBytes = 65_536;

/** Fetches and keeps the discovery document. A failure is not kept. */
export class Discovery {
  readonly #settings: Settings;
  readonly #clock: ServiceClock;
  readonly #learn: (answer: HttpAnswer) => void;
  readonly #flight = new SingleFlight<ServiceDocument>();
  #current: ServiceDocument | undefined;
  #fetched: Moment | undefined;
  /** The highest serial that was seen (§2.4). */
  #serial = 0;

  constructor(settings: Settings, clock: ServiceClock, learn: (answer: HttpAnswer) => void) {
    this.#settings = settings;
    this.#clock = clock;
    this.#learn = learn;
  }

  /** The document that was fetched last, however old. */
  get known(): ServiceDocument | undefined {
    return this.#current;
  }

  /** The document that is at hand, where it is still good. */
  get current(): ServiceDocument | undefined {
    return this.#current && this.#isCurrent(this.#current) ? this.#current : undefined;
  }

  /** The current document; with `stale` one that is newer than that. */
  async get(signal: AbortSignal | undefined, stale?: ServiceDocument): Promise<ServiceDocument> {
    signal?.throwIfAborted();
    const { current } = this;
    if (current !== undefined && current !== stale) return current;
    return this.#flight.join((shared) => this.#fetch(shared), signal);
  }

  #isCurrent({ issued, expires }: ServiceDocument): boolean {
    const time = this.#clock.documentTime();
    // Nor for longer than it is good, whatever clocks say since.
    const age = this.#fetched === undefined ? 0 : elapsed(this.#fetched, this.#settings.now) / 1000;
    return issued - renewBefore <= time && time < expires - renewBefore && age < expires - issued - renewBefore;
  }

  #fetch(signal: AbortSignal): Promise<ServiceDocument> {
    return exchange(this.#settings, {
      operation: 'connect',
      method: 'GET',
      url: `${this.#settings.url}/.well-known/bulla-key-service`,
      prepare: async () => ({ headers: { Accept: 'application/json' } }),
      read: (answer) => this.#read(answer),
      maxBytes,
      signal,
    });
  }

  async #read(answer: HttpAnswer): Promise<ServiceDocument> {
    const { url, pin, now } = this.#settings;
    const fetched = moment(now);
    this.#learn(answer);
    if (answer.status !== 200) throw unauthenticatedError(answer);
    const body = parseObject(answer.body);
    const identity = await assertIdentity(body['identity'], pin ?? (await this.#firstPin()));
    const verification = { url, times: this.#clock.documentTimes() };
    const document = await verifyServiceDocument(stringField(body, 'document'), identity, verification);
    if (document.serial < this.#serial) throw untrusted('its document is older than one that was seen before');
    this.#serial = document.serial;
    this.#current = document;
    this.#fetched = fetched;
    return document;
  }

  /** A service without a pin is believed once; afterwards it must stay the same. */
  async #firstPin(): Promise<string | undefined> {
    return this.#current && keyThumbprint(this.#current.identity);
  }
}
