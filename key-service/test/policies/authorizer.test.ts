/** Decisions: deny by default, guards that no policy lifts, policies that fail; `docs/key-service.md` §12.3. */

import { describe, expect, it } from 'vitest';
import type { Caller } from '../../src/auth/caller.ts';
import { roles as shipped } from '../../src/auth/caller.ts';
import {
  Authorizer,
  type DataAction,
  type KeyAction,
  type KeyResource,
  type ServiceAction,
} from '../../src/policies/authorizer.ts';
import { policySchema, shippedRoles } from '../../src/policies/policy-set.ts';

const key: KeyResource = { id: 'key-a', tenant: 'north', aliases: [], origin: 'generated', importedBy: null };
const caller = (roles: readonly string[], change: Partial<Caller> = {}): Caller => {
  const who = { issuer: 'https://i', subject: 'alice', tenant: 'north', roles, proofKey: 'x', ...change };
  const principal = `${who.issuer}|${who.subject}`;
  return { principal, identity: principal, ...who };
};
const all = 'permit (principal, action, resource);';

/** Every action of the schema, and on what it is. */
const actions = [
  ...policySchema.matchAll(
    /action ((?:"[a-z-]+",?\s*)+)\s*appliesTo \{ principal: \[Principal\], resource: \[(\w+)\], context: \{(.*?)\} \}/g,
  ),
].flatMap(([, names = '', resource, context]) =>
  [...names.matchAll(/"([a-z-]+)"/g)].map(([, name = '']) => ({
    name,
    kind: resource === 'Service' ? 'service' : context?.trim() === '' ? 'key' : 'data',
  })),
);
const decide = (
  authorizer: Authorizer,
  who: Caller,
  { name, kind }: (typeof actions)[number],
  target = key,
): boolean => {
  if (kind === 'service') return authorizer.allowsService(who, name as ServiceAction);
  if (kind === 'key') return authorizer.allowsKey(who, name as KeyAction, target);
  return authorizer.allowsData(who, name as DataAction, target, {});
};
const allowed = (policies: string, who: Caller, target = key): string[] => {
  const authorizer = new Authorizer(policies);
  return actions.filter((action) => decide(authorizer, who, action, target)).map(({ name }) => name);
};

describe('deny by default', () => {
  it('there are 31 actions; without a policy or a role none is allowed', () => {
    expect(actions).toHaveLength(31);
    expect(allowed('', caller([...shipped]))).toEqual([]);
    expect(allowed(shippedRoles, caller([]))).toEqual([]);
    expect(allowed(shippedRoles, caller(['x-own', 'Encryptor', 'encryptor ']))).toEqual([]);
  });

  it('no shipped role allows what another is for; nobody both administers and unwraps', () => {
    const of = (...roles: string[]) => allowed(shippedRoles, caller(roles));
    expect(of('decryptor')).toEqual(['unwrap', 'read-public-key']);
    expect(of('encryptor')).toEqual([
      'generate-data-key',
      'generate-data-key-without-plaintext',
      'wrap',
      'read-public-key',
    ]);
    expect(of('rewrapper')).toEqual(['rewrap-from', 'rewrap-to', 'rewrap-to-other-key', 'read-public-key']);
    expect(of('key-importer')).toEqual(['describe-key', 'import-key']);
    expect(of('alias-mover')).toEqual(['describe-key', 'set-alias', 'move-alias']);
    for (const action of ['import-key', 'move-alias', 'rewrap-to-other-key'])
      for (const role of ['key-administrator', 'deletion-approver']) expect(of(role)).not.toContain(action);
    expect(of('recoverer')).toEqual(['rewrap-from', 'rewrap-to', 'rewrap-compromised', 'read-public-key']);
    expect(of('deletion-approver')).toEqual(['describe-key', 'approve-deletion', 'cancel-deletion']);
    expect(of('auditor')).toEqual(['describe-key', 'read-audit', 'describe-revocation']);
    expect(of('data-key-revoker')).toEqual([
      'revoke-data-key',
      'read-public-key',
      'describe-revocation',
      'undo-revocation',
    ]);
    expect(of('revocation-approver')).toEqual(['describe-revocation', 'approve-revocation']);
    for (const role of shipped.filter((each) => each !== 'data-key-revoker')) {
      expect(of(role)).not.toContain('revoke-data-key');
      expect(of(role)).not.toContain('undo-revocation');
    }
    expect(shipped.filter((role) => of(role).includes('approve-revocation'))).toEqual(['revocation-approver']);
    expect(of('metrics-reader')).toEqual(['read-metrics']);
    expect(of('key-administrator')).not.toEqual(expect.arrayContaining(['approve-deletion']));
    for (const duty of ['key-administrator', 'deletion-approver'])
      for (const action of ['unwrap', 'generate-data-key']) expect(of(...shipped, duty)).not.toContain(action);
    for (const action of ['approve-deletion', 'approve-revocation']) expect(of(...shipped)).not.toContain(action);
  });
});

