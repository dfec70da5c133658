/** The schemas of requests and responses, which validate and document; `docs/key-service.md` §6 and §7. */

import { z } from '@hono/zod-openapi';
import { keyContextFault } from '../lib/key-context.ts';
import { maxItems, maxRevokedItems } from '../lib/limits.ts';
import { aliasNamePattern, keyIdPattern, referencePattern, revocationIdPattern } from '../model/references.ts';

const wellFormed = (text: string): boolean => text.isWellFormed();

const aliasName = z.string().regex(aliasNamePattern, 'must be 1 to 63 characters a-z 0-9 . _ -');
export const keyReference = z.string().regex(referencePattern, 'must be a key id or alias:<name>');
const base64url = (bytes: number) =>
  z
    .string()
    .length(Math.ceil((bytes * 4) / 3))
    .regex(/^[A-Za-z0-9_-]+$/, `must be base64url of ${bytes} bytes`);
// Any length that an envelope may hold: a wrapped key of a wrong one fails alone, as an unwrap, not with its whole batch.
const wrappedKey = z
  .string()
  .min(1)
  .max(10_923)
  .regex(/^[A-Za-z0-9_-]+$/, 'must be base64url')
  .openapi({ description: 'base64url of 81 bytes (service) or 145 (service-ecdh)' });
const versionNumber = z.int().min(1).max(0xffffffff);

// The object is taken as it is: a copy, as `z.record` makes one, loses a pair whose name is __proto__.
export const keyContext = z
  .custom<Record<string, string>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: 'must be an object of strings',
    abort: true,
  })
  .superRefine((context, refinement) => {
    for (const [name, value] of Object.entries(context)) {
      if (typeof value === 'string') continue;
      refinement.addIssue({ code: 'custom', path: [name], message: 'must be a string' });
      return;
    }
    const fault = keyContextFault(context);
    if (fault !== undefined) refinement.addIssue({ code: 'custom', message: `has ${fault}` });
  })
  .openapi('KeyContext', { type: 'object', additionalProperties: { type: 'string' } });

const generateItem = { key_context: keyContext.optional() };
const wrapItem = { ...generateItem, sealed_key: base64url(48) };
const unwrapItem = {
  ...generateItem,
  version: versionNumber,
  wrapped_key: wrappedKey,
  method: z.enum(['service', 'service-ecdh']).optional(),
};
const rewrapItem = {
  ...unwrapItem,
  to: z.strictObject({ key: keyReference.optional(), key_context: keyContext.optional() }).optional(),
};

/** The items of each operation, without `key`. */
export const itemShapes = {
  'generate-data-key': generateItem,
  'generate-data-key-without-plaintext': generateItem,
  wrap: wrapItem,
  unwrap: unwrapItem,
  rewrap: rewrapItem,
} as const;

export const requestSalt = base64url(32);

/** A batch of items. */
export function batch<T extends z.ZodRawShape>(shape: T) {
  return z.array(z.strictObject(shape)).min(1).max(maxItems);
}

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    check: z.string().optional(),
  })
  .openapi('Problem');

const dataResult = z
  .object({
    key_id: z.string(),
    version: z.int(),
    newest_version: z.int(),
    floor: z.int(),
    wrapped_key: z.string().optional(),
    sealed_key: z.string().optional(),
  })
  .openapi('DataResult');

export const batchResponse = z
  .object({ results: z.array(z.union([dataResult, z.object({ problem })])) })
  .openapi('BatchResponse');

const rotationMembers = {
  max_age_days: z.int().min(1).max(3650).nullable().optional(),
  max_uses: z
    .int()
    .min(1)
    .max(2 ** 40)
    .nullable()
    .optional(),
};
export const rotationPolicy = z.strictObject(rotationMembers).openapi('RotationPolicy');

const newKey = {
  alias: aliasName.optional(),
  description: z
    .string()
    .max(256)
    .refine(wellFormed, 'has an unpaired surrogate')
    .refine((text) => !/\p{Cc}/u.test(text), 'has a control character')
    .optional(),
  rotation: rotationPolicy.optional(),
};
export const createKeyBody = z.strictObject(newKey).openapi('CreateKey');
export const importKeyBody = z
  .strictObject({ ...newKey, salt: requestSalt, sealed_key: base64url(48) })
  .openapi('ImportKey');
export const rotateBody = z.strictObject({ from_version: versionNumber });
export const optionalVersionBody = z.strictObject({ version: versionNumber.optional() });
export const versionBody = z.strictObject({ version: versionNumber });
export const floorBody = z.strictObject({ floor: versionNumber });
export const deletionBody = z.strictObject({ days: z.int().min(7).max(30), version: versionNumber.optional() });
export const approvalBody = z.strictObject({ version: versionNumber.nullable(), days: z.int().min(7).max(30) });
export const revocationBody = z
  .strictObject({
    items: z
      .array(z.strictObject({ key: keyReference, ...unwrapItem }))
      .min(1)
      .max(maxRevokedItems),
  })
  .openapi('Revoke');
