/** Databases and backups of schema 1, as that version of the service wrote them, on both stores; `docs/key-service.md` §12.1. */

import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IntegrityError, OperatorError } from '../../src/errors.ts';
import { openStore } from '../../src/open-store.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { openerOf, openSecrets } from '../../src/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { type FixtureRow, fillAs, tableRowsOf } from '../support/fixtures.ts';
import { newDatabase, startHarness, storeKinds, type TestDatabase, userRoles } from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';

interface Fixture {
  readonly keys: { readonly [K in 'orders' | 'imported' | 'asked' | 'approved']: string };
  readonly wrapped: { readonly wrapped_key: string };
  readonly rows: readonly FixtureRow[];
}

const file = new URL('fixtures/schema-1.json', import.meta.url);
const { keys, wrapped, rows } = JSON.parse(readFileSync(file, 'utf8')) as Fixture;
const rootKey = softwareRootKey(new Uint8Array(32).fill(7));
const open = openerOf(rootKey);

const tableRows = tableRowsOf(rows);

/** The database as the first version left it. */
const fill = (database: TestDatabase) => fillAs(1, database, tableRows);

describe.each(storeKinds)('§12.1 a database of schema 1 on %s', (kind) => {
  let database: TestDatabase;
  let store: Store;

  beforeEach(async () => {
    database = await newDatabase(kind);
    store = openStore({ store: database.config });
  });
  afterEach(async () => {
    await store.close();
    await database.remove();
  });

  const expectRenewed = async (): Promise<void> => {
    await openSecrets(store, rootKey);
    await store.verifyKeys();
    const find = (id: string) => store.findKey('north', id);
    expect(await find('alias:orders')).toMatchObject({ id: keys.orders, newest: 2, origin: 'generated' });
    const importer = expect.stringContaining('|alice');
    expect(await find('alias:brought')).toMatchObject({ id: keys.imported, origin: 'imported', importedBy: importer });
    // Nobody had approved it, and who asked was a principal and no person.
    expect((await find(keys.asked))?.deletion).toBeNull();
    const { deletion, versions } = (await find(keys.approved)) ?? {};
    expect(deletion).toMatchObject({ days: 30, approvedBy: expect.stringContaining('|bob') });
    expect(versions?.[0]?.state).toBe('destroy-scheduled');
  };

  it('is taken along: keys verify, say where they come from, and unwrap', async () => {
    await fill(database);
    await store.migrate(open);
    await expectRenewed();
    const harness = await startHarness({ kind, database, rootKey });
    const user = await harness.client(userRoles);
    const item = { version: 1, key_context: { purpose: 'orders' }, wrapped_key: wrapped.wrapped_key };
    const reply = await user.call('POST', `/v1/keys/${keys.orders}/unwrap`, { items: [item] });
    expect(reply.body.results[0]).toMatchObject({ newest_version: 2, sealed_key: expect.any(String) });
    await harness.stop();
  });

  it('stays as it is without the root key, and with another one', async () => {
    await fill(database);
    await expect(store.migrate()).rejects.toThrow(OperatorError);
    const other = openerOf(softwareRootKey(new Uint8Array(32).fill(8)));
    await expect(store.migrate(other)).rejects.toThrow(IntegrityError);
    await expect(store.assertMigrated()).rejects.toThrow(/schema 1,/);
    await store.migrate(open);
    await expectRenewed();
  });

  it.each([
    ['a key that somebody changed', `update keys set floor = 0 where id = '${keys.orders}'`],
    ['a version that somebody revived', `update key_versions set state = 'active' where key_id = '${keys.approved}'`],
    ['a state that somebody changed', 'update state set revisions = revisions + 1'],
    ['a key that is gone', `delete from keys where id = '${keys.asked}'`],
  ])('stays as it is with %s', async (_, statement) => {
    await fill(database);
    await withSql(database, async (sql) => void (await sql(statement)));
    await expect(store.migrate(open)).rejects.toThrow(IntegrityError);
    await expect(store.assertMigrated()).rejects.toThrow(/schema 1,/);
  });

  it('is restored from its backup', async () => {
    await store.migrate(open);
    const backup = async function* () {
      yield* tableRows;
    };
    await expect(store.load(backup())).rejects.toThrow(OperatorError);
    await store.load(backup(), open);
    await expectRenewed();
  });
});
