/** Parameters and literals of a statement that become other parameters: numbered at the end, when all uses are known. */

import type { Field, TableDefinition } from '../define.ts';
import type { Slot } from '../indexes.ts';
import { indexColumn } from '../search.ts';
import type { Item } from './nodes.ts';
import type { DrawStep, Expansion, RowSource, SealStep, SearchGroup, SearchStep, Source } from './plan.ts';
import { refusal } from './plan.ts';
import { type Part, quoted, type SqlText } from './sql-text.ts';

/** A value in the text. */
export type Value = Extract<Item, { kind: 'param' | 'constant' }>;

/** A value without a cast: with one, the server would read the bytes of a record as something else. */
export function plainValue(item: Item, field: Field): Value {
  if (item.kind !== 'param' && item.kind !== 'constant') throw new TypeError('no value');
  if (item.cast) throw refusal('a cast stands beside a value of an encrypted column', 'Leave the cast out', field);
  return item;
}

/** A value as its source. */
export function sourceOf(item: Value): Source {
  if (item.kind === 'constant') return { kind: 'constant', value: item.value };
  return { kind: 'param', number: item.number, suffix: item.suffix?.text };
}

/** A comparison that is part of a search by another column. */
export interface Absorbed extends Part {
  /** The property of its column. */
  readonly name: string;
  readonly value: Value;
}

interface Search {
  readonly field: Field;
  readonly slots: readonly Slot[];
  readonly values: readonly Value[];
  readonly isArray: boolean;
  readonly finds: SearchStep['finds'];
  /** The comparisons of the other columns of a compound index, which say nothing more. */
  readonly absorbed: readonly Absorbed[];
  /** The operator, where it is another than `=`. */
  readonly operator: Part | undefined;
  readonly group: SearchGroup | undefined;
  /** Where the column stands, and where the comparison begins and ends. */
  readonly column: { readonly start: number; readonly end: number; readonly alias: string };
  readonly end: number;
}

/** Where the last token of a value stands. */
export function lastOf(value: Value): number {
  return value.kind === 'param' ? (value.suffix?.at ?? value.at) : value.at;
}

/** Writes the parameters of keys into the text. */
type WriteKeys = (params: readonly string[]) => void;

