// The audit log on the page.

import type { KeyServiceClient } from 'bulla/service';
import { type AuditEntry, type AuditView, readAudit } from './audit.ts';
import { byId, element } from './dom.ts';
import { count, errorWords } from './words.ts';

/** Reads the log, verifies it, and shows both. */
export async function showAudit(administrator: KeyServiceClient, tenant: string): Promise<void> {
  const verdict = byId('audit-verdict');
  verdict.className = 'verdict';
  verdict.textContent = 'Verifying…';
  try {
    const view = await readAudit(administrator, tenant);
    byId('audit-entries').replaceChildren(...view.entries.map(entryItem));
    verdict.classList.add('good');
    verdict.textContent = verdictWords(view);
  } catch (error) {
    byId('audit-entries').replaceChildren();
    verdict.classList.add('bad');
    verdict.textContent = `Not verified: ${errorWords(error)}`;
  }
}

/** Empties the view, for another user. */
export function clearAudit(): void {
  byId('audit-entries').replaceChildren();
  byId('audit-verdict').textContent = '';
}

function verdictWords({ size, continued, entries }: AuditView): string {
  const grown =
    continued === undefined
      ? ''
      : ` It continues the ${count(continued, 'entry').replace('entrys', 'entries')} that this browser saw before.`;
  const proved = `✓ Signed by the pinned service; ${entries.length} of ${size} entries shown, each proved to be in the log.`;
  return proved + grown;
}

function entryItem({ time, principal, operation, status, items, denied }: AuditEntry): HTMLLIElement {
  const item = element(
    'li',
    { className: denied ? 'denied' : '' },
    element('span', { className: 'when', textContent: `${time.toLocaleTimeString()} ` }),
    element('strong', { textContent: `${operation} ` }),
    `by ${principal}: ${items.length > 0 ? items.join('; ') : status}`,
  );
  return item;
}
