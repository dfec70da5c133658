/** The signed public documents of keys, `docs/key-service.md` §7.5: fetched when they are needed, kept while they are valid. */

import { BoundedMap } from '../lib/bounded-map.ts';
import { elapsed, type Moment, moment } from '../lib/elapsed.ts';
import { nested, type Reader, type ReadersOf, takeMap, takeString } from '../lib/options.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import { badAnswer, stringField } from './answer.ts';
import { call } from './call.ts';
import type { Connection } from './connection.ts';
import {
  assertIdentity,
  type IdentityKey,
  type KeyDocument,
  keyThumbprint,
  untrusted,
  verifyKeyDocument,
} from './identity.ts';
import { isKeyId } from './items.ts';
import type { KeyChanges } from './key-changes.ts';

/** A key document as the service signed it, with the identity that did: what a client can wrap with without a call. */
export interface SignedKeyDocument {
  readonly identity: IdentityKey;
  /** A JWS in compact form. */
  readonly document: string;
}

const signedReaders = {
  identity: (value: unknown, name: string) => takeMap(value, name) as unknown as IdentityKey,
  document: takeString,
} satisfies ReadersOf<SignedKeyDocument>;

/** The reader of a {@link SignedKeyDocument}. */
export const takeSignedDocument: Reader<SignedKeyDocument> = nested(signedReaders);

/** A document, verified, with what it was verified from. */
export interface VerifiedKeyDocument extends KeyDocument {
  readonly signed: SignedKeyDocument;
}

/** How a document is asked for. */
export interface KeyDocumentOptions {
  /** Whether to ask the service even where a valid document is at hand. Default: `false`. */
  readonly fresh?: boolean | undefined;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** Seconds before its end at which a document is fetched again. */
const renewBefore = 300;
const maxDocuments = 1_000;

interface Kept {
  readonly document: VerifiedKeyDocument;
  readonly fetched: Moment;
  /** Seconds. */
  readonly lifetime: number;
}

/** Keeps the documents of a client. */
export class KeyDocuments {
  readonly #connection: Connection;
  readonly #changes: KeyChanges;
  #documents = new BoundedMap<string, Kept>(maxDocuments);
  #flights = new Map<string, SingleFlight<VerifiedKeyDocument>>();

  constructor(connection: Connection, changes: KeyChanges) {
    this.#connection = connection;
    this.#changes = changes;
  }

  /** The document of a key, by id or alias. */
  async get(key: string, { fresh = false, signal }: KeyDocumentOptions = {}): Promise<VerifiedKeyDocument> {
    const documents = this.#documents;
    const flights = this.#flights;
    const kept = documents.get(key);
    if (!fresh && kept !== undefined && this.#isCurrent(kept)) return kept.document;
    const flight = flights.get(key) ?? new SingleFlight<VerifiedKeyDocument>();
    flights.set(key, flight);
    const work = (shared: AbortSignal) => this.#fetch(key, documents, shared).finally(() => flights.delete(key));
    return flight.join(work, signal);
  }

  /** Forgets all, also what is on its way: to another user an alias names another key. */
  clear(): void {
    this.#documents = new BoundedMap(maxDocuments);
    this.#flights = new Map();
  }

  /** Verifies a document that was kept elsewhere, against the pin and without a call. */
  async verify({ identity, document }: SignedKeyDocument): Promise<VerifiedKeyDocument> {
    const { url, pin } = this.#connection.settings;
    const key = await assertIdentity(identity, pin ?? (await this.#unpinned()));
    const verification = { url, times: this.#connection.clock.documentTimes() };
    return { ...(await verifyKeyDocument(document, key, verification)), signed: { identity: key, document } };
  }

  async #fetch(key: string, documents: BoundedMap<string, Kept>, signal: AbortSignal): Promise<VerifiedKeyDocument> {
    const { settings, discovery, clock } = this.#connection;
    // What is not authentic says nothing of a key.
    const onRefusal = (error: Error) => this.#changes.refused(key, error);
    const { body } = await call(this.#connection, { method: 'GET', path: `/v1/keys/${key}/public`, onRefusal, signal });
    const fetched = moment(settings.now);
    const { identity } = await discovery.get(signal);
    const document = await this.verify({ identity, document: stringField(body, 'document') });
    assertFits(key, document, documents.peek(key)?.document);
    const lifetime = document.expires - clock.documentTime() - renewBefore;
    documents.set(key, { document, fetched, lifetime });
    this.#changes.seen(key, document);
    return document;
  }

  /** By the clock of the service as far as that is believed, and for no longer than the document was good for when it came. */
  #isCurrent({ document, fetched, lifetime }: Kept): boolean {
    const { clock, settings } = this.#connection;
    return clock.documentTime() < document.expires - renewBefore && elapsed(fetched, settings.now) < lifetime * 1000;
  }

  async #unpinned(): Promise<string> {
    const { identity } = await this.#connection.document(undefined);
    return keyThumbprint(identity);
  }
}

/** The document is that of the key that was asked for, and not older than one that was seen before. */
function assertFits(key: string, { keyId, serial }: KeyDocument, before: KeyDocument | undefined): void {
  if (isKeyId(key) && keyId !== key) throw badAnswer('the document is that of another key');
  if (before?.keyId === keyId && serial < before.serial) {
    throw untrusted('the document of the key is older than one that was seen before');
  }
}
