/** What a batch, and each of its items, is carried out with. */

import type { Caller } from '../../auth/caller.ts';
import type { IntegrityError } from '../../errors.ts';
import type { Bytes } from '../../lib/bytes.ts';
import type { Authorizer } from '../../policies/authorizer.ts';
import type { Materials } from '../../secrets/materials.ts';
import type { KeyView } from '../../store/key-cache.ts';
import type { Session } from '../../transport/session.ts';
import type { ContextTable } from './contexts.ts';

/** What a batch is carried out with. */
export interface BatchParts {
  readonly serviceId: string;
  readonly caller: Caller;
  readonly session: Session;
  readonly view: KeyView;
  readonly authorizer: Authorizer;
  readonly materials: Materials;
  /** To be called between items: others get their turn. */
  readonly turn: () => Promise<void> | undefined;
  readonly contextMac: Bytes;
  /** Told of a key that is not to be trusted: its items are refused, and no others. */
  readonly distrust: (error: IntegrityError) => void;
  /** Opens what the caller sealed; for `wrap`. */
  readonly openSealed: ReturnType<Session['opener']> | undefined;
}

/** What the operations on an item work with. */
export interface ItemParts extends BatchParts {
  readonly contexts: ContextTable;
}
