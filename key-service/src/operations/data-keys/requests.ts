/** The items of the data plane, decoded. */

import type { Bytes } from '../../lib/bytes.ts';
import type { KeyContext } from '../../lib/key-context.ts';
import type { WrappingMethod } from '../../secrets/wrapping.ts';

/** `POST /v1/keys/{key}/<operation>` */
export type DataOperation = 'generate-data-key' | 'generate-data-key-without-plaintext' | 'wrap' | 'unwrap' | 'rewrap';

export interface GenerateItem {
  /** Id or alias. */
  readonly key: string;
  readonly key_context: KeyContext;
}

export interface WrapItem extends GenerateItem {
  readonly sealed_key: Bytes;
}

export interface UnwrapItem extends GenerateItem {
  readonly version: number;
  readonly wrapped_key: Bytes;
  readonly method: WrappingMethod;
}

export interface RewrapItem extends UnwrapItem {
  readonly to: { readonly key: string | undefined; readonly key_context: KeyContext | undefined } | undefined;
}

export type DataItem = GenerateItem | WrapItem | UnwrapItem | RewrapItem;
