/** Creating, reading and changing keys, `docs/key-service.md` §7. */

import type * as z from 'zod';
import { hmacSha256, sha384 } from '../crypto/digest.ts';
import { Problem } from '../errors.ts';
import {
  approveDeletion,
  assertRotatable,
  cancelDeletion,
  createKeyId,
  disable,
  enable,
  markCompromised,
  raiseFloor,
  rotate,
  scheduleDeletion,
} from '../keys/changes.ts';
import { describeKey } from '../keys/describe.ts';
import type { KeyRecord } from '../keys/model.ts';
import { type Bytes, concat, decodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { encodeKeyContext } from '../lib/key-context.ts';
import type { KeyAction } from '../policies/authorizer.ts';
import type { Change } from '../store/store.ts';
import { validate } from './body.ts';
import { type Call, type Endpoint, endpoint, type Outcome } from './endpoint.ts';
import { keyForChange, recordedChange } from './recorded-change.ts';
import {
  approvalBody,
  createKeyBody,
  deletionBody,
  emptyBody,
  floorBody,
  importKeyBody,
  keyListResponse,
  keyResponse,
  listQuery,
  optionalVersionBody,
  rotateBody,
  rotationPolicy,
  versionBody,
} from './schemas.ts';

type NewKey = z.infer<typeof createKeyBody>;

const create = endpoint<NewKey>({
  method: 'POST',
  path: '/v1/keys',
  operation: 'create-key',
  summary: 'Creates a key',
  body: createKeyBody,
  headers: ['Idempotency-Key'],
  response: keyResponse,
  status: 201,
  run: (call) => runCreate(call, 'create-key', undefined),
});

const importKey = endpoint<z.infer<typeof importKeyBody>>({
  method: 'POST',
  path: '/v1/keys/import',
  operation: 'import-key',
  summary: 'Creates a key from 32 bytes of key material',
  body: importKeyBody,
  headers: ['Idempotency-Key'],
  response: keyResponse,
  status: 201,
  needsTransport: true,
  run: async (call) => {
    if (!call.service.authorizer.allowsService(call.caller, 'import-key')) throw new Problem('not-allowed');
    const [salt, sealed] = [decodeBase64url(call.body.salt), decodeBase64url(call.body.sealed_key)];
    if (!salt || !sealed)
      throw new Problem('malformed-request', 'salt or sealed_key is not base64url in its canonical form');
    const symmetric = call.session?.opener(salt)(0, sha384(encodeKeyContext({})), sealed);
    if (symmetric?.byteLength !== 32) throw new Problem('transport-failed');
    return runCreate(call, 'import-key', symmetric).finally(() => symmetric.fill(0));
  },
});

const list = endpoint({
  method: 'GET',
  path: '/v1/keys',
  operation: 'list-keys',
  summary: 'Lists the keys of the tenant',
  query: listQuery,
  response: keyListResponse,
  status: 200,
  reads: true,
  async run({ service, caller, query }) {
    if (!service.authorizer.allowsService(caller, 'list-keys')) throw new Problem('not-allowed');
    const { after = '', limit = '100' } = validate(query, listQuery);
    const keys = await service.store.listKeys(caller.tenant, after, Number(limit));
    const next = keys.length === Number(limit) ? (keys.at(-1)?.id ?? null) : null;
    return { status: 200, body: { keys: keys.map(describeKey), next } };
  },
});

const describe = endpoint({
  method: 'GET',
  path: '/v1/keys/{key}',
  operation: 'describe-key',
  summary: 'Describes a key',
  response: keyResponse,
  status: 200,
  reads: true,
  async run({ service, caller, parameters }) {
    const key = await service.store.findKey(caller.tenant, parameters['key'] ?? '');
    if (!key || !service.authorizer.allowsKey(caller, 'describe-key', key)) throw new Problem('not-allowed');
    return { status: 200, body: describeKey(key), headers: { ETag: `"${key.revision}"` }, key: key.id };
  },
});

const rotateKey = endpoint<z.infer<typeof rotateBody>>({
  ...change('rotate', 'rotate-key', 'Makes a new active version', rotateBody),
  run: (call) =>
    recordedChange(call, fields(call, 'rotate-key'), async (change) => {
      const key = await keyForChange(call, change, 'rotate-key');
      assertRotatable(key, call.body.from_version);
      return change.putKey(await rotated(call, key));
    }),
});

const compromise = endpoint<z.infer<typeof versionBody>>({
  ...change('mark-compromised', 'mark-compromised', 'Ends the use of a version, except for rewrapping', versionBody),
  run: (call) =>
    recordedChange(call, fields(call, 'mark-compromised'), async (change) => {
      const { version } = call.body;
      const key = await keyForChange(call, change, 'mark-compromised');
      const active = version === key.newest && key.versions[version - 1]?.state === 'active';
      return change.putKey(markCompromised(active ? await rotated(call, key) : key, version));
    }),
});

const schedule = endpoint<z.infer<typeof deletionBody>>({
  ...change('schedule-deletion', 'schedule-deletion', 'Asks for a deletion', deletionBody),
  run: (call) =>
    recordedChange(call, fields(call, 'schedule-deletion'), async (change) => {
      const key = await keyForChange(call, change, 'schedule-deletion');
      const { version, days } = call.body;
      const now = seconds(call.service.clock);
      return change.putKey(scheduleDeletion(key, { version, days, by: call.caller, now }));
    }),
});

const approve = endpoint<z.infer<typeof approvalBody>>({
  ...change('approve-deletion', 'approve-deletion', 'Approves a deletion that another person asked for', approvalBody),
  run: (call) =>
    recordedChange(call, fields(call, 'approve-deletion'), async (change) => {
      const key = await keyForChange(call, change, 'approve-deletion');
      return change.putKey(approveDeletion(key, call.body, call.caller, seconds(call.service.clock)));
    }),
});

/** All endpoints under `/v1/keys` but the data plane. `/v1/keys/import` stands before the paths with a key. */
export const keyEndpoints: readonly Endpoint[] = [
  create,
  importKey,
  list,
  describe,
  rotateKey,
  simple('disable', 'disable-key', 'Disables a key or a version', optionalVersionBody, (key, body) =>
    disable(key, body.version),
  ),
  simple('enable', 'enable-key', 'Enables a key or a version', optionalVersionBody, (key, body) =>
    enable(key, body.version),
  ),
  compromise,
  simple('raise-floor', 'raise-floor', 'Raises the lowest version that may unwrap', floorBody, (key, body) =>
    raiseFloor(key, body.floor),
  ),
  simple(
    'rotation-policy',
    'set-rotation-policy',
    'Sets when the service rotates; a member that is absent becomes null, no limit',
    rotationPolicy,
    withRotation,
  ),
  schedule,
  approve,
  simple('cancel-deletion', 'cancel-deletion', 'Takes a deletion back', emptyBody, (key) => cancelDeletion(key)),
];

function change<B>(verb: string, operation: string, summary: string, body: z.ZodType<B>) {
  return {
    method: 'POST',
    path: `/v1/keys/{key}/${verb}`,
    operation,
    summary,
    body,
    headers: ['If-Match'],
    response: keyResponse,
    status: 200,
  } as const;
}

function simple<B extends object>(
  verb: string,
  action: KeyAction,
  summary: string,
  schema: z.ZodType<B>,
  work: (key: KeyRecord, body: B) => KeyRecord,
): Endpoint {
  return endpoint<B>({
    ...change(verb, action, summary, schema),
    run: (call) =>
      recordedChange(call, fields(call, action), async (transaction) => {
        return transaction.putKey(work(await keyForChange(call, transaction, action), call.body));
      }),
  });
}

async function runCreate(
  call: Call<NewKey>,
  operation: 'create-key' | 'import-key',
  symmetric?: Bytes,
): Promise<Outcome> {
  const { service, caller, body } = call;
  if (!service.authorizer.allowsService(caller, operation)) throw new Problem('not-allowed');
  const { alias, rotation } = body;
  const asked = { alias: alias ?? null, rotation: rotation ?? null };
  const content = symmetric && importContent(call, symmetric);
  const fields = { operation, status: 201, change: asked, ...(content ? { content } : {}) };
  return recordedChange(call, fields, async (change) => {
    if (alias !== undefined) await assertFree(call, change, alias);
    const now = seconds(service.clock);
    const owner = { id: createKeyId(), tenant: caller.tenant };
    const first = await service.materials.create(owner, 1, now, symmetric);
    return change.putKey({
      ...owner,
      description: body.description ?? '',
      disabled: false,
      newest: 1,
      floor: 1,
      created: now,
      revision: 0,
      maxAgeDays: rotation?.max_age_days ?? null,
      maxUses: rotation?.max_uses ?? null,
      deletion: null,
      origin: symmetric ? 'imported' : 'generated',
      importedBy: symmetric ? caller.identity : null,
      aliases: alias === undefined ? [] : [alias],
      versions: [first],
    });
  });
}

// A retry seals the same material anew: what makes two imports the same is the material, known here by a MAC.
function importContent({ service, body }: Call<NewKey>, symmetric: Bytes): Bytes {
  const { alias, description, rotation } = body;
  const mac = hmacSha256(service.secrets.contextMac, symmetric);
  return concat(encodeUtf8(JSON.stringify([alias, description, rotation])), mac);
}

// A name that another key had before may be in programs: who gives it to a new key directs them there.
async function assertFree({ service, caller }: Call, change: Change, alias: string): Promise<void> {
  if (await change.findKey(caller.tenant, `alias:${alias}`)) throw new Problem('alias-taken');
  const former = await change.formerHolder(caller.tenant, alias);
  const holder = former && (await change.findKey(caller.tenant, former));
  if (holder && !service.authorizer.allowsKey(caller, 'move-alias', holder)) throw new Problem('not-allowed');
}

async function rotated({ service }: Call, key: KeyRecord): Promise<KeyRecord> {
  const next = await service.materials.create(key, key.newest + 1, seconds(service.clock));
  return rotate(key, key.newest, next);
}

function withRotation(key: KeyRecord, body: z.infer<typeof rotationPolicy>): KeyRecord {
  return { ...key, maxAgeDays: body.max_age_days ?? null, maxUses: body.max_uses ?? null };
}

function fields(call: Call, operation: string) {
  return { operation, change: call.body as Readonly<Record<string, unknown>> };
}
