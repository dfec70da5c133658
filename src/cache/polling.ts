/** Hears what becomes of the keys behind cached data keys: listens to those who tell, and asks for what they do not tell by themselves. */

import type { KeyNews } from '../keyrings/keyring.ts';
import { tell } from '../lib/callbacks.ts';
import { unref } from '../lib/elapsed.ts';
import type { KeyChange } from '../types.ts';
import type { WatchedKey } from './entry.ts';

/** Questions at once: a server with a thousand cached keys must not send a thousand requests in one tick. */
const atOnce = 8;

interface Look extends Pick<WatchedKey, 'news'> {
  readonly keyId: string;
  uses: number;
}

/** Watches keys for as long as somebody needs that: afterwards neither a listener nor a timer is left. */
export class Watch {
  readonly #interval: number;
  readonly #onChange: (teller: KeyNews, change: KeyChange) => void;
  readonly #listening = new Map<KeyNews, { uses: number; readonly stop: () => void }>();
  /** In the order in which they are looked at next. */
  readonly #looks = new Map<string, Look>();
  #asking = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `interval`: milliseconds in which each key is looked at once; 0 for never. */
  constructor(interval: number, onChange: (teller: KeyNews, change: KeyChange) => void) {
    this.#interval = interval;
    this.#onChange = onChange;
  }

  /** Listens to somebody until the function that is returned is called. */
  listen(news: KeyNews): () => void {
    const known = this.#listening.get(news);
    const listening = known ?? { uses: 0, stop: news.onKeyChange((change) => this.#onChange(news, change)) };
    listening.uses++;
    this.#listening.set(news, listening);
    return () => {
      if (--listening.uses > 0) return;
      this.#listening.delete(news);
      tell(listening.stop);
    };
  }

  /** Listens, and looks at keys, until the function that is returned is called. */
  watch(keys: readonly WatchedKey[]): () => void {
    const ends = keys.flatMap(({ news, wrappedKey }) => [this.listen(news), this.#look(news, wrappedKey.keyId)]);
    this.#schedule();
    return () => {
      for (const end of ends) end();
    };
  }

  #look(news: KeyNews, keyId: string): () => void {
    const id = `${numberOf(news)} ${keyId}`;
    const look = this.#looks.get(id) ?? { news, keyId, uses: 0 };
    look.uses++;
    this.#looks.set(id, look);
    return () => {
      if (--look.uses > 0) return;
      this.#looks.delete(id);
      if (this.#looks.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  /** One key after the other, spread over the interval and not in step with other processes. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#interval === 0 || this.#looks.size === 0) return;
    const gap = (this.#interval / this.#looks.size) * (0.75 + Math.random() / 4);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#ask();
      this.#schedule();
    }, gap);
    unref(this.#timer);
  }

  #ask(): void {
    const [next] = this.#looks;
    if (next === undefined || this.#asking >= atOnce) return;
    const [id, { news, keyId }] = next;
    this.#looks.delete(id);
    this.#looks.set(id, next[1]);
    this.#asking++;
    const done = () => {
      this.#asking--;
    };
    // What the answer says reaches the cache by the listener; a failure that says nothing of the key changes nothing.
    new Promise((resolve) => resolve(news.keyDocument(keyId, { fresh: true }))).then(done, done);
  }
}

const numbers = new WeakMap<KeyNews, number>();
let last = 0;

function numberOf(news: KeyNews): number {
  const number = numbers.get(news) ?? ++last;
  numbers.set(news, number);
  return number;
}
