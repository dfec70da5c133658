// The service worker: what the page asks for under /media/ is decrypted from the ciphertext in the store, a few segments at a time.

import { createDecryptingHandler, type FetchEventLike, type MessageResource } from 'bulla/service-worker';
import { type Account, createAccount, loadConfig } from './account.ts';
import { signedIn } from './session.ts';

interface WorkerEvents {
  install: unknown;
  activate: { waitUntil(work: Promise<unknown>): void };
  message: { readonly data: unknown };
  fetch: FetchEventLike;
}

const worker = globalThis as unknown as {
  addEventListener<Name extends keyof WorkerEvents>(name: Name, listener: (event: WorkerEvents[Name]) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
};

let account: Promise<Account> | undefined;

/** The signed-in user's account; the same object as long as it is the same user, so that opened messages are used again. */
async function currentAccount(): Promise<Account | undefined> {
  const user = await signedIn();
  if (user === undefined) return undefined;
  if ((await account?.catch(() => undefined))?.user !== user) {
    account = loadConfig().then((config) => createAccount(config, user));
  }
  return account;
}

const media = createDecryptingHandler({
  match: ({ pathname, origin }) => {
    const [, id] = /^\/media\/([\da-f-]{36})$/.exec(pathname) ?? [];
    return id === undefined || origin !== location.origin ? null : storedFile(id);
  },
});

async function storedFile(id: string): Promise<MessageResource | null> {
  const current = await currentAccount();
  if (current === undefined) return null;
  return { source: new URL(`/store/${id}`, location.origin), keyring: current.keyring, context: { file: id } };
}

worker.addEventListener('install', () => void worker.skipWaiting());
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('fetch', media.onFetch);
worker.addEventListener('message', ({ data }) => {
  // The user signed out.
  if (data !== 'forget') return;
  account = undefined;
  media.forget();
});
