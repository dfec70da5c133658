/** Creating, reading and changing keys, `docs/key-service.md` §7. */

import type * as z from 'zod';
import { hmacSha256, sha384 } from '../crypto/digest.ts';
import { Problem } from '../errors.ts';
import { type Bytes, concat, decodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { encodeKeyContext } from '../lib/key-context.ts';
import { describeKey } from '../model/describe.ts';
import type { KeyRecord } from '../model/keys.ts';
import { assertMay } from '../operations/actor.ts';
import { createKey } from '../operations/keys/create.ts';
import { approveKeyDeletion, askForDeletion, cancelKeyDeletion } from '../operations/keys/deletion.ts';
import { findKey, listKeys } from '../operations/keys/read.ts';
import { compromiseVersion, rotateKey } from '../operations/keys/rotate.ts';
import { disableKey, enableKey, raiseKeyFloor, setRotationPolicy } from '../operations/keys/state.ts';
import type { KeyWork } from '../operations/keys/target.ts';
import { validate } from './body.ts';
import { type Call, type Endpoint, endpoint, type Outcome } from './endpoint.ts';
import { recordedChange } from './recorded-change.ts';
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
    assertMay(call.actor, 'import-key');
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
  async run({ service, actor, query }) {
    assertMay(actor, 'list-keys');
    const { after, limit = '100' } = validate(query, listQuery);
    const { keys, next } = await listKeys(service.store, actor, { after, limit: Number(limit) });
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
  async run({ service, actor, parameters }) {
    const key = await findKey(service.store, actor, parameters['key'] ?? '');
    return { status: 200, body: describeKey(key), headers: { ETag: `"${key.revision}"` }, key: key.id };
  },
});

/** All endpoints under `/v1/keys` but the data plane. `/v1/keys/import` stands before the paths with a key. */
export const keyEndpoints: readonly Endpoint[] = [
  create,
  importKey,
  list,
  describe,
  change('rotate', 'rotate-key', 'Makes a new active version', rotateBody, (work, key, { from_version }) =>
    rotateKey(work, key, from_version),
  ),
  change('disable', 'disable-key', 'Disables a key or a version', optionalVersionBody, (work, key, { version }) =>
    disableKey(work, key, version),
  ),
  change('enable', 'enable-key', 'Enables a key or a version', optionalVersionBody, (work, key, { version }) =>
    enableKey(work, key, version),
  ),
  change(
    'mark-compromised',
    'mark-compromised',
    'Ends the use of a version, except for rewrapping',
    versionBody,
    (work, key, { version }) => compromiseVersion(work, key, version),
  ),
  change('raise-floor', 'raise-floor', 'Raises the lowest version that may unwrap', floorBody, (work, key, { floor }) =>
    raiseKeyFloor(work, key, floor),
  ),
  change(
    'rotation-policy',
    'set-rotation-policy',
    'Sets when the service rotates; a member that is absent becomes null, no limit',
    rotationPolicy,
    (work, key, asked) => setRotationPolicy(work, key, limitsOf(asked)),
  ),
  change(
    'schedule-deletion',
    'schedule-deletion',
    'Asks for a deletion',
    deletionBody,
    (work, key, { version, days }) => askForDeletion(work, key, { version, days }),
  ),
  change(
    'approve-deletion',
    'approve-deletion',
    'Approves a deletion that another person asked for',
    approvalBody,
    approveKeyDeletion,
  ),
  change('cancel-deletion', 'cancel-deletion', 'Takes a deletion back', emptyBody, cancelKeyDeletion),
];

function change<B extends object>(
  verb: string,
  operation: string,
  summary: string,
  body: z.ZodType<B>,
  work: (work: KeyWork, key: string, body: B) => Promise<KeyRecord>,
): Endpoint {
  return endpoint<B>({
    method: 'POST',
    path: `/v1/keys/{key}/${verb}`,
    operation,
    summary,
    body,
    headers: ['If-Match'],
    response: keyResponse,
    status: 200,
    run: (call) => {
      const asked = { operation, change: call.body as Readonly<Record<string, unknown>> };
      return recordedChange(call, asked, (keyWork) => work(keyWork, call.parameters['key'] ?? '', call.body));
    },
  });
}

async function runCreate(
  call: Call<NewKey>,
  operation: 'create-key' | 'import-key',
  symmetric?: Bytes,
): Promise<Outcome> {
  const { alias, description, rotation } = call.body;
  assertMay(call.actor, operation);
  const asked = { alias: alias ?? null, rotation: rotation ?? null };
  const content = symmetric && importContent(call, symmetric);
  const fields = { operation, status: 201, change: asked, ...(content ? { content } : {}) };
  return recordedChange(call, fields, (work) =>
    createKey(work, { alias, description, ...limitsOf(rotation ?? {}), symmetric }),
  );
}

// A retry seals the same material again: what makes two imports the same is the material, known here by a MAC.
function importContent({ service, body }: Call<NewKey>, symmetric: Bytes): Bytes {
  const { alias, description, rotation } = body;
  const mac = hmacSha256(service.secrets.contextMac, symmetric);
  return concat(encodeUtf8(JSON.stringify([alias, description, rotation])), mac);
}

function limitsOf({ max_age_days: maxAgeDays = null, max_uses: maxUses = null }: z.infer<typeof rotationPolicy>) {
  return { maxAgeDays, maxUses };
}