/** See the head of this file. */
export class Changes {
  readonly #text: SqlText;
  readonly #uses = new Map<number, number>();
  readonly #seals: { readonly step: Omit<SealStep, 'param'>; readonly item: Value }[] = [];
  readonly #searches: Search[] = [];
  readonly #draws: {
    readonly step: Omit<DrawStep, 'params'>;
    readonly places: readonly ((param: string) => void)[];
  }[] = [];
  readonly #spreads: {
    readonly step: Pick<SealStep, 'field' | 'source' | 'others'>;
    readonly item: Value;
    readonly write: (param: string) => string;
  }[] = [];
  #expansion:
    | {
        readonly table: TableDefinition;
        readonly select: readonly (string | number)[];
        readonly keys: number;
        readonly write: WriteKeys;
      }
    | undefined;
  #last = 0;

  constructor(text: SqlText) {
    this.#text = text;
  }

  /** Is told of every use of a parameter. */
  uses(number: number): void {
    this.#uses.set(number, (this.#uses.get(number) ?? 0) + 1);
    this.#last = Math.max(this.#last, number);
  }

  seal(field: Field, item: Item, place: RowSource, others: ReadonlyMap<string, Source>): void {
    const value = plainValue(item, field);
    this.#seals.push({ step: { field, source: sourceOf(value), place, others }, item: value });
  }

  /** A value of which each of several rows gets a record of its own. */
  spread(field: Field, item: Item, others: ReadonlyMap<string, Source>, write: (param: string) => string): void {
    const value = plainValue(item, field);
    if (value.kind === 'param') this.uses(value.number);
    this.#spreads.push({ step: { field, source: sourceOf(value), others }, item: value, write });
  }

  /** Says how the keys of those rows are selected, and where they are written. */
  expandBy(table: TableDefinition, select: readonly (string | number)[], keys: number, write: WriteKeys): void {
    this.#expansion = { table, select, keys, write };
  }

  search(search: Search): void {
    this.#searches.push(search);
  }

  draw(step: Omit<DrawStep, 'params'>, places: readonly ((param: string) => void)[]): void {
    this.#draws.push({ step, places });
  }

  /** Writes the parameters into the text. */
  finish(): {
    readonly seals: SealStep[];
    readonly searches: SearchStep[];
    readonly draws: DrawStep[];
    readonly expand: Expansion | undefined;
  } {
    for (const { item } of [...this.#seals, ...this.#spreads]) this.#consume(item);
    for (const { values, absorbed } of this.#searches) {
      for (const value of [...values, ...absorbed.map((one) => one.value)]) this.#consume(value);
    }
    const seals = this.#seals.map(({ step, item }) => {
      const param = this.#number(item);
      this.#text.replace(item.at, this.#text.literalEnd(item.at), `$${param}`);
      return { ...step, param };
    });
    const searches = this.#searches.flatMap((search) => this.#writeSearch(search));
    const draws = this.#draws.map(({ step, places }) => ({
      ...step,
      params: places.map((write) => {
        const param = ++this.#last;
        write(`$${param}`);
        return param;
      }),
    }));
    return { seals, searches, draws, expand: this.#finishExpansion() };
  }

  #finishExpansion(): Expansion | undefined {
    if (this.#expansion === undefined) return undefined;
    const { table, select, keys: count, write } = this.#expansion;
    const seals = this.#spreads.map(({ step, item, write: spread }) => {
      const param = this.#number(item);
      this.#text.replace(item.at, this.#text.literalEnd(item.at), spread(`$${param}`));
      return { ...step, param };
    });
    const keys = Array.from({ length: count }, () => ++this.#last);
    write(keys.map((param) => `$${param}`));
    return { table, ...renumbered(select), seals, keys };
  }

  #writeSearch(search: Search): SearchStep[] {
    const { field, slots, values, isArray, finds, absorbed, operator, group, column, end } = search;
    const others = new Map(absorbed.map(({ name, value }) => [name, sourceOf(value)]));
    // A parameter must stand somewhere, and have a type.
    const blanks = absorbed.map((one) => {
      const param = this.#number(one.value);
      this.#text.replace(one.start, one.end, `$${param}::bytea IS NULL`);
      return param;
    });
    if (operator !== undefined) this.#text.replace(operator.start, operator.end, '=');
    const steps = values.map((value) => {
      const numbers = slots.map((_, i) => (i === 0 ? this.#number(value) : ++this.#last));
      this.#text.replace(value.at, this.#text.literalEnd(lastOf(value)), `$${numbers[0]}`);
      return { field, slots, source: sourceOf(value), isArray, finds, others, params: numbers, blanks, group };
    });
    const name = (slot: Slot) => quoted(column.alias, indexColumn(field, slot));
    const [first, ...more] = slots as [Slot, ...Slot[]];
    // The value may stand first.
    const start = Math.min(column.start, ...values.map(({ at }) => at));
    if (more.length > 0) this.#text.replace(start, start, '(');
    this.#text.replace(column.start, column.end, name(first));
    const alternatives = more.map((slot, i) => {
      const numbers = steps.map(({ params }) => `$${params[i + 1]}`);
      return ` OR ${name(slot)} ${isArray ? `= ANY(${numbers[0]})` : `IN (${numbers.join(', ')})`}`;
    });
    if (alternatives.length > 0) this.#text.replace(end, end, `${alternatives.join('')})`);
    return steps;
  }

  #consume(item: Value): void {
    if (item.kind === 'param') this.#uses.set(item.number, (this.#uses.get(item.number) ?? 1) - 1);
  }

  /** The old number where nothing else uses it, since a parameter without a use has no type; a new one otherwise. */
  #number(item: Value): number {
    if (item.kind === 'param' && this.#uses.get(item.number) === 0) {
      this.#uses.set(item.number, -1);
      return item.number;
    }
    return ++this.#last;
  }
}

/** A text whose parameters are numbered without gaps, since the server asks for the type of each; and which they were. */
function renumbered(pieces: readonly (string | number)[]): Pick<Expansion, 'select' | 'params'> {
  const params = [...new Set(pieces.filter((piece) => typeof piece === 'number'))];
  const select = pieces.map((piece) => (typeof piece === 'number' ? `$${params.indexOf(piece) + 1}` : piece)).join('');
  return { select, params };
}
