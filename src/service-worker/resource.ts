/** What stands behind a URL of a page: a message, and what opens it. */

import { type Keyring, takeKeyring } from '../keyrings/keyring.ts';
import { equalConstantTime, isBytes } from '../lib/bytes.ts';
import { sameMap } from '../lib/maps.ts';
import {
  optional,
  optionalMap,
  type ReadersOf,
  type Taken,
  takeBytes,
  takeOptions,
  takeString,
} from '../lib/options.ts';
import type { SourceInput } from '../message/sources.ts';
import { isUrl } from '../message/url-reader.ts';
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
   * The media type of the answer, whatever the message says; it is not checked against the safe list. `text/html`, `image/svg+xml` or a script type lets the
   * author of the message run code in your origin, restricted only by the sandbox of the answer. Default: the authenticated type of the message, where it is safe.
   */
  readonly contentType?: string | undefined;
}

const readers = {
  source: takeSource,
  keyring: takeKeyring,
  context: optionalMap,
  envelope: optional(takeBytesOrText),
  contentType: optional(takeString),
} satisfies ReadersOf<MessageResource>;

/** A resource as it was when it was matched. */
export type TakenResource = Taken<typeof readers>;

/** Takes a resource. Throws a `TypeError` that names what is wrong in it; whether the source is one shows when it is opened. */
export function takeResource(resource: unknown): TakenResource {
  return takeOptions(resource, readers, 'the resource');
}

/** Bytes and URLs are copied; everything else is immutable or asked each time. */
function takeSource(value: unknown, name: string): SourceInput {
  if (isUrl(value)) return new URL(value.href);
  return isBytes(value) ? takeBytes(value, name) : (value as SourceInput);
}

function takeBytesOrText(value: unknown, name: string): Uint8Array | string {
  return typeof value === 'string' ? value : takeBytes(value, name);
}

/** Whether two resources are one message opened with one keyring. Blobs and sources of the caller's own are compared as objects. */
export function sameResource(a: TakenResource, b: TakenResource): boolean {
  return (
    a.keyring === b.keyring &&
    sameContents(a.envelope, b.envelope) &&
    sameContents(a.source, b.source) &&
    sameMap(a.context, b.context)
  );
}

function sameContents(a: SourceInput | undefined, b: SourceInput | undefined): boolean {
  if (isBytes(a) && isBytes(b)) return equalConstantTime(a, b);
  return isUrl(a) && isUrl(b) ? a.href === b.href : a === b;
}
