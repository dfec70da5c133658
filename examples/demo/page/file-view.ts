// One file in the list: what can be known of it, and what can be done with it.

import { displayName } from 'bulla/files';
import type { Account } from './account.ts';
import { announce, button, element, nameElement, showFacts, stopMedia } from './dom.ts';
import { equal } from './merkle.ts';
import { versionOf } from './rotation.ts';
import { deleteFile, fetchFile, openName, type StoredFile, tryToOpen } from './store.ts';
import { codeWords, errorWords, sizeWords } from './words.ts';

/** What a list does for its items. */
export interface FileViewOptions {
  readonly account: Account;
  readonly file: StoredFile;
  readonly onDeleted: (file: StoredFile) => void;
}

/** A file as a list item. */
export class FileView {
  readonly item = element('li', { className: 'job' });
  readonly #account: Account;
  #file: StoredFile;
  readonly #state = element('span', { className: 'state' });
  readonly #detail = element('p', { className: 'detail' });
  readonly #more = element('div', { hidden: true });
  readonly #actions = element('div', { className: 'row' });
  readonly #title = nameElement('Sealed file');
  #name: string | undefined;
  #working: AbortController | undefined;

  constructor({ account, file, onDeleted }: FileViewOptions) {
    this.#account = account;
    this.#file = file;
    this.item.dataset['id'] = file.id;
    const head = element('div', { className: 'head' }, this.#title, this.#state);
    this.item.append(head, this.#detail, this.#actions, this.#more);
    this.#state.textContent = versionWords(file);
    this.#detail.textContent = detailWords(file);
    this.#actions.append(button('Inspect', () => this.#inspect()));
    if (!this.isOwn) return;
    const remove = async () => {
      if (await this.#work('Deleting', () => deleteFile(file.id))) onDeleted(file);
    };
    this.#actions.append(button('Delete', remove));
  }

  /** Whether it is of the account's tenant, as its envelope says. */
  get isOwn(): boolean {
    return isOf(this.#account, this.#file);
  }

  /** Whether this shows a file of a later list, so that it can stay, with what is open in it. */
  shows(file: StoredFile): boolean {
    return file.id === this.#file.id && isOf(this.#account, file) === this.isOwn;
  }

  /** Shows what a later list has of the same file: re-wrapping changes envelope and name. What is open stays open. */
  async update(file: StoredFile): Promise<void> {
    const old = this.#file;
    if (file.name === old.name && equal(file.envelope, old.envelope)) return;
    this.#file = file;
    this.#state.textContent = versionWords(file);
    this.#more.querySelector('.inspection')?.replaceWith(this.#inspection());
    // What is being downloaded goes on saying so.
    if (this.isOwn && file.name !== old.name && this.item.dataset['state'] !== 'working') await this.#openName();
  }

  /** Ends what it does and plays: it is about to be removed. */
  close(): void {
    this.#working?.abort();
    this.#stopMedia();
  }

  #stopMedia(): void {
    for (const media of this.#more.querySelectorAll<HTMLMediaElement>('audio, video')) stopMedia(media);
  }

  /** Opens the name, or shows that this is somebody else's. */
  async begin(): Promise<void> {
    if (!this.isOwn) {
      this.#enter('sealed');
      const tenant = this.#file.inspection.wrappedKeys[0]?.keyContext['tenant'] ?? 'somebody';
      this.#title.textContent = `Sealed by ${displayName(tenant)}`;
      this.#label();
      return this.#insert(button('Try to open', () => this.#try()));
    }
    await this.#openName();
    const kind = mediaKind(this.#file.inspection.header.contentType);
    const download = button('Download', () => this.#download());
    this.#insert(...(kind === undefined ? [] : [button('Open', () => this.#open(kind))]), download);
  }

  async #openName(): Promise<void> {
    try {
      this.#name = displayName(await openName(this.#account, this.#file));
      this.#title.textContent = this.#name;
      this.#detail.textContent = detailWords(this.#file);
      this.#enter('done');
    } catch (error) {
      this.#fail(error);
    }
    this.#label();
  }

  /** Shows a picture or a player, which reads through the service worker. */
  #open(kind: 'img' | 'audio' | 'video'): void {
    const src = `/media/${this.#file.id}`;
    const label = this.#name ?? 'file';
    const media =
      kind === 'img'
        ? element('img', { src, alt: label, className: 'media' })
        : element(kind, { src, controls: true, preload: 'metadata', className: 'media' });
    media.setAttribute('aria-label', label);
    // A player that was stopped has no source, and nothing to explain.
    media.addEventListener('error', () => media.hasAttribute('src') && void this.#explainMedia(src));
    this.#toggle('Open', media);
  }

  /** A media element says only that it failed; the answer to the same request says why. */
  async #explainMedia(src: string): Promise<void> {
    const response = await fetch(src, { headers: { Range: 'bytes=0-0' } }).catch(() => undefined);
    const code = response?.headers.get('Bulla-Error');
    this.#toggle('Open');
    if (response?.ok) this.#failWith('The browser does not know this kind of file. Download it instead.');
    else if (code) this.#failWith(codeWords(code));
    else this.#failWith('The service worker is not in charge of this page. Load it again.');
  }

  async #download(): Promise<void> {
    const { size } = this.#file;
    await this.#work('Decrypting', async (onProgress, signal) => {
      const blob = await fetchFile(this.#account, this.#file, (done) => onProgress(done, size), signal);
      const url = URL.createObjectURL(blob);
      element('a', { href: url, download: this.#name ?? 'file' }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    });
  }

  async #try(): Promise<void> {
    await this.#work('Asking the key service', async () => {
      await tryToOpen(this.#account, this.#file);
      throw new Error('it opened, which must not be');
    });
  }

  #inspect(): void {
    this.#toggle('Inspect', this.#inspection());
  }

  #inspection(): HTMLElement {
    const { id, inspection, size, name } = this.#file;
    const { header, wrappedKeys, suiteName, plaintextLength } = inspection;
    const facts = element('dl', { className: 'facts' });
    showFacts(facts, {
      'Id, its context': id,
      Ciphertext: sizeWords(size),
      Plaintext: sizeWords(plaintextLength ?? 0),
      Type: displayName(header.contentType ?? 'not given'),
      Encrypted: header.created.toLocaleString(),
      Suite: `${header.suite}, ${suiteName}`,
      'Segment size': `${header.segmentSize / 1024} KiB`,
      'Context names': displayName(header.contextNames.join(', ')),
      'Data key': header.keyUse === 'single' ? 'its own' : 'shared',
      ...Object.fromEntries(wrappedKeys.map((key, i) => [`Wrapped key ${i + 1}`, wrappedWords(key)])),
      'Name wrapped under': `version ${versionOf(name) ?? '?'}`,
    });
    const warning = element('p', {
      className: 'hint',
      textContent: 'What the envelope says; anyone can read it, and nothing of it has been verified.',
    });
    return element('div', { className: 'inspection' }, warning, facts);
  }

  /** Shows something below the buttons, or hides it where it is shown already or is nothing. `what` is the text of its button. */
  #toggle(what: 'Open' | 'Inspect', content?: Node): void {
    const isShown = content === undefined || (!this.#more.hidden && this.#more.dataset['what'] === what);
    this.#stopMedia();
    this.#more.replaceChildren(...(isShown ? [] : [content]));
    this.#more.hidden = isShown;
    this.#more.dataset['what'] = what;
    for (const control of this.#actions.querySelectorAll('button')) {
      if (!['Open', 'Inspect'].includes(control.textContent)) continue;
      control.setAttribute('aria-expanded', String(!isShown && control.textContent === what));
    }
  }

  async #work(
    verb: string,
    work: (onProgress: (done: number, total: number) => void, signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const abort = new AbortController();
    const progress = element('progress', { max: 1 });
    progress.setAttribute('aria-label', verb);
    this.#detail.textContent = `${verb}…`;
    const cancel = button('Cancel', () => abort.abort(), `Cancel ${this.#title.textContent}`);
    this.#working = abort;
    this.item.dataset['state'] = 'working';
    this.#detail.after(progress, cancel);
    announce(`${verb} ${this.#title.textContent}`);
    try {
      await work((done, total) => {
        progress.value = Math.min(done / total, 1);
      }, abort.signal);
      this.#detail.textContent = detailWords(this.#file);
      this.#enter('done');
      return true;
    } catch (error) {
      if (abort.signal.aborted) {
        this.#enter('done');
        this.#detail.textContent = 'Cancelled. Nothing was kept of it.';
        announce(`${this.#title.textContent}: ${this.#detail.textContent}`);
      } else this.#fail(error);
      return false;
    } finally {
      progress.remove();
      cancel.remove();
    }
  }

  #fail(error: unknown): void {
    this.#failWith(errorWords(error));
  }

  #failWith(words: string): void {
    this.#enter('failed');
    this.#detail.textContent = words;
    announce(`${this.#title.textContent}: ${this.#detail.textContent}`);
  }

