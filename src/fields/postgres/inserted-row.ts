/** A row that is inserted: its values, and what its cells are bound to. */

import type { TableDefinition } from '../define.ts';
import { sourceOf } from './changes.ts';
import { type Item, itemOf, type Node } from './nodes.ts';
import { type RowSource, refusal, type Source } from './plan.ts';
import type { Queries } from './queries.ts';

/** A row of `VALUES`. */
export class InsertedRow {
  readonly #queries: Queries;
  readonly #table: TableDefinition;
  readonly #columns: readonly string[];
  readonly items: readonly Node[];
  readonly #index: number;
  /** Columns whose values the database makes, and which the cells of this row are bound to. */
  readonly drawn = new Set<string>();

  constructor(
    queries: Queries,
    table: TableDefinition,
    columns: readonly string[],
    items: readonly Node[],
    index: number,
  ) {
    this.#queries = queries;
    this.#table = table;
    this.#columns = columns;
    this.items = items;
    this.#index = index;
  }

  item(column: string): Item | undefined {
    const i = this.#columns.indexOf(column);
    return i < 0 ? { kind: 'default', at: -1 } : itemOf(this.items[i]);
  }

  place(): RowSource {
    const { row, tenant, subject } = this.#table;
    return {
      table: this.#table,
      row: row.map(({ name }) => this.#source(name)),
      tenant: tenant === undefined ? undefined : this.#source(tenant),
      subject: subject === undefined ? undefined : this.#source(subject),
    };
  }

  others(): ReadonlyMap<string, Source> {
    const sources = new Map<string, Source>();
    for (const { key, column } of this.#table.fields.values()) {
      const item = this.#columns.includes(column) ? this.item(column) : { kind: 'null' as const };
      if (item?.kind === 'param' || item?.kind === 'constant') sources.set(key, sourceOf(item));
      else sources.set(key, { kind: 'constant', value: null });
    }
    return sources;
  }

  #source(column: string): Source {
    const item = this.item(column);
    if (item?.kind === 'param' || item?.kind === 'constant') return sourceOf(item);
    if (item?.kind !== 'default')
      throw refusal(`${this.#table.key}.${column} is no value, and cells are bound to it`, 'Give it as a parameter');
    if (this.#queries.catalog.drawOf(this.#table, column) === undefined) {
      throw refusal(
        `${this.#table.key}.${column} is not given, and cells are bound to it`,
        'Give it, or give the column a default',
      );
    }
    this.drawn.add(column);
    return { kind: 'drawn', column, index: this.#index };
  }
}
