/** Opened messages, a few and for a while: a player asks for many ranges of one, and each of them would else unwrap a data key. */

import { sha384 } from '../crypto/digest.ts';
import { decodeEnvelope } from '../envelope/envelope.ts';
import { encodeBase64url } from '../lib/base64url.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { elapsed, type Moment, moment } from '../lib/elapsed.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import { detachedEnvelope } from '../message/forms.ts';
import { type OpenedMessage, open, readFront } from '../message/open.ts';
import type { Source } from '../message/source.ts';
import { openSource } from '../message/sources.ts';
import type { Bytes } from '../types.ts';
import { sameResource, type TakenResource } from './resource.ts';

/** An opened message with its entity tag. */
export interface Representation {
  readonly message: OpenedMessage;
  /** A strong tag (RFC 9110 §8.8.3): the same whenever this message is opened, and after it was re-wrapped. */
  readonly etag: string;
}

/** How many opened messages are kept, and how long. */
export interface CacheLimits {
  readonly maxOpened: number;
  /** Milliseconds. */
  readonly maxAge: number;
  readonly now: () => number;
}

interface Entry {
  readonly resource: TakenResource;
  readonly opened: Moment;
  readonly flight: SingleFlight<Representation>;
  /** Ends everything that reads from the message. */
  readonly end: AbortController;
  representation?: Representation;
}

/** A cache of opened messages by URL. The least recently used leaves first; failures are not kept. */
export class OpenedMessages {
  readonly #limits: CacheLimits;
  readonly #entries: BoundedMap<string, Entry>;

  constructor(limits: CacheLimits) {
    this.#limits = limits;
    this.#entries = new BoundedMap(limits.maxOpened);
  }

  /** The message behind a URL, opened now or at hand. Rejects with what {@link open} rejects with and with the signal's reason. */
  async get(url: string, resource: TakenResource, signal: AbortSignal): Promise<Representation> {
    const entry = this.#entryFor(url, resource);
    if (entry.representation !== undefined) return entry.representation;
    try {
      entry.representation = await entry.flight.join((shared) => openResource(resource, shared, entry.end), signal);
      return entry.representation;
    } catch (error) {
      // Others that wait for the same flight keep it.
      if (!signal.aborted || entry.end.signal.aborted) this.#drop(url, entry);
      throw error;
    }
  }

  /** Forgets a message that failed while it was read, unless another one has its place by now. */
  forget(url: string, { message }: Representation): void {
    const entry = this.#entries.peek(url);
    if (entry?.representation?.message === message) this.#entries.delete(url);
  }

  /** Forgets all and ends what still reads from them. */
  clear(reason: unknown): void {
    for (const [, { end }] of this.#entries.entries()) end.abort(reason);
    this.#entries.clear();
  }

  #entryFor(url: string, resource: TakenResource): Entry {
    const { maxAge, now } = this.#limits;
    const kept = this.#entries.get(url);
    const isYoung = kept !== undefined && elapsed(kept.opened, now) < maxAge;
    if (isYoung && !kept.end.signal.aborted && sameResource(kept.resource, resource)) return kept;
    const made = { opened: moment(now), flight: new SingleFlight<Representation>(), end: new AbortController() };
    const entry = { resource, ...made };
    this.#entries.set(url, entry);
    return entry;
  }

  #drop(url: string, entry: Entry): void {
    if (this.#entries.peek(url) === entry) this.#entries.delete(url);
  }
}

/** Opens a message; `shared` ends that, and `end` also what is read from it later. */
async function openResource(
  { source, keyring, context, envelope }: TakenResource,
  shared: AbortSignal,
  end: AbortController,
): Promise<Representation> {
  const abort = () => end.abort(shared.reason);
  shared.addEventListener('abort', abort, { once: true });
  try {
    const { signal } = end;
    const given = envelope === undefined ? undefined : detachedEnvelope(envelope);
    const { front, forget } = remembering(await openSource(source, signal));
    const { envelopeBytes } = await readFront(front, given, signal);
    const etag = await entityTag(envelopeBytes);
    const message = await open(front, { keyring, context, envelope, signal });
    forget();
    return { message, etag };
  } finally {
    shared.removeEventListener('abort', abort);
  }
}

/** The header holds the salt, which no two messages share, and the commitment binds all segments to it. */
async function entityTag(envelope: Bytes): Promise<string> {
  const digest = await sha384(decodeEnvelope(envelope).headerBytes);
  return `"${encodeBase64url(digest.subarray(0, 24))}"`;
}

/** A source that answers the same read twice with one read, until it forgets: the tag and the opening need the same bytes. */
function remembering(source: Source): { front: Source; forget: () => void } {
  let reads: Map<string, Promise<Uint8Array>> | undefined = new Map();
  const front: Source = {
    size: source.size,
    read(offset, length, signal) {
      const key = `${offset} ${length}`;
      const bytes = reads?.get(key) ?? source.read(offset, length, signal);
      reads?.set(key, bytes);
      return bytes;
    },
  };
  return {
    front,
    forget: () => {
      reads = undefined;
    },
  };
}
