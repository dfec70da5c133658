/** The entries of the log, `docs/key-service.md` §8.2. */

import { randomBytes } from 'node:crypto';
import { type Bytes, decodeUtf8, encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';

/** The name of the log that is nobody's but the service's, and of the service among tenants: no tenant has it. */
export const serviceLog = '';

const saltLength = 16;

/** An entry of a log. */
export interface LogEntry {
  readonly tenant: string;
  readonly bytes: Bytes;
}

/** What an entry says of one item. */
export interface ItemRecord {
  readonly key?: string | undefined;
  readonly version?: number | undefined;
  /** HMAC of the key context. */
  readonly context?: string | undefined;
  readonly outcome: string;
}

/** What an entry says of a request, or of what the service did itself. */
export interface EntryFields {
  readonly time: number;
  readonly tenant: string;
  readonly principal: string;
  readonly proofKey?: string | undefined;
  readonly request?: string | undefined;
  readonly operation: string;
  readonly status: number;
  readonly key?: string | undefined;
  readonly change?: Readonly<Record<string, unknown>> | undefined;
  readonly items?: readonly ItemRecord[] | undefined;
}

/** The bytes of an entry. One of the service's own log has a salt: every tenant gets its hash, and must not be able to guess from it what it says. */
export function encodeEntry({ proofKey, items, ...fields }: EntryFields): LogEntry {
  const { time, tenant, principal, request, operation, status, key, change } = fields;
  const salt = tenant === serviceLog ? encodeBase64url(randomBytes(saltLength)) : undefined;
  const members = { v: 1, time, tenant, principal, proof_key: proofKey, request, operation, status, key, change };
  const text = JSON.stringify({ ...members, items: items && runs(items), salt });
  return { tenant, bytes: encodeUtf8(text) };
}

/** The first leaf of a tenant's log: the head that the service's own log had when it began. */
export function firstEntry(
  tenant: string,
  { size, root }: { readonly size: number; readonly root: Bytes },
  time: number,
): LogEntry {
  const change = { service: { size, root: encodeBase64url(root) } };
  return encodeEntry({ time, tenant, principal: 'service', operation: 'begin-log', status: 200, change });
}

/** The members of an entry; none where the bytes are no entry: a database may have anything there. */
export function membersOf(entry: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(decodeUtf8(entry) ?? '');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** The tenant that the bytes of an entry name; `undefined` for what is no entry. */
export function tenantOfEntry(entry: Uint8Array): string | undefined {
  const { tenant } = membersOf(entry);
  return typeof tenant === 'string' ? tenant : undefined;
}

function runs(items: readonly ItemRecord[]): ({ n: number } & ItemRecord)[] {
  const result: ({ n: number } & ItemRecord)[] = [];
  for (const item of items) {
    const last = result.at(-1);
    if (last && isSame(last, item)) last.n += 1;
    else result.push({ n: 1, ...item });
  }
  return result;
}

function isSame(a: ItemRecord, b: ItemRecord): boolean {
  return a.key === b.key && a.version === b.version && a.context === b.context && a.outcome === b.outcome;
}
