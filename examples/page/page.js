// A page that encrypts and decrypts files: drop one, save the other.

import { exportEcdhPublicKey } from './bulla.min.js';
import { decryptFile, encryptFile, isMessage, messageName, pictureType, plainName } from './files.js';
import { ownKey } from './keys.js';
import { askFor, decryptionSettings, encryptionSettings, SettingsError, summary, wireSettings } from './settings.js';
import { announce, JobView, refuseAll } from './view.js';
import { errorWords } from './words.js';

const byId = (id) => document.getElementById(id);
const chooser = byId('file');
let queue = Promise.resolve();

try {
  // In a page that is not secure this is what fails first, with ERR_CRYPTO_UNAVAILABLE.
  const { key, kept } = await ownKey();
  showKey(exportEcdhPublicKey(key.publicKey), kept);
  wireSettings(showSummary);
  showSummary();
  wireFiles(key);
} catch (error) {
  refuseAll(errorWords(error, {}));
}

function showSummary() {
  byId('summary').textContent = summary();
}

function showKey(text, kept) {
  const [shown, copy, copied] = ['public-key', 'copy', 'copied'].map(byId);
  shown.textContent = text;
  copy.disabled = false;
  if (!kept) copied.textContent = 'This browser does not keep the key: it ends with this page.';
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(shown);
      copied.textContent = 'Selected: copy it with Ctrl+C or ⌘C';
    }
  });
}

function wireFiles(key) {
  const take = (files) => {
    for (const file of files) addJob(file, key);
  };
  chooser.addEventListener('change', () => {
    take(chooser.files);
    // So that the same file can be chosen again.
    chooser.value = '';
  });
  // Anywhere on the page: a browser would leave the page for a file that is dropped beside the zone.
  addEventListener('dragover', (event) => {
    event.preventDefault();
    byId('drop').classList.add('over');
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) byId('drop').classList.remove('over');
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    byId('drop').classList.remove('over');
    take(event.dataTransfer.files);
    if (event.dataTransfer.files.length === 0) announce('That was no file.');
  });
}

/** One file after the other: WebCrypto would not be faster with several at once. */
function addJob(file, key) {
  const view = new JobView(file.name);
  const begin = () => {
    const abort = new AbortController();
    view.begin('Waiting', () => abort.abort());
    queue = queue.then(() => work(file, key, view, abort, begin));
  };
  begin();
}

async function work(file, key, view, abort, retry) {
  const remove = () => chooser.focus();
  const { signal } = abort;
  let used = {};
  let encrypted = false;
  try {
    signal.throwIfAborted();
    const message = await isMessage(file);
    encrypted = !message;
    view.begin(message ? 'Decrypting' : 'Encrypting', () => abort.abort());
    const { used: given, ...settings } = message ? decryptionSettings(key) : await encryptionSettings(key);
    used = given;
    const onProgress = (bytes) => view.progress(bytes, file.size);
    const run = message ? decryptFile : encryptFile;
    const { blob, header } = await run(file, { ...settings, signal, onProgress });
    signal.throwIfAborted();
    const saveAs = message ? plainName(file.name) : messageName(file.name);
    view.done(message ? 'Decrypted' : 'Encrypted', blob, saveAs, remove);
    const type = message ? pictureType(saveAs, header.contentType) : undefined;
    if (type !== undefined) await view.preview(blob, type);
  } catch (error) {
    if (signal.aborted) return view.failed('Cancelled', 'Nothing was kept of it.', retry, remove);
    const words = error instanceof SettingsError ? error.message : errorWords(error, used);
    view.failed(encrypted ? 'Not encrypted' : 'Not decrypted', words, retry, remove);
    if (error?.code === 'ERR_CONTEXT_MISMATCH') askFor(error.missing);
  }
}
