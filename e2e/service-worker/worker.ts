// The service worker of the test: everything under /media/ is a message under /files/.

import { aesKeyring } from '../../src/keyrings/aes.ts';
import { createDecryptingHandler } from '../../src/service-worker.ts';

const worker = globalThis as unknown as {
  addEventListener(type: string, listener: (event: never) => void): void;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
};
const keyring = aesKeyring({ keyId: 'test', key: new Uint8Array(32).fill(7) });
const { onFetch } = createDecryptingHandler({
  match: ({ pathname, origin }) => {
    const name = /^\/media\/([\w.-]+)$/.exec(pathname)?.[1];
    if (name === undefined) return null;
    // No `location` in the types of a page's script: the origin of the request is that of the page.
    return { source: new URL(`/files/${name}`, origin), keyring, context: { name } };
  },
});

worker.addEventListener('install', () => void worker.skipWaiting());
worker.addEventListener('activate', ((event: { waitUntil(work: Promise<void>): void }) =>
  event.waitUntil(worker.clients.claim())) as never);
worker.addEventListener('fetch', onFetch as never);
