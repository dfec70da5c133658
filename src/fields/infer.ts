/** The types of rows, inferred from the definition of fields. */

import type { Bytes } from '../types.ts';
import type { Fields, ValueOf } from './define.ts';

type Columns<Of extends Fields, Table extends keyof Of['options']> = Of['options'][Table]['columns'];

/** A row on its way into a table: encrypted columns hold their values, NULL, or nothing; other columns anything. */
export type RowToSeal<Of extends Fields, Table extends keyof Of['options']> = {
  readonly [Column in keyof Columns<Of, Table>]?: ValueOf<Columns<Of, Table>[Column]> | null | undefined;
};

/** The same row with records. */
export type SealedRow<Of extends Fields, Table extends keyof Of['options'], Row> = {
  -readonly [Key in keyof Row]: Key extends keyof Columns<Of, Table>
    ? Bytes | Extract<Row[Key], null | undefined>
    : Row[Key];
};

/** A row with its values. */
export type OpenedRow<Of extends Fields, Table extends keyof Of['options'], Row> = {
  -readonly [Key in keyof Row]: Key extends keyof Columns<Of, Table>
    ? ValueOf<Columns<Of, Table>[Key]> | null
    : Row[Key];
};

/** `table.column` of every encrypted column. */
export type FieldPath<Of extends Fields> = {
  [Table in keyof Of['options'] & string]: `${Table}.${keyof Columns<Of, Table> & string}`;
}[keyof Of['options'] & string];

/** The type of the values at a path. */
export type ValueAt<Of extends Fields, Path extends string> = Path extends `${infer Table}.${infer Column}`
  ? ValueOf<Columns<Of, Table>[Column]>
  : never;
