/** Many messages at once: re-wrapped after a rotation, or re-encrypted. */

export type { BulkFailure, BulkItem, BulkOptions, BulkProgress, BulkReport } from './message/bulk-options.ts';
export {
  type MessageBulkOptions,
  type MessageItem,
  type ReencryptAllOptions,
  type RewrapAllOptions,
  reencryptAll,
  rewrapAll,
} from './message/rewrap-all.ts';
