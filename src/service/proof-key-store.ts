/** A proof key that outlives a page: kept in IndexedDB, which takes keys that cannot be exported. */

import { assert } from '../lib/assert.ts';
import { oneOf, optional, type ReadersOf, takeOptions, takeText } from '../lib/options.ts';
import type { CryptoKeyPair } from '../types.ts';
import { generateProofKey, type ProofAlgorithm } from './proof.ts';

/** Options of {@link dpopKeyFromIndexedDB}. */
export interface StoredProofKeyOptions {
  /** Which key; use one name for each account, so that users of one browser do not share a key. Default: `default`. */
  readonly name?: string | undefined;
  /** For a key that is made. Default: `ES256`. */
  readonly algorithm?: ProofAlgorithm | undefined;
  /** The name of the database. Default: `bulla`. */
  readonly database?: string | undefined;
}

const readers = {
  name: optional(takeText, 'default'),
  algorithm: optional(oneOf('ES256', 'ES384')),
  database: optional(takeText, 'bulla'),
} satisfies ReadersOf<StoredProofKeyOptions>;

const table = 'proof-keys';

/**
 * The proof key of a name from this origin's IndexedDB; made and kept where there is none yet. Its private half cannot be exported, by nobody; a script in the page can
 * still sign with it, and who reads the files of the browser's profile may find it there. Two pages that ask at once get the same key.
 *
 * Rejects with a `TypeError` where there is no IndexedDB, and with what IndexedDB rejects with, for example where the browser keeps nothing.
 */
export async function dpopKeyFromIndexedDB(options: StoredProofKeyOptions = {}): Promise<CryptoKeyPair> {
  const { name, algorithm, database } = takeOptions(options, readers);
  const connection = await openDatabase(database);
  try {
    const kept = await stored(connection, name);
    if (kept !== undefined) return kept;
    await add(connection, name, await generateProofKey(algorithm));
    return (await stored(connection, name)) as CryptoKeyPair;
  } finally {
    connection.close();
  }
}

/** Removes the key of a name, for signing out: tokens that are bound to it are then of no use to anybody. */
export async function deleteDpopKey(options: StoredProofKeyOptions = {}): Promise<void> {
  const { name, database } = takeOptions(options, readers);
  const connection = await openDatabase(database);
  try {
    await done(connection.transaction(table, 'readwrite').objectStore(table).delete(name));
  } finally {
    connection.close();
  }
}

async function openDatabase(name: string): Promise<IDBDatabase> {
  assert(
    typeof globalThis.indexedDB === 'object',
    'dpopKeyFromIndexedDB',
    'called where there is an IndexedDB: in a browser',
  );
  const request = globalThis.indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(table);
  return done(request);
}

function stored(connection: IDBDatabase, name: string): Promise<CryptoKeyPair | undefined> {
  return done(connection.transaction(table).objectStore(table).get(name));
}

/** Adds a key, unless another page was faster. */
function add(connection: IDBDatabase, name: string, key: CryptoKeyPair): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = connection.transaction(table, 'readwrite');
    const request = transaction.objectStore(table).add(key, name);
    request.onerror = (event) => {
      if (request.error?.name === 'ConstraintError') event.preventDefault();
    };
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
