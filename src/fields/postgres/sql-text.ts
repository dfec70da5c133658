/** The text of a statement: its tokens, and edits by the byte offsets that PostgreSQL's parser gives. */

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

/** A token, as PostgreSQL's scanner sees it. Offsets count bytes of UTF-8. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly order: number;
}

/** A part of the text. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** See {@link SqlText.updateClauses}. */
export interface UpdateClauses {
  readonly table: Part;
  readonly from: Part | undefined;
  readonly where: Part | undefined;
  /** Where a `WHERE` may be put. */
  readonly end: number;
}

/** In the order in which they stand. */
const clauseWords = ['update', 'set', 'from', 'where', 'returning'];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A statement that is about to be changed. */
export class SqlText {
  readonly #bytes: Uint8Array;
  readonly #tokens: readonly Token[];
  readonly #edits: Edit[] = [];

  constructor(text: string, tokens: readonly Token[]) {
    this.#bytes = encoder.encode(text);
    this.#tokens = tokens;
  }

  /** Where the text ends that has meaning: before a semicolon or a comment at the end. */
  get end(): number {
    const last = this.#tokens.filter(({ text }) => text !== ';').at(-1);
    return last?.end ?? this.#bytes.byteLength;
  }

  /** The end of a name such as `"p"."email"` that begins somewhere. */
  nameEnd(start: number): number {
    let i = this.#at(start);
    while (this.#tokens[i + 1]?.text === '.') i += 2;
    return (this.#tokens[i] as Token).end;
  }

  /** The end of a `::text` that begins somewhere, or `undefined`. */
  textCastEnd(start: number): number | undefined {
    const i = this.#at(start);
    const [cast, type] = [this.#tokens[i], this.#tokens[i + 1]];
    return cast?.text === '::' && type?.text.toLowerCase() === 'text' ? type.end : undefined;
  }

  /** The end of a parameter or a literal that begins somewhere. */
  literalEnd(start: number): number {
    const i = this.#at(start);
    const token = this.#tokens[i] as Token;
    return token.text === '-' || token.text === '+' ? (this.#tokens[i + 1] ?? token).end : token.end;
  }

  /** The operator that stands somewhere, of one token. */
  operatorAt(start: number): Part {
    return this.#tokens[this.#at(start)] as Token;
  }

  /** The start of the `FROM` of a select list that begins somewhere, or `undefined`. */
  fromStart(start: number): number | undefined {
    let depth = 0;
    for (let i = this.#at(start); i < this.#tokens.length; i++) {
      const { text, start: at } = this.#tokens[i] as Token;
      if (text === '(' || text === '[') depth++;
      else if (text === ')' || text === ']') depth--;
      if (depth < 0) return undefined;
      // `a IS DISTINCT FROM b` is an expression.
      if (depth === 0 && /^from$/i.test(text) && !/^distinct$/i.test(this.#tokens[i - 1]?.text ?? '')) return at;
    }
    return undefined;
  }

  /** The start of the first closing bracket from somewhere on, at the same depth. */
  closing(start: number): number {
    let depth = 0;
    for (let i = this.#at(start); i < this.#tokens.length; i++) {
      const { text, start: at } = this.#tokens[i] as Token;
      if (text === ')' && depth-- === 0) return at;
      if (text === '(') depth++;
    }
    throw new RangeError('a bracket is not closed');
  }

  /** How many brackets are open at the second of two places that were closed at the first. */
  bracketsBetween(start: number, end: number): number {
    const between = this.#tokens.filter((token) => token.start >= start && token.end <= end);
    return between.filter(({ text }) => text === '(').length - between.filter(({ text }) => text === ')').length;
  }

  /** The start of the last keyword before a place. */
  keywordBefore(keyword: string, before: number): number {
    const found = this.#tokens.filter(({ text, end }) => end <= before && text.toLowerCase() === keyword).at(-1);
    if (found === undefined) throw new RangeError(`${keyword} does not stand there`);
    return found.start;
  }

  /** The start of the first keyword after a place, or `undefined`. */
  keywordAfter(keyword: string, after: number): number | undefined {
    return this.#tokens.find(({ text, start }) => start >= after && text.toLowerCase() === keyword)?.start;
  }

  /** Where the parts of an `UPDATE` stand that select its rows. */
  updateClauses(): UpdateClauses {
    const starts = new Map<string, number>();
    let depth = 0;
    for (const [i, { text }] of this.#tokens.entries()) {
      if (text === '(' || text === '[') depth++;
      else if (text === ')' || text === ']') depth--;
      const word = text.toLowerCase();
      if (depth > 0 || starts.has(word) || !clauseWords.includes(word)) continue;
      // `SET` is a name elsewhere, and `a IS DISTINCT FROM b` is an expression.
      const isClause =
        word === 'update' || (starts.has('update') && !/^distinct$/i.test(this.#tokens[i - 1]?.text ?? ''));
      if (isClause && (word === 'set' || word === 'update' || starts.has('set'))) starts.set(word, i);
    }
    const end = this.end;
    const order = clauseWords.filter((word) => starts.has(word));
    const partOf = (word: string): Part | undefined => {
      const at = starts.get(word);
      if (at === undefined) return undefined;
      const next = order[order.indexOf(word) + 1];
      const last = next === undefined ? undefined : this.#tokens[(starts.get(next) as number) - 1];
      return { start: (this.#tokens[at + 1] as Token).start, end: last?.end ?? end };
    };
    const returning = starts.get('returning');
    return {
      table: partOf('update') as Part,
      from: partOf('from'),
      where: partOf('where'),
      end: returning === undefined ? end : (this.#tokens[returning] as Token).start,
    };
  }

  /** A part of the text before it is changed, with the numbers of its parameters by themselves. */
  between({ start, end }: Part): readonly (string | number)[] {
    const pieces: (string | number)[] = [];
    let at = start;
    for (const token of this.#tokens) {
      if (token.start < start || token.end > end || !/^\$\d+$/.test(token.text)) continue;
      pieces.push(decoder.decode(this.#bytes.subarray(at, token.start)), Number(token.text.slice(1)));
      at = token.end;
    }
    return [...pieces, decoder.decode(this.#bytes.subarray(at, end))];
  }

  /** Where a name stands for the first time from a place on. */
  nameAfter(name: string, after: number): Part {
    const isName = (text: string) => text === quoted(name) || text.toLowerCase() === name;
    const found = this.#tokens.find(({ text, start }) => start >= after && isName(text));
    if (found === undefined) throw new RangeError(`${name} does not stand there`);
    return found;
  }

  /** Replaces a part; what is inserted at one place stands in the order of the calls. */
  replace(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text, order: this.#edits.length });
  }

  /** The text with its edits. */
  toString(): string {
    const edits = [...this.#edits].sort((a, b) => a.start - b.start || a.end - b.end || a.order - b.order);
    let result = '';
    let at = 0;
    for (const { start, end, text } of edits) {
      result += decoder.decode(this.#bytes.subarray(at, start)) + text;
      at = end;
    }
    return result + decoder.decode(this.#bytes.subarray(at));
  }

  #at(start: number): number {
    const i = this.#tokens.findIndex((token) => token.start >= start);
    if (i < 0) throw new RangeError('no token stands there');
    return i;
  }
}

/** A name as SQL takes it, whatever is in it. */
export function quoted(...names: readonly string[]): string {
  return names.map((name) => `"${name.replaceAll('"', '""')}"`).join('.');
}

/** A name that PostgreSQL does not cut to 63 bytes, so that two of them stay two. */
export function shortened(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.byteLength <= 63) return name;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 24);
  // Cut between characters, since what is not UTF-8 is no name.
  return `${bytes
    .subarray(0, 38)
    .toString('utf8')
    .replace(/\ufffd+$/, '')}~${hash}`;
}

/** A text as SQL takes it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The same for a body of several lines. */
export function dollarQuoted(body: string): string {
  return body.includes('$bulla$') ? literal(body) : `$bulla$${body}$bulla$`;
}
