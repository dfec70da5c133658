// Files in a page under the strictest policy, by workers: saved as a download, and by the File System Access API where the browser has it.

import type { Page } from '@playwright/test';
import { digest, expect, test } from './fixtures.ts';

type Bulla = typeof import('../src/index.ts') &
  typeof import('../src/files.ts') &
  typeof import('../src/workers.ts') &
  typeof import('../src/keyrings/aes.ts');

/** What the page does: encrypts a large blob by workers, and saves what it decrypts. Resolves to the SHA-256 of the plaintext. */
async function saveDecrypted(page: Page, where: 'download' | 'opfs', fail = false): Promise<string> {
  return page.evaluate(
    async ({ where, fail }) => {
      const name = '/bulla.min.js';
      const bulla = (await import(name)) as Bulla;
      const workers = bulla.createWorkerPool({ size: 2 });
      const keyring = bulla.aesKeyring({ keyId: 'k', key: new Uint8Array(32) });
      const piece = crypto.getRandomValues(new Uint8Array(65_536));
      const plaintext = new Blob(Array.from({ length: 300 }, () => piece));
      const message = await bulla.encryptBlob(plaintext, { keyring, workers });
      if (where === 'opfs') {
        // No test can answer the browser's dialog: the handle that it would give is one of the private file system, which is written to in the same way.
        const folder = await navigator.storage.getDirectory();
        const showSaveFilePicker = (options: { suggestedName: string }) =>
          folder.getFileHandle(options.suggestedName, { create: true });
        Object.assign(globalThis, { showSaveFilePicker });
      }
      const file = await bulla.openFileToSave({ suggestedName: 'film.mp4', download: where === 'download' });
      const cut = fail ? message.slice(0, message.size - 1) : message;
      const saving = cut.stream().pipeThrough(bulla.decryptStream({ keyring, workers })).pipeTo(file);
      const outcome = await saving.then(
        () => 'saved',
        (error) => error.code,
      );
      workers.close();
      if (fail) return outcome as string;
      const digest = await crypto.subtle.digest('SHA-256', await plaintext.arrayBuffer());
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
    { where, fail },
  );
}

test('a stream is saved as a download, when it has ended well and not before', async ({ app }) => {
  const { page } = app;
  expect(await saveDecrypted(page, 'download', true)).toBe('ERR_DECRYPTION_FAILED');
  expect(await app.offered()).toEqual([]);
  let expected = '';
  const path = await app.download('film.mp4', async () => {
    expected = await saveDecrypted(page, 'download');
  });
  expect(await digest(path)).toBe(expected);
});

test('a stream is saved to where the user said, when it has ended well and not before', async ({ app }) => {
  const { page } = app;
  const saved = () =>
    page.evaluate(async () => {
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle('film.mp4')).getFile();
      const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
      const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
      return { size: file.size, hex };
    });
  expect(await saveDecrypted(page, 'opfs', true)).toBe('ERR_DECRYPTION_FAILED');
  expect((await saved()).size).toBe(0);
  const expected = await saveDecrypted(page, 'opfs');
  expect((await saved()).hex).toBe(expected);
});
