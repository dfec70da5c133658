/** The key contexts of a batch, encoded and hashed once each: most items of a batch share one. */

import { hmacSha256, sha384 } from '../../crypto/digest.ts';
import { type Bytes, encodeBase64url } from '../../lib/bytes.ts';
import { encodeKeyContext, type KeyContext } from '../../lib/key-context.ts';

/** A key context with its bytes. */
export interface BoundContext {
  readonly context: KeyContext;
  /** `map(context)` */
  readonly encoded: Bytes;
  /** SHA-384 of it. */
  readonly digest: Bytes;
  /** What the log says of it. */
  readonly record: string;
}

export class ContextTable {
  readonly #macKey: Bytes;
  readonly #known = new Map<string, BoundContext>();

  constructor(macKey: Bytes) {
    this.#macKey = macKey;
  }

  get(context: KeyContext): BoundContext {
    const id = JSON.stringify(context);
    const known = this.#known.get(id);
    if (known) return known;
    const encoded = encodeKeyContext(context);
    const record = encodeBase64url(hmacSha256(this.#macKey, encoded));
    const bound = { context, encoded, digest: sha384(encoded), record };
    this.#known.set(id, bound);
    return bound;
  }
}
