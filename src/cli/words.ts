/** What people read: words of our own, in which text from elsewhere cannot reorder, hide or imitate what stands around it. */

import { isolated } from '../lib/display.ts';

/** Text that may be shown on a terminal. Made by {@link words}, so that no text from elsewhere gets there as it is. */
export class Words {
  readonly #text: string;

  /** For text of our own; {@link words} and {@link ownText} call it. */
  constructor(text: string) {
    this.#text = text;
  }

  /** Characters that it has. */
  get length(): number {
    return this.#text.length;
  }

  /** The first characters of it, at most so many. */
  cut(length: number): Words {
    return new Words(Array.from(this.#text).slice(0, length).join(''));
  }

  /** What is shown. */
  toString(): string {
    return this.#text;
  }
}

/**
 * A template of our own words. What is inserted, such as the name of a file, the text of an error or an answer of a server, is isolated, unless it is made of words itself.
 *
 * @example
 * await say(words`${path}: 5 B encrypted`);
 */
export function words(own: TemplateStringsArray, ...inserted: readonly (Words | string | number)[]): Words {
  const shown = inserted.map((value) => (value instanceof Words ? value.toString() : isolated(String(value))));
  return new Words(own.map((text, i) => text + (shown[i] ?? '')).join(''));
}

/** Text that stands in this program, such as a help text. Never for text from elsewhere. */
export function ownText(text: string): Words {
  return new Words(text);
}

/** Words one after the other. */
export function joined(parts: readonly Words[], separator = ''): Words {
  return new Words(parts.join(separator));
}

/** Nothing to say. */
export const noWords = new Words('');
