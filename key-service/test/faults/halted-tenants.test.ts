/** A tenant whose rows or log are not to be trusted when a replica starts, on both stores: it is halted, and no other; `docs/key-service.md` §11.5. */

import { afterEach, describe, expect, it } from 'vitest';
import { adminRoles, type Harness, newDatabase, startHarness, storeKinds, userRoles } from '../support/harness.ts';
import { type Sql, withSql } from '../support/tamper.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

const edits: [string, (sql: Sql, key: string) => Promise<unknown>][] = [
  ['a key that somebody changed', (sql, key) => sql('update keys set floor = 7 where id = ?', key)],
  ['a key that cannot be decoded', (sql, key) => sql("update keys set deletion = '{' where id = ?", key)],
  ['a key that is gone', (sql, key) => sql('delete from keys where id = ?', key)],
  ['a key given to another tenant', (sql, key) => sql("update keys set tenant = 'nobody' where id = ?", key)],
  ['a state that somebody changed', (sql) => sql("update states set epoch = epoch + 1 where tenant = 'north'")],
  ['a state that is gone', (sql) => sql("delete from states where tenant = 'north'")],
  [
    'a log that was cut',
    async (sql) => {
      const [first] = await sql("select hash from log_leaves where log = 'north' and idx = 0");
      await sql("delete from log_leaves where log = 'north' and idx > 0");
      await sql("update states set size = 1, frontier = ? where tenant = 'north'", first?.['hash'] as Uint8Array);
    },
  ],
];

describe.each(storeKinds)('§11.5 %s', (kind) => {
  const generate = async (harness: Harness, tenant: string, key: string): Promise<string> => {
    const user = await harness.client(userRoles, { tenant });
    const { status, body } = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    return body.code ?? body.results[0].problem?.code ?? String(status);
  };

  it.each(edits)('%s: its tenant is halted, and no other', async (_, edit) => {
    const database = await newDatabase(kind);
    cleanUp.push(() => database.remove());
    const first = await startHarness({ database });
    const keys = new Map<string, string>();
    for (const tenant of ['north', 'south']) {
      const admin = await first.client(adminRoles, { tenant });
      keys.set(tenant, (await admin.call('POST', '/v1/keys', {})).body.key_id);
    }
    const [north = '', south = ''] = [...keys.values()];
    const { rootKey, issuer } = first;
    await first.stop();
    await withSql(database, (sql) => edit(sql, north));
    const config = { operator_tenant: 'south' };
    const harness = await startHarness({ database, rootKey, issuer, config });
    cleanUp.push(() => harness.stop());
    expect(harness.logs.join('')).toMatch(/"tenant":"north".*the tenant is halted/);

    expect(await generate(harness, 'north', north)).toBe('unavailable');
    const halted = await harness.client(adminRoles);
    expect((await halted.call('POST', '/v1/keys', {})).status).toBe(503);
    expect((await halted.call('GET', '/v1/audit/checkpoint')).status).toBe(503);
    const leaves = () => withSql(database, (sql) => sql("select count(*) as n from log_leaves where log = 'north'"));
    const before = await leaves();
    expect((await halted.call('GET', '/v1/caller')).status).toBe(503);
    expect(await leaves()).toEqual(before);

    expect((await fetch(`${harness.url}/readyz`)).status).toBe(200);
    expect(await generate(harness, 'south', south)).toBe('200');
    const admin = await harness.client(adminRoles, { tenant: 'south' });
    expect((await admin.call('POST', '/v1/keys', {})).status).toBe(201);
    expect([...(await harness.service.changes.publish()).keys()]).toContain('north');
    const { head } = (await admin.call('GET', '/v1/audit/published')).body;
    const { size } = JSON.parse(Buffer.from(head, 'base64url').toString());
    expect(size).toBeGreaterThan(2);
  });
});
