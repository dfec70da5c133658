/** The tables, for Kysely. */

import type { Bytes } from '../lib/bytes.ts';

export interface Tables {
  states: StateRow;
  heads: { tenant: string; slot: number; epoch: number; revisions: number; size: number; frontier: Bytes };
  publications: { idx: number; seed: Bytes };
  secrets: { kind: string; name: string; sealed: Bytes };
  transport_keys: { kid: string; serial: number; point: Bytes; sealed: Bytes; created: number; expires: number };
  keys: KeyRow;
  key_versions: VersionRow;
  aliases: { tenant: string; name: string; key_id: string };
  proofs: { id: string; expires: number };
  windows: { tenant: string; principal: string; started: number; items: number };
  answers: { id: string; body_hash: string; status: number; body: string; expires: number; mac: string };
  log_leaves: { log: string; idx: number; hash: Bytes; entry: Bytes };
  log_nodes: { log: string; level: number; idx: number; hash: Bytes };
  replicas: { id: string; name: string; seen: number; roots: string };
  former_aliases: { tenant: string; name: string; key_id: string };
  revocations: RevocationRow;
  tombstones: { tenant: string; seq: number; tombstone: Bytes; stands: number };
  tombstone_heads: TombstoneHeadRow;
  tenant_records: TenantRow;
  remembered: RememberedRow;
  touched: TouchedRow;
  exchanged: { id: string; proof_key: string; expires: number };
  /** Before schema 5. */
  state: { id: number; epoch: number; revisions: number; size: number; frontier: string; mac: string };
  audit_leaves: { idx: number; hash: Bytes; tenant: string; entry: Bytes };
}

/** A tenant's; the service has one under the empty name. */
export interface StateRow {
  tenant: string;
  /** When an operator last accepted what is there, in milliseconds since 1970; 0 for never. */
  resumed: number;
  epoch: number;
  revisions: number;
  mac: string;
  size: number;
  frontier: Bytes;
}

/** What operators have set for a tenant. */
export interface TenantRow {
  tenant: string;
  record: string;
  revision: number;
  /** When its end comes, for who looks for those that are due; `null` for none, and for one that is complete. */
  closes_at: number | null;
  mac: string;
}

/** What the last changes of a tenant touched. */
export interface TouchedRow {
  tenant: string;
  resumed: number;
  epoch: number;
  since: number;
  ids: string;
  mac: string;
}

/** What a replica knows of a tenant that the database does not know any more. */
export interface RememberedRow {
  tenant: string;
  replica: string;
  resumed: number;
  epoch: number;
  revisions: number;
  size: number;
  leaf: Bytes | null;
  keys: string;
  mac: string;
}

export interface KeyRow {
  id: string;
  tenant: string;
  description: string;
  disabled: number;
  newest: number;
  floor: number;
  created: number;
  revision: number;
  max_age_days: number | null;
  max_uses: number | null;
  deletion: string | null;
  mac: string;
  origin: string;
  imported_by: string | null;
}

export interface VersionRow {
  key_id: string;
  version: number;
  state: string;
  prior_state: string | null;
  created: number;
  uses: number;
  material: Bytes | null;
  point: Bytes;
}

export interface RevocationRow {
  id: string;
  tenant: string;
  digest: string;
  requested: number;
  revoked: number | null;
  data_keys: number;
  record: string;
  revision: number;
  mac: string;
}

export interface TombstoneHeadRow {
  tenant: string;
  total: number;
  hash: Bytes;
  mac: string;
}

/** What a backup holds, parents first. Proofs, windows, transport keys, exchanged tokens, replicas, and what the last changes touched live too short. */
export const backedUpTables = [
  'states',
  'heads',
  'publications',
  'tenant_records',
  'secrets',
  'keys',
  'key_versions',
  'aliases',
  'former_aliases',
  'answers',
  'revocations',
  'tombstones',
  'tombstone_heads',
  'log_leaves',
  'log_nodes',
] as const;

/** The order of the rows of a table in a backup. */
export const primaryKeys = {
  states: ['tenant'],
  heads: ['tenant'],
  publications: ['idx'],
  tenant_records: ['tenant'],
  secrets: ['kind', 'name'],
  keys: ['id'],
  key_versions: ['key_id', 'version'],
  aliases: ['tenant', 'name'],
  former_aliases: ['tenant', 'name'],
  answers: ['id'],
  revocations: ['id'],
  tombstones: ['tenant', 'seq'],
  tombstone_heads: ['tenant'],
  log_leaves: ['log', 'idx'],
  log_nodes: ['log', 'level', 'idx'],
} as const satisfies Record<(typeof backedUpTables)[number], readonly string[]>;
