/** The signed public documents of keys, `docs/key-service.md` §7.5: fetched when they are needed, kept while they are valid. */

import { KeyServiceError } from '../errors.ts';
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

/** Seconds before its end at which a document is fetched anew. */
const renewBefore = 300;
const maxDocuments = 1_000;

/** Keeps the documents of a client. */
export class KeyDocuments {
  readonly #connection: Connection;
  readonly #changes: KeyChanges;
  #documents = new Map<string, VerifiedKeyDocument>();
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
    if (!fresh && kept !== undefined && this.#connection.clock.serviceTime() < kept.expires - renewBefore) return kept;
    const flight = flights.get(key) ?? new SingleFlight<VerifiedKeyDocument>();
    flights.set(key, flight);
    const work = (shared: AbortSignal) => this.#fetch(key, documents, shared).finally(() => flights.delete(key));
    return flight.join(work, signal);
  }

  /** Forgets all, also what is on its way: to another user an alias names another key. */
  clear(): void {
    this.#documents = new Map();
    this.#flights = new Map();
  }

  /** Verifies a document that was kept elsewhere, against the pin and without a call. */
  async verify({ identity, document }: SignedKeyDocument): Promise<VerifiedKeyDocument> {
    const { url, pin } = this.#connection.settings;
    const key = await assertIdentity(identity, pin ?? (await this.#unpinned()));
    const verification = { url, times: this.#connection.clock.documentTimes() };
    return { ...(await verifyKeyDocument(document, key, verification)), signed: { identity: key, document } };
  }

  async #fetch(
    key: string,
    documents: Map<string, VerifiedKeyDocument>,
    signal: AbortSignal,
  ): Promise<VerifiedKeyDocument> {
    try {
      const { body } = await call(this.#connection, { method: 'GET', path: `/v1/keys/${key}/public`, signal });
      const { identity } = await this.#connection.discovery.get(signal);
      const document = await this.verify({ identity, document: stringField(body, 'document') });
      assertFits(key, document, documents.get(key));
      if (documents.size >= maxDocuments) documents.clear();
      documents.set(key, document);
      this.#changes.seen(key, document);
      return document;
    } catch (error) {
      if (error instanceof KeyServiceError) this.#changes.refused(key, error);
      throw error;
    }
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
