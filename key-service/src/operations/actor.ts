/** Who carries out an operation: a caller with the permissions that policies give, or an operator on the host itself. */

import type { Caller } from '../auth/caller.ts';
import { Problem } from '../errors.ts';
import type { KeyContext } from '../lib/key-context.ts';
import type { KeyRecord } from '../model/keys.ts';
import type { Authorizer, DataAction, KeyAction, ServiceAction } from '../policies/authorizer.ts';

/** Somebody who acts for a tenant. */
export interface Actor {
  readonly tenant: string;
  /** Under which name the log and requests for deletion know them. */
  readonly principal: string;
  /** The person behind it. */
  readonly identity: string;
  /** Whether they may do this with a key of their tenant. */
  mayKey(action: KeyAction, key: KeyRecord): boolean;
  /** Whether they may do this with a key of their tenant in a key context. */
  mayData(action: DataAction, key: KeyRecord, context: KeyContext): boolean;
  /** Whether they may do this with the service. */
  mayService(action: ServiceAction): boolean;
}

/** A caller, who may do what policies say. */
export function callerActor(caller: Caller, authorizer: Authorizer): Actor {
  const { tenant, principal, identity } = caller;
  return {
    tenant,
    principal,
    identity,
    mayKey: (action, key) => authorizer.allowsKey(caller, action, key),
    mayData: (action, key, context) => authorizer.allowsData(caller, action, key, context),
    mayService: (action) => authorizer.allowsService(caller, action),
  };
}

/** An operator, who has the root key: nothing that policies could say would stop them. */
export function operatorActor(tenant: string, user: string): Actor {
  const principal = `operator|${user}`;
  return { tenant, principal, identity: principal, mayKey: () => true, mayData: () => true, mayService: () => true };
}

/** Throws a `Problem` where the actor may not do this with the service. */
export function assertMay(actor: Actor, action: ServiceAction): void {
  if (!actor.mayService(action)) throw new Problem('not-allowed');
}