describe('guards that no policy lifts', () => {
  it('tenants stay apart, whatever is permitted', () => {
    const onService = actions.filter(({ kind }) => kind === 'service').map(({ name }) => name);
    expect(allowed(all, caller([]))).toHaveLength(31);
    expect(allowed(all, caller([], { tenant: 'south' }))).toEqual(onService);
  });

  it('who administers neither unwraps nor generates in the clear, nor approves', () => {
    const lost = (role: string) =>
      actions.map(({ name }) => name).filter((name) => !allowed(all, caller([role])).includes(name));
    expect(lost('key-administrator')).toEqual([
      ...['generate-data-key', 'unwrap', 'approve-deletion', 'move-alias', 'import-key'],
    ]);
    expect(lost('data-key-revoker')).toEqual(['approve-revocation']);
    expect(lost('deletion-approver')).toEqual(['generate-data-key', 'unwrap', 'import-key']);
    for (const role of ['alias-mover', 'rewrapper', 'recoverer']) expect(lost(role)).toEqual(['import-key']);
  });

  it('who brought the material of a key directs nothing to it, under whatever principal', () => {
    const imported = { ...key, origin: 'imported', importedBy: 'corp||alice' } as const;
    const alice = { identity: 'corp||alice' };
    const may = (who: Caller) => allowed(all, who, imported);
    const lost = (who: Caller) => actions.map(({ name }) => name).filter((name) => !may(who).includes(name));
    expect(lost(caller([], alice))).toEqual(['rewrap-to-other-key', 'set-alias', 'move-alias']);
    expect(lost(caller([], { ...alice, issuer: 'https://j' }))).toEqual([
      ...['rewrap-to-other-key', 'set-alias', 'move-alias'],
    ]);
    expect(lost(caller([], { identity: 'corp||bob' }))).toEqual([]);
    expect(allowed(all, caller([], alice))).toHaveLength(31);
  });

  it('a key context named tenant is only the caller’s', () => {
    const authorizer = new Authorizer(all);
    const may = (context: Record<string, string>) => authorizer.allowsData(caller([]), 'unwrap', key, context);
    expect([may({ tenant: 'north' }), may({ tenant: 'south' }), may({ tenant: '' }), may({ Tenant: 'south' })]).toEqual(
      [...[true, false, false, true]],
    );
  });
});

describe('a policy', () => {
  it('that fails to evaluate opens nothing: it may be one that forbids', () => {
    // An overflow is what the check of a file does not see.
    const authorizer = new Authorizer(`${all}
      forbid (principal, action == Bulla::Action::"unwrap", resource)
        when { context.keyContext.hasTag("n") && 9223372036854775807 + 1 > 0 };`);
    const may = (context: Record<string, string>) => authorizer.allowsData(caller([]), 'unwrap', key, context);
    expect([may({}), may({ n: '' }), may({ m: '' })]).toEqual([true, false, true]);
  });

  it('decides again for another issuer, subject, tenant, role, alias or key context', () => {
    const authorizer = new Authorizer(`permit (principal, action, resource is Bulla::Key)
      when { principal.issuer == "https://i" && principal.subject == "alice" && resource.aliases.contains("orders") };`);
    const may = (who: Caller, aliases: string[] = ['orders']) =>
      authorizer.allowsKey(who, 'describe-key', { ...key, aliases });
    expect(may(caller([]))).toBe(true);
    expect(may(caller([], { issuer: 'https://j' }))).toBe(false);
    expect(may(caller([], { subject: 'bob' }))).toBe(false);
    expect(may(caller([]), [])).toBe(false);
    expect(may(caller([]))).toBe(true);
  });
});
