// Who is signed in, in IndexedDB: the page and its service worker, which may be restarted at any time, both read it there. No key and no token is in it.

const database = 'bulla-demo';
const table = 'session';

/** The user who is signed in, such as `alice@north`. */
export async function signedIn(): Promise<string | undefined> {
  return (await use('readonly', (store) => store.get('user'))) as string | undefined;
}

/** Remembers who signed in, or with `undefined` that nobody is. */
export async function remember(user: string | undefined): Promise<void> {
  // A page that was loaded again is no news to others.
  if ((await signedIn()) === user) return;
  await use('readwrite', (store) => (user === undefined ? store.delete('user') : store.put(user, 'user')));
  others.postMessage('changed');
}

const others = new BroadcastChannel(database);

/** Calls a function when somebody signed in or out in another tab. */
export function onSessionOfOtherTab(changed: () => void): void {
  others.addEventListener('message', changed);
}

async function use(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const opening = indexedDB.open(database, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(table);
  const connection = await done(opening);
  try {
    return await done(work(connection.transaction(table, mode).objectStore(table)));
  } finally {
    connection.close();
  }
}

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
