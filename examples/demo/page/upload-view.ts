// A file on its way into the store, as a list item with progress.

import type { Account } from './account.ts';
import { announce, button, element } from './dom.ts';
import { storeFile } from './store.ts';
import { errorWords, sizeWords } from './words.ts';

/** Encrypts and stores a file, and shows how far that is. Resolves to whether it is stored. */
export async function upload(list: HTMLElement, account: Account, file: File): Promise<boolean> {
  const abort = new AbortController();
  const state = element('span', { className: 'state', textContent: 'Encrypting…' });
  const progress = element('progress', { max: 1, value: 0 });
  progress.setAttribute('aria-label', `Encrypting ${file.name}`);
  const detail = element('p', { className: 'detail', textContent: sizeWords(file.size) });
  const cancel = button('Cancel', () => abort.abort(), `Cancel ${file.name}`);
  const actions = element('div', { className: 'row' }, cancel);
  const head = element(
    'div',
    { className: 'head' },
    element('strong', { className: 'name', textContent: file.name }),
    state,
  );
  const item = element('li', { className: 'job' }, head, progress, detail, actions);
  item.dataset['state'] = 'working';
  list.prepend(item);
  announce(`Encrypting ${file.name}`);
  const onProgress = (bytes: number) => {
    progress.value = file.size === 0 ? 1 : bytes / file.size;
    state.textContent = bytes < file.size ? `Encrypting… ${Math.floor(progress.value * 100)} %` : 'Storing…';
  };
  try {
    await storeFile(account, file, onProgress, abort.signal);
    item.remove();
    announce(`${file.name} is stored.`);
    return true;
  } catch (error) {
    item.dataset['state'] = 'failed';
    state.textContent = abort.signal.aborted ? 'Cancelled' : 'Not stored';
    detail.textContent = abort.signal.aborted ? 'Nothing was kept of it.' : errorWords(error);
    progress.remove();
    actions.replaceChildren(button('Remove', () => item.remove(), `Remove ${file.name} from the list`));
    announce(`${file.name}: ${state.textContent}. ${detail.textContent}`);
    return false;
  }
}
