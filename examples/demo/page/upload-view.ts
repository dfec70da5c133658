// A file on its way into the store, as a list item with progress.

import { displayName } from 'bulla/files';
import type { Account } from './account.ts';
import { announce, button, element, nameElement } from './dom.ts';
import { storeFile } from './store.ts';
import { errorWords, sizeWords } from './words.ts';

/** Stores files one after the other, for the account that chose them and no other. */
export class Uploads {
  readonly #list: HTMLElement;
  readonly #account: Account;
  readonly #onStored: () => Promise<unknown>;
  readonly #ended = new AbortController();
  #queue = Promise.resolve();

  constructor(list: HTMLElement, account: Account, onStored: () => Promise<unknown>) {
    this.#list = list;
    this.#account = account;
    this.#onStored = onStored;
  }

  /** Shows a file at once, and stores it when it is its turn: WebCrypto would not be faster with several at once. */
  add(file: File): void {
    const upload = new Upload(file, this.#ended.signal, () => this.#enqueue(upload));
    this.#list.prepend(upload.item);
    this.#enqueue(upload);
  }

  /** The user signs out: what waits is never stored, what is on its way is given up. */
  end(): void {
    this.#ended.abort();
  }

  #enqueue(upload: Upload): void {
    upload.wait();
    this.#queue = this.#queue.then(async () => {
      if (await upload.run(this.#account)) await this.#onStored();
    });
  }
}

class Upload {
  readonly item = element('li', { className: 'job' });
  readonly #file: File;
  readonly #name: string;
  readonly #ended: AbortSignal;
  readonly #again: () => void;
  readonly #state = element('span', { className: 'state' });
  readonly #progress = element('progress', { max: 1, value: 0 });
  readonly #detail = element('p', { className: 'detail' });
  readonly #actions = element('div', { className: 'row' });
  #abort = new AbortController();

  constructor(file: File, ended: AbortSignal, again: () => void) {
    this.#file = file;
    this.#name = displayName(file.name);
    this.#ended = ended;
    this.#again = again;
    ended.addEventListener('abort', () => this.#abort.abort(), { once: true });
    const head = element('div', { className: 'head' }, nameElement(file.name), this.#state);
    this.item.append(head, this.#progress, this.#detail, this.#actions);
  }

  /** It is not its turn yet. */
  wait(): void {
    this.#abort = new AbortController();
    this.item.dataset['state'] = 'working';
    this.#state.textContent = 'Waiting…';
    this.#detail.textContent = sizeWords(this.#file.size);
    this.#progress.hidden = false;
    this.#progress.value = 0;
    this.#progress.setAttribute('aria-label', `Encrypting ${this.#name}`);
    const cancel = button('Cancel', () => this.#cancel(), `Cancel ${this.#name}`);
    this.#actions.replaceChildren(cancel);
  }

  /** Encrypts and stores it, and shows how far that is. Resolves to whether it is stored. */
  async run(account: Account): Promise<boolean> {
    const { signal } = this.#abort;
    if (signal.aborted || this.#ended.aborted) return false;
    announce(`Encrypting ${this.#name}`);
    try {
      this.#show(0);
      await storeFile(account, this.#file, (bytes) => this.#show(bytes), signal);
      this.item.remove();
      announce(`${this.#name} is stored.`);
      return true;
    } catch (error) {
      if (!signal.aborted) this.#end('Not stored', errorWords(error));
      return false;
    }
  }

  #show(bytes: number): void {
    const { size } = this.#file;
    if (bytes < size) {
      this.#progress.value = bytes / size;
      this.#state.textContent = `Encrypting… ${Math.floor(this.#progress.value * 100)} %`;
      return;
    }
    // How much of it has been sent, fetch does not tell.
    this.#progress.removeAttribute('value');
    this.#state.textContent = 'Storing…';
  }

  #cancel(): void {
    this.#abort.abort();
    this.#end('Cancelled', 'Nothing was kept of it.');
  }

  #end(state: string, detail: string): void {
    this.item.dataset['state'] = 'failed';
    this.#state.textContent = state;
    this.#detail.textContent = detail;
    this.#progress.hidden = true;
    this.#actions.replaceChildren(
      button('Try again', this.#again, `Try ${this.#name} again`),
      button('Remove', () => this.item.remove(), `Remove ${this.#name} from the list`),
    );
    announce(`${this.#name}: ${state}. ${detail}`);
  }
}
