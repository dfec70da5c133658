/** What operators have set for a tenant, as functions from record to record; `docs/key-service.md` §12.10 and §12.11. */

import { OperatorError } from '../errors.ts';

/** Limits of one tenant; `null`: that of the configuration. */
export interface TenantLimits {
  /** Items of a principal in a minute. */
  readonly itemsPerMinute: number | null;
  readonly revokedDataKeysPerDay: number | null;
}

/** The end of a tenant, which one operator asks for and another approves. Times are Unix seconds. */
export interface TenantClosing {
  readonly requestedBy: string;
  readonly requested: number;
  readonly days: number;
  readonly approvedBy: string | null;
  readonly closesAt: number | null;
  /** When its last key was destroyed. */
  readonly closed: number | null;
}

/** What operators have set for a tenant. */
export interface TenantRecord {
  readonly tenant: string;
  readonly limits: TenantLimits;
  readonly closing: TenantClosing | null;
  readonly revision: number;
}

/** Days between approval and end, and within which an approval comes. */
export const closingDays = { least: 7, most: 365, toApprove: 7 };
const daySeconds = 86_400;

/** The record of a tenant for which nothing was set. */
export function plainTenant(tenant: string): TenantRecord {
  return { tenant, limits: { itemsPerMinute: null, revokedDataKeysPerDay: null }, closing: null, revision: 0 };
}

export function setLimits(record: TenantRecord, limits: Partial<TenantLimits>): TenantRecord {
  return { ...record, limits: { ...record.limits, ...limits } };
}

/** Asks for the end of a tenant. Asking again after seven days without an approval makes a new request. */
export function askClosing(
  record: TenantRecord,
  { by, now, days }: { readonly by: string; readonly now: number; readonly days: number },
): TenantRecord {
  const { closing } = record;
  if (closing && (closing.approvedBy !== null || !isTooOld(closing, now))) {
    throw new OperatorError(`The end of the tenant ${record.tenant} was asked for already, by ${closing.requestedBy}`);
  }
  return {
    ...record,
    closing: { requestedBy: by, requested: now, days, approvedBy: null, closesAt: null, closed: null },
  };
}

/** Starts the days of exactly this request. The one who approves is not the one who asked. */
export function approveClosing(
  record: TenantRecord,
  { by, now, days }: { readonly by: string; readonly now: number; readonly days: number },
): TenantRecord {
  const { tenant, closing } = record;
  if (!closing || (closing.approvedBy === null && isTooOld(closing, now))) {
    throw new OperatorError(
      `Nobody has asked for the end of the tenant ${tenant} in the last ${closingDays.toApprove} days`,
    );
  }
  if (closing.approvedBy !== null) throw new OperatorError(`The end of the tenant ${tenant} is approved already`);
  if (closing.days !== days) throw new OperatorError(`What was asked for are ${closing.days} days`);
  if (closing.requestedBy === by) throw new OperatorError(`${by} asked for this: another operator must approve it`);
  return { ...record, closing: { ...closing, approvedBy: by, closesAt: now + days * daySeconds } };
}

/** Takes the end back, before its day has come. */
export function cancelClosing(record: TenantRecord, now: number): TenantRecord {
  if (!record.closing) throw new OperatorError(`Nobody has asked for the end of the tenant ${record.tenant}`);
  if (isClosed(record, now)) throw new OperatorError(`The tenant ${record.tenant} is closed`);
  return { ...record, closing: null };
}

/** The end is complete: no key is left. */
export function finishClosing(record: TenantRecord, now: number): TenantRecord {
  return record.closing ? { ...record, closing: { ...record.closing, closed: now } } : record;
}

/** Whether the day has come: nothing is done for the tenant any more. Once its end is complete, a clock that is behind changes nothing about that. */
export function isClosed({ closing }: TenantRecord, now: number): boolean {
  return closing?.closesAt != null && (closing.closesAt <= now || closing.closed !== null);
}

function isTooOld({ requested }: TenantClosing, now: number): boolean {
  return now - requested > closingDays.toApprove * daySeconds;
}
