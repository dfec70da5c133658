/** Commands on the database itself, on a machine whose clock is wrong: the clock of the database decides; `docs/key-service.md` §11.9. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { openStore } from '../../src/open-store.ts';
import { generateRootKey } from '../../src/seals/sources.ts';
import { newDatabase } from '../support/harness.ts';
import { createTestIssuer, issuerConfig } from '../support/issuer.ts';
import { withSql } from '../support/tamper.ts';

afterEach(() => vi.restoreAllMocks());

it('§11.9 their leaves have the time of the database', async () => {
  const database = await newDatabase('postgres');
  const file = join(database.folder, 'config.json');
  const config = {
    ...{ service_id: 'bulla-test', external_url: 'http://127.0.0.1:1', listen: { port: 0 } },
    ...{ store: database.config, root_key: { file: 'root.key' }, log_level: 'silent' },
    issuers: [issuerConfig((await createTestIssuer()).jwk)],
  };
  writeFileSync(file, JSON.stringify(config));
  writeFileSync(join(database.folder, 'root.key'), generateRootKey(), { mode: 0o600 });
  const began = Date.now();
  vi.spyOn(Date, 'now').mockImplementation(() => began + 400 * 86_400_000);
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  const run = (...args: string[]) => main([...args, '--config', file]);
  await run('init');
  await run('tenants', 'create', '--tenant', 'west');
  await run('keys', 'create', '--tenant', 'north');
  await run('tenants', 'close', '--tenant', 'west', '--days', '7');
  await run('identity', 'rotate');
  expect(process.exitCode ?? 0).toBe(0);
  const store = openStore({ store: database.config });
  const logs = ['', 'north', 'west'].map((log) => store.entries(log, 0, 100));
  const leaves = (await Promise.all(logs)).flat();
  const entries = leaves.map(({ entry }) => JSON.parse(Buffer.from(entry).toString()));
  const operations = entries.map(({ operation }) => operation);
  for (const operation of [
    'create-tenant',
    'publish',
    'rotate-identity',
    'begin-log',
    'create-key',
    'ask-close-tenant',
  ]) {
    expect(operations).toContain(operation);
  }
  for (const { operation, time } of entries) expect(time - began, operation).toBeLessThan(86_400_000);
  const closing = await withSql(database, (sql) => sql("select record from tenant_records where tenant = 'west'"));
  const { requested } = JSON.parse(String(closing[0]?.['record'])).closing;
  expect(requested * 1000 - began).toBeLessThan(86_400_000);
  await store.close();
  await database.remove();
});
