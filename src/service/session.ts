/** The ephemeral session with a service, `docs/key-service.md` §4: a key pair of minutes, and what both sides agree on. */

import { agree, exportPoint, generateKeyPair } from '../crypto/ecdh.ts';
import type { SecretKey } from '../crypto/keys.ts';
import { elapsed, type Moment, moment } from '../lib/elapsed.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { Bytes } from '../types.ts';
import { type TransportKey, untrusted } from './identity.ts';

/** An ephemeral key pair with the agreement under one transport key. Its private key cannot be exported. */
export interface Session {
  /** The client's point. */
  readonly point: Bytes;
  readonly transportKey: TransportKey;
  readonly agreed: SecretKey;
  readonly made: Moment;
}

/** Makes sessions, and keeps the current one until its time is over or the service has a new transport key. */
export class Sessions {
  readonly #lifetime: number;
  readonly #now: () => number;
  readonly #flight = new SingleFlight<Session>();
  #current: Session | undefined;

  /** Milliseconds. */
  constructor(lifetime: number, now: () => number) {
    this.#lifetime = lifetime;
    this.#now = now;
  }

  /** The session with a transport key. */
  async get(transportKey: TransportKey, signal: AbortSignal | undefined): Promise<Session> {
    for (;;) {
      const current = this.#current;
      if (current?.transportKey.kid === transportKey.kid && this.#isFresh(current)) return current;
      const made = await this.#flight.join(async () => this.#make(transportKey), signal);
      this.#current = made;
      if (made.transportKey.kid === transportKey.kid) return made;
    }
  }

  async #make(transportKey: TransportKey): Promise<Session> {
    const { privateKey, publicKey } = await generateKeyPair(false);
    const agreed = await agree(privateKey, transportKey.point);
    if (agreed === undefined) throw untrusted('its transport key is no point on P-384');
    return { point: await exportPoint(publicKey), transportKey, agreed, made: moment(this.#now) };
  }

  #isFresh({ made }: Session): boolean {
    return elapsed(made, this.#now) < this.#lifetime;
  }
}
