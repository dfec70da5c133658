/** Decides by Cedar policies who may do what with which key; deny by default. */

import { randomUUID } from 'node:crypto';
import { preparsePolicySet, preparseSchema, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { Caller } from '../auth/caller.ts';
import { OperatorError } from '../errors.ts';
import type { KeyContext } from '../lib/key-context.ts';
import { LruMap } from '../lib/lru.ts';
import type { KeyOrigin } from '../model/keys.ts';
import { loadPolicies, policySchema } from './policy-set.ts';

/** What can be done with a key and a key context. */
export type DataAction =
  | 'generate-data-key'
  | 'generate-data-key-without-plaintext'
  | 'wrap'
  | 'unwrap'
  | 'rewrap-from'
  | 'rewrap-to'
  | 'rewrap-to-other-key'
  | 'rewrap-compromised'
  | 'revoke-data-key';

/** What can be done with a key. */
export type KeyAction =
  | 'describe-key'
  | 'read-public-key'
  | 'rotate-key'
  | 'disable-key'
  | 'enable-key'
  | 'mark-compromised'
  | 'raise-floor'
  | 'set-rotation-policy'
  | 'schedule-deletion'
  | 'approve-deletion'
  | 'cancel-deletion'
  | 'set-alias'
  | 'move-alias'
  | 'remove-alias';

/** What can be done with the service. */
export type ServiceAction =
  | 'create-key'
  | 'import-key'
  | 'list-keys'
  | 'read-audit'
  | 'read-metrics'
  | 'describe-revocation'
  | 'undo-revocation'
  | 'approve-revocation';

/** What a policy sees of a key. */
export interface KeyResource {
  readonly id: string;
  readonly tenant: string;
  readonly aliases: readonly string[];
  readonly origin: KeyOrigin;
  readonly importedBy: string | null;
}

const namespace = 'Bulla';
const service = { type: `${namespace}::Service`, id: 'service' };
const contextUid = { type: `${namespace}::KeyContext`, id: 'request' };

// Characters of a question whose answer is kept: key contexts may be large, and callers may send ever new ones.
const maxRemembered = 2048;

export class Authorizer {
  readonly #policySet = randomUUID();
  // Decisions depend on nothing but their inputs: the policies of a process never change.
  readonly #decisions = new LruMap<string, boolean>(20_000);

  /** Over the text of a policy file. Throws `OperatorError`. */
  constructor(policies: string) {
    const parsed = preparsePolicySet(this.#policySet, { staticPolicies: loadPolicies(policies) });
    if (parsed.type === 'failure') throw new OperatorError('The policies do not parse');
    const schema = preparseSchema(this.#policySet, policySchema);
    if (schema.type === 'failure') throw new OperatorError('The schema of the policies does not parse');
  }

  /** Whether the caller may use the key in this key context. */
  allowsData(caller: Caller, action: DataAction, key: KeyResource, keyContext: KeyContext): boolean {
    const entities = [keyEntity(key), { uid: contextUid, attrs: {}, parents: [], tags: keyContext }];
    const resource = { type: `${namespace}::Key`, id: key.id };
    return this.#decide(caller, action, resource, { keyContext: { __entity: contextUid } }, entities);
  }

  /** Whether the caller may do this with the key. */
  allowsKey(caller: Caller, action: KeyAction, key: KeyResource): boolean {
    return this.#decide(caller, action, { type: `${namespace}::Key`, id: key.id }, {}, [keyEntity(key)]);
  }

  /** Whether the caller may do this with the service. */
  allowsService(caller: Caller, action: ServiceAction): boolean {
    return this.#decide(caller, action, service, {}, [{ uid: service, attrs: {}, parents: [] }]);
  }

  #decide(caller: Caller, action: string, resource: Uid, context: Context, others: readonly Entity[]): boolean {
    const { principal, identity, tenant, issuer, subject, roles } = caller;
    const question = JSON.stringify([principal, identity, tenant, roles, action, resource.id, others]);
    const known = this.#decisions.get(question);
    if (known !== undefined) return known;
    const uid = { type: `${namespace}::Principal`, id: principal };
    const parents = roles.map((role) => ({ type: `${namespace}::Role`, id: role }));
    const entities = [{ uid, attrs: { tenant, issuer, subject, identity }, parents }, ...others];
    const answer = statefulIsAuthorized({
      principal: uid,
      action: { type: `${namespace}::Action`, id: action },
      resource,
      context,
      preparsedSchemaName: this.#policySet,
      validateRequest: true,
      preparsedPolicySetId: this.#policySet,
      entities,
    });
    // A policy that fails to evaluate must not open anything: one that would forbid may be among them.
    const { decision, diagnostics } = answer.type === 'success' ? answer.response : denied;
    const allowed = decision === 'allow' && diagnostics.errors.length === 0;
    if (question.length <= maxRemembered) this.#decisions.set(question, allowed);
    return allowed;
  }
}

type Uid = { readonly type: string; readonly id: string };
type Context = Parameters<typeof statefulIsAuthorized>[0]['context'];
type Entity = Parameters<typeof statefulIsAuthorized>[0]['entities'][number];

const denied = { decision: 'deny', diagnostics: { errors: [] } } as const;

function keyEntity({ id, tenant, aliases, origin, importedBy }: KeyResource): Entity {
  const attrs = { tenant, aliases: [...aliases], origin, ...(importedBy === null ? {} : { importedBy }) };
  return { uid: { type: `${namespace}::Key`, id }, attrs, parents: [] };
}
