/** The signed discovery document, `docs/key-service.md` §2.2: signed once for all who ask within some seconds, and given out whatever else fails. */

import { encodeBase64url } from '../lib/bytes.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import type { Identity } from './identity.ts';
import type { TransportKeys } from './transport-keys.ts';

/** Claims that do not change while a service runs. */
export type FixedClaims = Readonly<Record<string, unknown>>;

const documentSeconds = 3600;
const reuseMs = 5000;

export class Discovery {
  readonly #identity: Identity;
  readonly #transport: TransportKeys;
  readonly #clock: Clock;
  readonly #claims: FixedClaims;
  #document: { readonly text: Promise<string>; readonly at: number } | undefined;

  constructor(identity: Identity, transport: TransportKeys, clock: Clock, claims: FixedClaims) {
    this.#identity = identity;
    this.#transport = transport;
    this.#clock = clock;
    this.#claims = claims;
  }

  /** The document of now, or of a few seconds ago. Throws `StoreError` where no transport key is known that still lives. */
  document(): Promise<string> {
    const now = performance.now();
    if (this.#document && now - this.#document.at < reuseMs) return this.#document.text;
    const text = this.#sign();
    this.#document = { text, at: now };
    text.catch(() => {
      this.#document = undefined;
    });
    return text;
  }

  async #sign(): Promise<string> {
    const keys = await this.#transport.current();
    const iat = seconds(this.#clock);
    return this.#identity.sign('bulla-service+jwt', {
      ...{ iss: this.#claims['iss'], iat, exp: iat + documentSeconds, serial: keys[0]?.serial ?? 0 },
      ...this.#claims,
      transport_keys: keys.map(({ kid, point, expires }) => ({ kid, key: encodeBase64url(point), exp: expires })),
    });
  }
}
