// Elements, and what is said to those who do not see them.

import { displayName } from 'bulla/files';

/** The element of an id that stands in index.html. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`there is no #${id}`);
  return found as Kind;
}

/** A new element with properties and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A name from elsewhere, which cannot reorder, hide or imitate what stands around it. */
export function nameElement(text: string): HTMLElement {
  const made = element('bdi', { className: 'name' });
  made.textContent = displayName(text);
  return made;
}

/** A button. `label` says to screen readers what it is about. */
export function button(text: string, onClick: () => unknown, label?: string): HTMLButtonElement {
  const made = element('button', { type: 'button', textContent: text });
  if (label !== undefined) made.setAttribute('aria-label', label);
  made.addEventListener('click', () => void onClick());
  return made;
}

/** Fills a list of names and values. */
export function showFacts(list: HTMLElement, facts: Readonly<Record<string, string | number>>): void {
  const rows = Object.entries(facts).flatMap(([name, value]) => [
    element('dt', { textContent: name }),
    element('dd', { textContent: String(value) }),
  ]);
  list.replaceChildren(...rows);
}

/** Says something to screen readers. */
export function announce(text: string): void {
  byId('status').textContent = text;
}

/** Shows what concerns the whole page; an empty text ends that. */
export function notice(text: string): void {
  byId('notice').textContent = text;
  byId('notice').hidden = text === '';
}

/** Ends playing and what is read for it: a player that was merely removed goes on reading for a while. */
export function stopMedia(media: HTMLMediaElement): void {
  media.pause();
  media.removeAttribute('src');
  media.load();
}
