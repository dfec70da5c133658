/** What has to be done for a statement, found once for its text. */

import { FieldError } from '../../errors.ts';
import type { Field, TableDefinition } from '../define.ts';
import type { Slot } from '../indexes.ts';
import type { Draw, SequenceUse } from './sequences.ts';

/** Where a value comes from when a statement runs. */
export type Source =
  | { readonly kind: 'param'; readonly number: number; readonly suffix?: string | undefined }
  | { readonly kind: 'constant'; readonly value: unknown }
  /** The `index`-th value that was drawn from the default of a column. */
  | { readonly kind: 'drawn'; readonly column: string; readonly index: number };

/** What a cell is bound to. */
export interface RowSource {
  readonly table: TableDefinition;
  readonly row: readonly Source[];
  readonly tenant: Source | undefined;
  readonly subject: Source | undefined;
}

/** A value that is sealed into a parameter. */
export interface SealStep {
  readonly field: Field;
  readonly source: Source;
  readonly place: RowSource;
  /** The values of other encrypted columns of the row, by property. */
  readonly others: ReadonlyMap<string, Source>;
  readonly param: number;
}

/** A value that becomes tags in parameters, one for each slot. */
export interface SearchStep {
  readonly field: Field;
  readonly slots: readonly Slot[];
  readonly source: Source;
  readonly isArray: boolean;
  /** Whether the tags are of the value, or of others as well: then what is found is compared with it after opening. */
  readonly finds: 'equal' | 'bucket' | 'prefix';
  /** The values of the other columns of a compound index, by property. */
  readonly others: ReadonlyMap<string, Source>;
  readonly params: readonly number[];
  /** Parameters that mean nothing any more: those of the other columns. */
  readonly blanks: readonly number[];
  /** Steps of one group are alternatives. `undefined` where nothing that was opened can be compared. */
  readonly group: SearchGroup | undefined;
  /** The parameter of an `OFFSET`, which must skip no row where rows are dropped after opening. */
  readonly offset?: number | undefined;
}

/** Searches of which a row must fit one. */
export interface SearchGroup {
  readonly source: object;
}

/** Values that the database makes, drawn before a row is sealed. */
export interface DrawStep {
  readonly table: TableDefinition;
  readonly column: string;
  readonly draw: Draw;
  /** The parameter that each of them becomes. */
  readonly params: readonly number[];
}

/** A column that was added at the end of a result. */
export interface HiddenColumn {
  readonly source: object;
  readonly column: string;
}

/** An `UPDATE` of several rows: their keys are selected first, and each row gets a record of its own. */
export interface Expansion {
  readonly table: TableDefinition;
  /** Selects the columns that cells are bound to, as `identityColumns` names them. */
  readonly select: string;
  /** Which parameters of the statement the selection has, in its order. */
  readonly params: readonly number[];
  /** The values: records of all rows go into one parameter, by the row. */
  readonly seals: readonly Omit<SealStep, 'place'>[];
  /** Keys of the rows, a parameter for each column of the primary key. */
  readonly keys: readonly number[];
}

/** See the head of this file. */
export interface Plan {
  readonly text: string;
  /** Whether an encrypted table is in it. */
  readonly touched: boolean;
  readonly sequences: SequenceUse;
  readonly draws: readonly DrawStep[];
  readonly seals: readonly SealStep[];
  readonly searches: readonly SearchStep[];
  readonly hidden: readonly HiddenColumn[];
  /** Whether a `*` stands in the select list: then columns of tags are taken out, which the caller does not know. */
  readonly isStar: boolean;
  /** Whether values stood in the text itself, which then is not kept. */
  readonly hasLiterals: boolean;
  /** What is done for an `UPDATE` that does not say which rows its values are bound to. */
  readonly expand: Expansion | undefined;
  /** Which use of a table each result column is of; `undefined` where each table is used once. */
  readonly outputs: readonly (object | undefined)[] | undefined;
  /** The one use of each table. */
  readonly uses: ReadonlyMap<TableDefinition, object>;
}

/** An `ERR_FIELD_QUERY`: what cannot be answered, and what to do instead. */
export function refusal(what: string, instead: string, field?: Field): FieldError {
  return new FieldError('ERR_FIELD_QUERY', `${field === undefined ? '' : `${field.id}: `}${what}. ${instead}`, {
    table: field?.table.key,
    column: field?.key,
  });
}

/** The refusal of a search whose rows are dropped where that would come too late. */
export function dropsRows(
  field: Field,
  finds: SearchStep['finds'],
  where = 'without LIMIT, OFFSET, count and window functions',
): FieldError {
  const index = finds === 'bucket' ? 'bucketIndex' : 'prefixIndex';
  const instead = `Search in WHERE of the outermost SELECT, joined by AND, ${where}`;
  return refusal(`its ${index} finds other rows as well, which are dropped after opening`, instead, field);
}
