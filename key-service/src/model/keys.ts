/** Keys and versions as they are stored, `docs/key-service.md` §5. */

import type { Bytes } from '../lib/bytes.ts';

/** §5.2 */
export type VersionState = 'active' | 'decrypt-only' | 'compromised' | 'disabled' | 'destroy-scheduled' | 'destroyed';

/** A version of a key. */
export interface VersionRecord {
  readonly version: number;
  readonly state: VersionState;
  /** The state that enabling or cancelling gives back. */
  readonly priorState: VersionState | null;
  readonly created: number;
  /** Wraps and unwraps so far. */
  readonly uses: number;
  /** Symmetric part and private scalar under the root key; null once destroyed. */
  readonly material: Bytes | null;
  /** The P-384 point for offline wrapping. */
  readonly point: Bytes;
}

/** A deletion that was asked for, §7.1. */
export interface DeletionRecord {
  readonly version: number | null;
  readonly days: number;
  readonly requestedBy: string;
  /** Who that is, whichever issuer speaks for them. */
  readonly requestedIdentity: string;
  readonly requested: number;
  readonly approvedBy: string | null;
  readonly destroyAt: number | null;
}

/** §7.1 */
export type KeyOrigin = 'generated' | 'imported';

/** A key with all its versions and aliases. */
export interface KeyRecord {
  readonly id: string;
  readonly tenant: string;
  readonly description: string;
  readonly disabled: boolean;
  readonly newest: number;
  readonly floor: number;
  readonly created: number;
  readonly revision: number;
  readonly maxAgeDays: number | null;
  readonly maxUses: number | null;
  readonly deletion: DeletionRecord | null;
  /** Where the material of its first version comes from. */
  readonly origin: KeyOrigin;
  /** The identity of who imported it. */
  readonly importedBy: string | null;
  readonly aliases: readonly string[];
  readonly versions: readonly VersionRecord[];
}

/** A version, and whether material of it may stay in memory. */
export interface VersionUse {
  readonly keyId: string;
  readonly version: number;
  readonly usable: boolean;
}

/** The version with this number. */
export function versionOf(key: KeyRecord, version: number): VersionRecord | undefined {
  return key.versions[version - 1];
}