  #enter(state: string): void {
    this.item.dataset['state'] = state;
  }

  #insert(...controls: HTMLElement[]): void {
    this.#actions.prepend(...controls);
    this.#label();
  }

  /** Buttons of many files have the same text; their labels tell them apart. */
  #label(): void {
    for (const control of this.#actions.querySelectorAll('button')) {
      control.setAttribute('aria-label', `${control.textContent} ${this.#title.textContent}`);
    }
  }
}

function isOf({ tenant }: Account, { inspection }: StoredFile): boolean {
  return inspection.wrappedKeys.some(({ keyContext }) => keyContext['tenant'] === tenant);
}

/** How a browser shows a type, by what the envelope says; the service worker decides again, from what is authenticated. */
function mediaKind(contentType = ''): 'img' | 'audio' | 'video' | undefined {
  if (contentType.startsWith('audio/')) return 'audio';
  if (contentType.startsWith('video/')) return 'video';
  return /^image\/(?!svg)/.test(contentType) ? 'img' : undefined;
}

function versionWords({ inspection }: StoredFile): string {
  return `key version ${inspection.wrappedKeys.map(({ version }) => version).join(', ')}`;
}

function detailWords({ created, inspection, size }: StoredFile): string {
  const type = displayName(inspection.header.contentType ?? '');
  return [sizeWords(inspection.plaintextLength ?? size), type, created.toLocaleString()].filter(Boolean).join(' · ');
}

function wrappedWords({
  method,
  keyId,
  version,
  serviceId,
  keyContext,
}: StoredFile['inspection']['wrappedKeys'][number]): string {
  const context = Object.entries(keyContext).map(([name, value]) => displayName(`${name}=${value}`));
  return `${keyId}, version ${version}, of ${serviceId} (${method}); key context ${context.join(', ')}`;
}