export const revocationApprovalBody = z.strictObject({ data_keys: z.int().min(1).max(maxRevokedItems) });
export const emptyBody = z.strictObject({});
export const aliasPath = z.object({ name: aliasName });
export const aliasBody = z.strictObject({ key: keyReference });
const pageLimit = z
  .string()
  .regex(/^([1-9]\d{0,2}|1000)$/, 'must be 1 to 1000')
  .optional();

export const listQuery = z.strictObject({
  after: z.string().regex(keyIdPattern, 'must be a key id').optional(),
  limit: pageLimit,
});

const revocationState = z.enum(['requested', 'revoked', 'undone']);

export const revocationListQuery = z.strictObject({
  after: z.string().regex(revocationIdPattern, 'must be the id of a revocation').optional(),
  limit: pageLimit,
  state: revocationState.optional(),
});

export const keyResponse = z
  .object({
    key_id: z.string(),
    tenant: z.string(),
    description: z.string(),
    state: z.enum(['enabled', 'disabled']),
    newest_version: z.int(),
    floor: z.int(),
    created: z.int(),
    revision: z.int(),
    origin: z.enum(['generated', 'imported']),
    aliases: z.array(z.string()),
    rotation: z.object({ max_age_days: z.int().nullable(), max_uses: z.int().nullable() }),
    deletion: z
      .object({
        version: z.int().nullable(),
        days: z.int(),
        requested_by: z.string(),
        requested: z.int(),
        approved_by: z.string().nullable(),
        destroy_at: z.int().nullable(),
      })
      .nullable(),
    versions: z.array(
      z.object({
        version: z.int(),
        state: z.enum(['active', 'decrypt-only', 'compromised', 'disabled', 'destroy-scheduled', 'destroyed']),
        created: z.int(),
        uses: z.int(),
      }),
    ),
  })
  .openapi('Key');
const undoResponse = z.object({
  requested_by: z.string(),
  requested: z.int(),
  approved_by: z.string().nullable(),
  undone: z.int().nullable(),
  leaf: z.int().nullable(),
});
export const revocationResponse = z
  .object({
    revocation_id: z.string(),
    tenant: z.string(),
    state: revocationState,
    data_keys: z.int(),
    tombstones: z.array(z.string()),
    keys: z.array(z.string()),
    requested_by: z.string(),
    requested: z.int(),
    approved_by: z.string().nullable(),
    revoked: z.int().nullable(),
    until: z.int().nullable(),
    leaf: z.int().nullable(),
    undo: undoResponse.nullable(),
  })
  .openapi('Revocation');
export const keyListResponse = z.object({ keys: z.array(keyResponse), next: z.string().nullable() });
export const revocationListResponse = z.object({
  revocations: z.array(revocationResponse),
  next: z.string().nullable(),
});
export const documentResponse = z.object({ document: z.string() });
export const callerResponse = z.object({ tenant: z.string(), principal: z.string(), roles: z.array(z.string()) });
export const checkpointResponse = z.object({ checkpoint: z.string() });
export const entriesResponse = z.object({
  entries: z.array(z.object({ index: z.int(), leaf_hash: z.string(), entry: z.string().optional() })),
});
export const publishedResponse = z.object({
  leaf: z.int(),
  entry: z.string(),
  slot: z.int(),
  slots: z.int(),
  head: z.string(),
  proof: z.array(z.string()),
});
export const proofResponse = z.object({ proof: z.array(z.string()) });
export const discoveryResponse = z.object({ identity: z.record(z.string(), z.string()), document: z.string() });
export const openApiDocument = z.looseObject({ openapi: z.literal('3.1.0') });
export const devUsersResponse = z.object({
  users: z.array(z.object({ user: z.string(), tenant: z.string(), roles: z.array(z.string()) })),
});
export const tokenResponse = z
  .object({
    access_token: z.string(),
    issued_token_type: z.string(),
    token_type: z.literal('DPoP'),
    expires_in: z.int(),
  })
  .openapi('Token');
export const tokenForm = z
  .strictObject({
    grant_type: z.literal('urn:ietf:params:oauth:grant-type:token-exchange'),
    subject_token: z.string().min(1),
    subject_token_type: z.enum([
      'urn:ietf:params:oauth:token-type:access_token',
      'urn:ietf:params:oauth:token-type:jwt',
    ]),
  })
  .openapi('TokenExchange');
export const devTokenBody = z.strictObject({ user: z.string().min(1).max(64) });
