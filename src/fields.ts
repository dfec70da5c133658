/** Encrypted columns of a database: cells that are sealed before they are stored, bound to their rows, and found by blind indexes. */

export type { DataKeyCache } from './cache/data-key-cache.ts';
export { FieldError, type FieldErrorCode, type FieldErrorDetails } from './errors.ts';
export { type ColumnOptions, type DateColumnOptions, type EncryptedColumn, encrypted } from './fields/columns.ts';
export {
  type DataKeyRow,
  type DataKeySlot,
  type DataKeyStore,
  type DataKeyStoreOptions,
  memoryDataKeyStore,
  type StoredDefinition,
  type SubjectName,
} from './fields/data-key-store.ts';
export {
  defineFields,
  type Fields,
  type InferFields,
  type TableOptions,
  type TablesOptions,
  type ValueOf,
} from './fields/define.ts';
export {
  createFieldEncryption,
  type FieldCallOptions,
  type FieldEncryption,
  type FieldEncryptionOptions,
  type OpenFieldsOptions,
  type SearchOptions,
} from './fields/encryption.ts';
export {
  type BlindIndexOptions,
  type BucketIndexOptions,
  blindIndex,
  bucketIndex,
  type CompoundIndexOptions,
  type ComputedPart,
  compoundIndex,
  type FieldIndex,
  type IndexOptions,
  type PrefixIndexOptions,
  prefixIndex,
} from './fields/indexes.ts';
export type { FieldPath, OpenedRow, RowToSeal, SealedRow, ValueAt } from './fields/infer.ts';
export type { NormalizationStep } from './fields/normalize.ts';
export type { RowColumnType } from './fields/rows.ts';
export type { FieldTag, FieldTags } from './fields/search.ts';
export type {
  CellStore,
  CellsToShred,
  FoundCells,
  Shredded,
  ShredOptions,
  SubjectColumn,
  SubjectTable,
} from './fields/shred.ts';
export type { ValueType, ValueTypes } from './fields/values.ts';
