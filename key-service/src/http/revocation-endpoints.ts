/** Revoking data keys, `docs/key-service.md` §7.7. */

import type * as z from 'zod';
import { Problem } from '../errors.ts';
import { seconds } from '../lib/clock.ts';
import { describeRevocation } from '../model/describe-revocation.ts';
import { revocationIdPattern } from '../model/references.ts';
import type { RevocationRecord } from '../model/revocations.ts';
import type { UnwrapItem } from '../operations/data-keys/requests.ts';
import {
  approve,
  approveEnd,
  askForRevocation,
  findRevocation,
  listRevocations,
  type RevocationWork,
  undo,
} from '../operations/revocations/revoke.ts';
import { openTombstones } from '../operations/revocations/tombstones.ts';
import { decodeField, validate } from './body.ts';
import { type Call, type Endpoint, endpoint, type Outcome } from './endpoint.ts';
import { changeEntry, recorded } from './recorded-change.ts';
import {
  emptyBody,
  revocationApprovalBody,
  revocationBody,
  revocationListQuery,
  revocationListResponse,
  revocationResponse,
} from './schemas.ts';

type Asked = z.infer<typeof revocationBody>;

const ask = endpoint<Asked>({
  method: 'POST',
  path: '/v1/revocations',
  operation: 'revoke-data-key',
  summary: 'Asks for data keys to be refused for ever',
  body: revocationBody,
  response: revocationResponse,
  status: 200,
  async run(call) {
    const { service, actor } = call;
    const view = await service.keys.view(actor.tenant);
    const items = call.body.items.map(itemOf);
    await view.prefetch(items.map(({ key }) => key));
    const opened = await openTombstones(
      {
        serviceId: service.config.service_id,
        ...{ actor, view, materials: service.materials },
        turn: service.admission.slices.of(actor.tenant),
      },
      items,
    );
    return recordedRevocation(call, 'revoke-data-key', (work) => askForRevocation(work, opened));
  },
});

const list = endpoint({
  method: 'GET',
  path: '/v1/revocations',
  operation: 'list-revocations',
  summary: 'Lists the revocations of the tenant',
  query: revocationListQuery,
  response: revocationListResponse,
  status: 200,
  reads: true,
  async run({ service, actor, query }) {
    const { limit = '100', ...asked } = validate(query, revocationListQuery);
    const { revocations, next } = await listRevocations(service.store, actor, { ...asked, limit: Number(limit) });
    return { status: 200, body: { revocations: revocations.map(describeRevocation), next } };
  },
});

const describe = endpoint({
  method: 'GET',
  path: '/v1/revocations/{id}',
  operation: 'describe-revocation',
  summary: 'Describes a revocation',
  response: revocationResponse,
  status: 200,
  reads: true,
  async run(call) {
    return { status: 200, body: describeRevocation(await findRevocation(call.service.store, call.actor, idOf(call))) };
  },
});

/** All endpoints under `/v1/revocations`. */
export const revocationEndpoints: readonly Endpoint[] = [
  ask,
  list,
  describe,
  change(
    'approve',
    'approve-revocation',
    'Approves a revocation that another person asked for',
    revocationApprovalBody,
    (work, id, { data_keys }) => approve(work, id, data_keys),
  ),
  change('undo', 'undo-revocation', 'Asks for the end of a revocation', emptyBody, (work, id) => undo(work, id)),
  change(
    'approve-undo',
    'approve-undo',
    'Approves the end of a revocation that another person asked for',
    revocationApprovalBody,
    (work, id, { data_keys }) => approveEnd(work, id, data_keys),
  ),
];

function change<B extends object>(
  verb: string,
  operation: string,
  summary: string,
  body: z.ZodType<B>,
  work: (work: RevocationWork, id: string, body: B) => Promise<RevocationRecord>,
): Endpoint {
  return endpoint<B>({
    method: 'POST',
    path: `/v1/revocations/{id}/${verb}`,
    operation,
    summary,
    body,
    response: revocationResponse,
    status: 200,
    run: (call) => recordedRevocation(call, operation, (parts) => work(parts, idOf(call), call.body)),
  });
}

/** Runs an operation under the lock, records it, and answers with the revocation that it gives. */
function recordedRevocation(
  call: Call,
  operation: string,
  run: (work: RevocationWork) => Promise<RevocationRecord>,
): Promise<Outcome> {
  const { service, actor } = call;
  return recorded(call, async (transaction) => {
    const perDay = call.limits.revokedDataKeysPerDay;
    const record = await run({ change: transaction, actor, now: seconds(service.clock), perDay });
    const { id: revocation, tombstones } = record;
    const about = { revocation, data_keys: tombstones.length, tombstones };
    transaction.append(changeEntry(call, { operation, status: 200, change: about }));
    return { status: 200, body: describeRevocation(record) };
  });
}

function itemOf(
  { key, key_context = {}, version, wrapped_key, method = 'service' }: Asked['items'][number],
  index: number,
): UnwrapItem {
  const wrapped = decodeField(wrapped_key, `items.${index}.wrapped_key`);
  return { key, key_context, version, wrapped_key: wrapped, method };
}

// What has no such form is nobody's, and may be no text for a database.
function idOf({ parameters }: Call): string {
  const id = parameters['id'] ?? '';
  if (!revocationIdPattern.test(id)) throw new Problem('not-allowed');
  return id;
}
