/** What stands behind a URL of a page: a message, and what opens it. */

import type { Keyring } from '../keyrings/keyring.ts';
import { assert, assertOptions } from '../lib/assert.ts';
import { equalConstantTime } from '../lib/bytes.ts';
import { sameMap } from '../lib/maps.ts';
import type { SourceInput } from '../message/sources.ts';
import type { Context } from '../types.ts';

/** A message that a request is answered from. */
export interface MessageResource {
  /** Where the ciphertext is. A `URL` is fetched by ranges, and that fetch is not seen by the handler. */
  readonly source: SourceInput;
  /** Unwraps the data key. Give the same object each time: an opened message is used again for the same keyring alone. */
  readonly keyring: Keyring;
  /** The context that the message was encrypted with. Default: empty. */
  readonly context?: Context | undefined;
  /** The detached envelope, where the source is a detached body. Default: none. */
  readonly envelope?: Uint8Array | string | undefined;
  /**
   * The media type of the answer, whatever the message says; it is not checked against the safe list. `text/html`, `image/svg+xml` or a script type makes whoever
   * could write the message a programmer of your origin, held back by the sandbox of the answer alone. Default: the authenticated type of the message, where it is safe.
   */
  readonly contentType?: string | undefined;
}

const names = ['source', 'keyring', 'context', 'envelope', 'contentType'];

/** Throws a `TypeError` that names what is wrong in a resource. The keyring and the source are checked where they are used. */
export function assertResource(resource: unknown): asserts resource is MessageResource {
  assertOptions(resource, names);
  const { contentType } = resource;
  assert(contentType === undefined || typeof contentType === 'string', 'contentType', 'a string');
}

/** Whether two resources are one message opened with one keyring; sources other than URLs are compared as objects. */
export function sameResource(a: MessageResource, b: MessageResource): boolean {
  return (
    a.keyring === b.keyring &&
    sameEnvelope(a.envelope, b.envelope) &&
    sourceIdentity(a.source) === sourceIdentity(b.source) &&
    sameMap(a.context ?? {}, b.context ?? {})
  );
}

function sameEnvelope(a: MessageResource['envelope'], b: MessageResource['envelope']): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? equalConstantTime(a, b) : a === b;
}

function sourceIdentity(source: SourceInput): unknown {
  return Object.prototype.toString.call(source) === '[object URL]' ? `url ${(source as URL).href}` : source;
}
