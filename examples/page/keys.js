// This browser's own key pair. IndexedDB keeps the private key as a handle that is not extractable: to be used, never to be read.

import { generateEcdhKey } from './bulla.min.js';

const databaseName = 'bulla-page';
const storeName = 'keys';
const ownName = 'own';

/**
 * The key pair of this browser, made when there is none. Where the browser keeps nothing (some private windows), the pair lasts as long as the page.
 *
 * @returns {Promise<{ key: import('../../src/keyrings/ecdh.ts').EcdhPrivateKey, kept: boolean }>}
 */
export async function ownKey() {
  let fresh;
  try {
    const database = await openDatabase();
    const stored = await answer(database.transaction(storeName).objectStore(storeName).get(ownName));
    if (stored !== undefined) return { key: stored, kept: true };
    fresh = await generateEcdhKey();
    return { key: await putIfAbsent(database, fresh), kept: true };
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return { key: fresh ?? (await generateEcdhKey()), kept: false };
  }
}

function openDatabase() {
  const request = indexedDB.open(databaseName, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(storeName);
  return answer(request);
}

/** One transaction, so that two tabs that begin at once agree on one key. */
async function putIfAbsent(database, fresh) {
  const store = database.transaction(storeName, 'readwrite').objectStore(storeName);
  const stored = await answer(store.get(ownName));
  if (stored !== undefined) return stored;
  await answer(store.put(fresh, ownName));
  return fresh;
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
