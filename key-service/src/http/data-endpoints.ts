/** The endpoints of the data plane, `docs/key-service.md` §6. */

import { z } from '@hono/zod-openapi';
import { runBatch } from '../operations/data-keys/batch.ts';
import type { DataItem, DataOperation } from '../operations/data-keys/requests.ts';
import { requestView } from '../store/key-cache.ts';
import { decodeField } from './body.ts';
import { type Call, type Endpoint, endpoint, type Outcome } from './endpoint.ts';
import { batch, batchResponse, itemShapes, keyReference, requestSalt } from './schemas.ts';

interface RawItem {
  readonly key?: string;
  readonly key_context?: Record<string, string> | undefined;
  readonly version?: number;
  readonly wrapped_key?: string;
  readonly sealed_key?: string;
  readonly method?: 'service' | 'service-ecdh' | undefined;
  readonly to?:
    | { readonly key?: string | undefined; readonly key_context?: Record<string, string> | undefined }
    | undefined;
}

interface RawBatch {
  readonly items: readonly RawItem[];
  readonly salt?: string;
}

const summaries: { readonly [K in DataOperation]: string } = {
  'generate-data-key': 'Makes data keys, wrapped and sealed to the caller',
  'generate-data-key-without-plaintext': 'Makes data keys, wrapped only',
  wrap: 'Wraps data keys of the caller',
  unwrap: 'Unwraps data keys and seals them to the caller',
  rewrap: 'Re-wraps data keys, without letting them out',
};

/** Each operation for one key and over mixed keys. */
export const dataEndpoints: readonly Endpoint[] = (Object.keys(itemShapes) as DataOperation[]).flatMap((operation) => {
  const shape = itemShapes[operation];
  const salt = operation === 'wrap' ? { salt: requestSalt } : {};
  const definition = {
    method: 'POST',
    operation,
    summary: summaries[operation],
    response: batchResponse,
    status: 200,
    needsTransport: true,
    weigh: ({ items }: RawBatch) => items.length,
    run: (call: Call<RawBatch>) => run(operation, call),
  } as const;
  const typed = (schema: z.ZodType) => schema as z.ZodType<RawBatch>;
  return [
    endpoint<RawBatch>({
      ...definition,
      path: `/v1/keys/{key}/${operation}`,
      body: typed(z.strictObject({ items: batch(shape), ...salt })),
    }),
    endpoint<RawBatch>({
      ...definition,
      path: `/v1/data-keys/${operation}`,
      body: typed(z.strictObject({ items: batch({ key: keyReference, ...shape }), ...salt })),
    }),
  ];
});

async function run(operation: DataOperation, call: Call<RawBatch>): Promise<Outcome> {
  const { service, caller, session, body } = call;
  if (!session) throw new TypeError('The data plane needs a session');
  const view = requestView(await service.keys.view(caller.tenant));
  const items = decodeItems(call);
  await view.prefetch(
    items.flatMap((item) => ('to' in item && item.to?.key !== undefined ? [item.key, item.to.key] : [item.key])),
  );
  const { results, records, uses } = await runBatch(operation, items, {
    serviceId: service.config.service_id,
    caller,
    session,
    view,
    authorizer: service.authorizer,
    materials: service.materials,
    turn: service.admission.slices.of(caller.tenant),
    distrust: (error) => service.distrust.say(error, 'a key in the store is not to be trusted'),
    contextMac: service.secrets.contextMac,
    openSealed: body.salt === undefined ? undefined : session.opener(decodeField(body.salt, 'salt')),
  });
  for (const { outcome } of records) service.metrics.items.inc({ operation, outcome });
  const { epoch, resumed } = view;
  const decidedOn = { epoch, resumed, keys: view.keys(), tombstones: view.tombstones() };
  return { status: 200, body: { results }, items: records, uses, ...decidedOn };
}

function decodeItems({ body, parameters }: Call<RawBatch>): DataItem[] {
  return body.items.map(({ key, key_context = {}, wrapped_key, sealed_key, version, method, to }, index) => {
    const item = { key: key ?? parameters['key'] ?? '', key_context };
    if (sealed_key !== undefined) return { ...item, sealed_key: decodeField(sealed_key, `items.${index}.sealed_key`) };
    if (wrapped_key === undefined) return item;
    const wrapped = decodeField(wrapped_key, `items.${index}.wrapped_key`);
    const unwrap = { ...item, version: version ?? 0, wrapped_key: wrapped, method: method ?? 'service' };
    return to ? { ...unwrap, to: { key: to.key, key_context: to.key_context } } : unwrap;
  });
}
