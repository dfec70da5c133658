/** The discovery document of a service, fetched when it is needed and before it expires; `docs/key-service.md` §2. */

import { SingleFlight } from '../lib/single-flight.ts';
import { parseObject, stringField } from './answer.ts';
import type { ServiceClock } from './clock.ts';
import { type HttpAnswer, type HttpRequest, send } from './http.ts';
import { assertIdentity, keyThumbprint, type ServiceDocument, untrusted, verifyServiceDocument } from './identity.ts';
import type { Settings } from './options.ts';
import { answerError } from './problem.ts';

/** Seconds before its end at which a document is fetched anew. */
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
  async get(signal: AbortSignal, stale?: ServiceDocument): Promise<ServiceDocument> {
    signal.throwIfAborted();
    const { current } = this;
    if (current !== undefined && current !== stale) return current;
    return this.#flight.join((shared) => this.#fetch(shared), signal);
  }

  #isCurrent({ issued, expires }: ServiceDocument): boolean {
    const time = this.#clock.serviceTime();
    return issued - renewBefore <= time && time < expires - renewBefore;
  }

  async #fetch(signal: AbortSignal): Promise<ServiceDocument> {
    const { url, pin, fetch } = this.#settings;
    const path = `${url}/.well-known/bulla-key-service`;
    const request: HttpRequest = {
      method: 'GET',
      url: path,
      headers: { Accept: 'application/json' },
      signal,
      maxBytes,
    };
    const answer = await send(fetch, request);
    this.#learn(answer);
    if (answer.status !== 200) throw answerError(answer, undefined);
    const body = parseObject(answer.body);
    const identity = await assertIdentity(body['identity'], pin ?? (await this.#firstPin()));
    const verification = { url, times: this.#clock.documentTimes() };
    const document = await verifyServiceDocument(stringField(body, 'document'), identity, verification);
    if (document.serial < this.#serial) throw untrusted('its document is older than one that was seen before');
    this.#serial = document.serial;
    this.#current = document;
    return document;
  }

  /** A service without a pin is believed once; afterwards it must stay the same. */
  async #firstPin(): Promise<string | undefined> {
    return this.#current && keyThumbprint(this.#current.identity);
  }
}
