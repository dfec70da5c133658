// What the page shows: a line for each file, with its progress and its result, and announcements for those who do not see them.

import { displayName } from './bulla.min.js';
import { sizeWords } from './words.js';

const jobs = document.getElementById('jobs');
const status = document.getElementById('status');
const previewWidth = 480;

/** Says something to screen readers. */
export function announce(text) {
  status.textContent = text;
}

/** Shows why nothing works here, and switches the form off. */
export function refuseAll(words) {
  const notice = document.getElementById('notice');
  notice.textContent = words;
  notice.hidden = false;
  for (const control of document.querySelectorAll('input, textarea, button')) control.disabled = true;
  document.body.classList.add('off');
}

/** One file on its way, as a list item. */
export class JobView {
  #item = element('li', { className: 'job' });
  #state = element('span', { className: 'state' });
  #progress = element('progress', { max: 1, value: 0 });
  #detail = element('p', { className: 'detail' });
  #actions = element('div', { className: 'row' });
  #name;
  #verb = '';
  #url;

  constructor(name) {
    // Names come from elsewhere: they must not reorder, hide or imitate what stands around them.
    this.#name = displayName(name);
    const head = element('div', { className: 'head' });
    head.append(element('bdi', { className: 'name', textContent: this.#name }), this.#state);
    this.#item.append(head, this.#progress, this.#detail, this.#actions);
    jobs.prepend(this.#item);
  }

  /** Work begins, or waits for its turn. `verb` is what is done, such as `Encrypting`. */
  begin(verb, onCancel) {
    this.#verb = verb;
    this.#release();
    this.#enter('working', `${verb}…`);
    this.#progress.value = 0;
    this.#progress.hidden = false;
    this.#progress.setAttribute('aria-label', `${verb} ${this.#name}`);
    this.#detail.textContent = '';
    this.#show(button('Cancel', onCancel, `Cancel ${this.#name}`));
    announce(`${verb} ${this.#name}`);
  }

  /** So many bytes of so many are done. */
  progress(done, total) {
    this.#progress.value = total === 0 ? 1 : Math.min(done / total, 1);
    this.#state.textContent = `${this.#verb}… ${Math.floor(this.#progress.value * 100)} %`;
    this.#detail.textContent = `${sizeWords(done)} of ${sizeWords(total)}`;
  }

  /** There is a result, to be saved under a name. */
  done(words, blob, saveAs, onRemove) {
    this.#end('done', words, sizeWords(blob.size));
    this.#url = URL.createObjectURL(blob);
    const save = element('a', { className: 'button primary', href: this.#url, download: saveAs });
    const shown = displayName(saveAs);
    save.textContent = `Save ${shown}`;
    this.#show(save, this.#removal(onRemove));
    announce(`${this.#name}: ${words}. ${shown} is ready to be saved.`);
  }

  /** It did not work, and why. */
  failed(title, words, onRetry, onRemove) {
    this.#end('failed', title, words);
    this.#show(button('Try again', onRetry, `Try ${this.#name} again`), this.#removal(onRemove));
    announce(`${this.#name}: ${title}. ${words}`);
  }

  /** Draws a picture. As an image of a blob URL the page's content security policy would refuse it. */
  async preview(blob, type) {
    const bitmap = await createImageBitmap(blob.slice(0, blob.size, type)).catch(() => undefined);
    if (bitmap === undefined) return;
    const scale = Math.min(1, previewWidth / bitmap.width, previewWidth / bitmap.height);
    const canvas = element('canvas', {
      className: 'preview',
      width: Math.max(1, Math.round(bitmap.width * scale)),
      height: Math.max(1, Math.round(bitmap.height * scale)),
      role: 'img',
      ariaLabel: `Preview of ${this.#name}`,
    });
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Preview of ${this.#name}`);
    canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    this.#actions.before(canvas);
  }

  #end(state, title, detail) {
    this.#enter(state, title);
    this.#progress.hidden = true;
    this.#detail.textContent = detail;
  }

  #enter(state, title) {
    this.#item.dataset.state = state;
    this.#state.textContent = title;
  }

  /** Shows controls; the focus moves from the old ones to the first of the new. */
  #show(...controls) {
    const focused = this.#actions.contains(document.activeElement);
    this.#actions.replaceChildren(...controls);
    if (focused) controls[0].focus();
  }

  #removal(onRemove) {
    return button(
      'Remove',
      () => {
        this.#release();
        this.#item.remove();
        announce(`${this.#name} was removed from the list.`);
        onRemove();
      },
      `Remove ${this.#name} from the list`,
    );
  }

  #release() {
    if (this.#url !== undefined) URL.revokeObjectURL(this.#url);
    this.#url = undefined;
  }
}

function button(text, onClick, label) {
  const made = element('button', { type: 'button', textContent: text });
  made.setAttribute('aria-label', label);
  made.addEventListener('click', onClick);
  return made;
}

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
