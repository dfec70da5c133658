/** A change of keys with its leaf and its proof in one transaction, `docs/key-service.md` §11.3. */

import { sha256 } from '../crypto/digest.ts';
import { notAuthenticated, Problem } from '../errors.ts';
import { encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { describeKey } from '../model/describe.ts';
import { type EntryFields, encodeEntry } from '../model/entry.ts';
import type { KeyRecord } from '../model/keys.ts';
import type { KeyWork } from '../operations/keys/target.ts';
import type { Change } from '../store/store.ts';
import type { Call, Outcome } from './endpoint.ts';
import { rateLimited, windowUse } from './rates.ts';

/** What a change is called in the log, and what was asked for. */
export interface ChangeFields {
  readonly operation: string;
  readonly status?: number;
  readonly change?: Readonly<Record<string, unknown>>;
  /** What makes two requests the same, where that is not the body. */
  readonly content?: Uint8Array;
}

const answerSeconds = 86_400;
const idempotencyPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Runs an operation under the lock, records it, and answers with the key that it gives. */
export async function recordedChange(
  call: Call,
  { operation, status = 200, change: asked, content = call.bodyBytes }: ChangeFields,
  work: (work: KeyWork) => Promise<KeyRecord>,
): Promise<Outcome> {
  const idempotency = readIdempotencyKey(call, operation, content);
  return recorded(call, async (change) => {
    const earlier = idempotency && (await findAnswer(change, idempotency));
    const key = earlier ? undefined : await work(keyWork(call, change));
    const body = key ? describeKey(key) : (earlier?.body as Outcome['body'] & { key_id: string; revision: number });
    const logged = { operation, status: earlier?.status ?? status, key: body.key_id, change: asked };
    change.append(changeEntry(call, logged));
    if (idempotency && !earlier) await saveAnswer(call, change, idempotency, status, body);
    const headers = { ETag: `"${body.revision}"` };
    return { status: earlier?.status ?? status, body, headers };
  });
}

/** Runs work under the lock, with the proof and the rate; the work adds its own leaf. */
export async function recorded(call: Call, work: (change: Change) => Promise<Outcome>): Promise<Outcome> {
  const { service } = call;
  const { tenant } = call.caller;
  const record = async (change: Change): Promise<Outcome> => {
    if (!(await change.claim(call.proof.used))) throw replayed();
    if (!(await change.use(windowUse(service, call.limits, call.caller.principal)))) throw rateLimited(service);
    return { ...(await work(change)), recorded: true };
  };
  const changed = service.admission.change(tenant, () => service.changes.run(tenant, record), call.signal);
  return changed.finally(() => service.keys.reset(tenant));
}

function keyWork({ service, actor, headers }: Call, change: Change): KeyWork {
  const expected = headers.get('if-match');
  return {
    change,
    actor,
    materials: service.materials,
    now: seconds(service.clock),
    assertRevision: ({ revision }) => {
      if (expected === null || expected === '*' || expected === `"${revision}"`) return;
      throw new Problem('precondition-failed', `The revision is ${revision}`, { revision });
    },
  };
}

export function replayed(): Problem {
  return notAuthenticated('proof-replayed', 'The proof was used before');
}

interface Idempotency {
  readonly id: string;
  readonly bodyHash: string;
}

function readIdempotencyKey(
  { headers, caller }: Call,
  operation: string,
  content: Uint8Array,
): Idempotency | undefined {
  const key = headers.get('idempotency-key');
  if (key === null || (operation !== 'create-key' && operation !== 'import-key')) return undefined;
  if (!idempotencyPattern.test(key)) {
    throw new Problem('malformed-request', 'The Idempotency-Key must be 1 to 64 characters A-Z a-z 0-9 - _');
  }
  const owner = JSON.stringify([caller.tenant, caller.principal, operation, key]);
  return { id: encodeBase64url(sha256(encodeUtf8(owner))), bodyHash: encodeBase64url(sha256(content)) };
}

async function findAnswer(change: Change, { id, bodyHash }: Idempotency) {
  const answer = await change.findAnswer(id);
  if (!answer) return undefined;
  if (answer.bodyHash !== bodyHash) throw new Problem('idempotency-conflict');
  return { status: answer.status, body: JSON.parse(answer.body) as unknown };
}

async function saveAnswer(
  { service }: Call,
  change: Change,
  { id, bodyHash }: Idempotency,
  status: number,
  body: unknown,
): Promise<void> {
  await change.putAnswer(id, { bodyHash, status, body: JSON.stringify(body) }, seconds(service.clock) + answerSeconds);
}

/** The leaf of a change that a caller made. */
export function changeEntry(
  { service, caller, proof }: Call,
  what: Pick<EntryFields, 'operation' | 'status' | 'key' | 'change'>,
) {
  const { tenant, principal, proofKey } = caller;
  const who = { time: service.clock(), tenant, principal, proofKey, request: proof.requestId };
  return encodeEntry({ ...who, ...what });
}
