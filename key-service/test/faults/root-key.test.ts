// `root-key rotate` beside replicas that serve: refused, and what they would go on with is fenced off.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createRootKeyFile } from '../../src/seals/sources.ts';
import { newDatabase, startHarness, storeKinds } from '../support/harness.ts';
import { adminRoles, audience, createTestIssuer, issuerConfig } from '../support/issuer.ts';
import { freePort } from '../support/postgres.ts';
import { runCommand, startProcess, writeConfig } from '../support/process.ts';
import { withSql } from '../support/tamper.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

describe('§12.4 root-key rotate', () => {
  it.each(storeKinds)('%s: is refused while a replica serves, also one that was just killed', async (kind) => {
    const database = await newDatabase(kind);
    const folder = mkdtempSync(join(tmpdir(), 'bulla-rotate-'));
    cleanUp.push(
      () => rmSync(folder, { recursive: true }),
      () => database.remove(),
    );
    const [root, next] = [join(folder, 'root.key'), join(folder, 'next.key')];
    for (const file of [root, next]) createRootKeyFile(file);
    const port = await freePort();
    const config = await writeConfig(folder, {
      service_id: 'bulla-test',
      external_url: `http://127.0.0.1:${port}`,
      audience,
      listen: { host: '127.0.0.1', port },
      store: database.config,
      root_key: { file: root },
      issuers: [issuerConfig((await createTestIssuer()).jwk)],
    });
    const rotate = () => runCommand(['root-key', 'rotate', '--config', config, '--new', next]);
    expect((await runCommand(['init', '--config', config])).code).toBe(0);

    const first = await startProcess(['serve', '--config', config]);
    const refused = await rotate();
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/Replicas serve this database: .*seen/)]);
    await first.end('SIGKILL');
    expect((await rotate()).code).toBe(1);
    await withSql(database, (sql) => sql('update replicas set seen = seen - 31'));
    expect(await rotate()).toMatchObject({ code: 0, stderr: '' });
  });

  it.each(storeKinds)('%s: a replica that was silent for too long changes nothing any more', async (kind) => {
    const harness = await startHarness({ kind });
    cleanUp.push(() => harness.stop());
    const admin = await harness.client(adminRoles);
    expect((await admin.call('POST', '/v1/keys', {})).status).toBe(201);
    await withSql(harness.database, (sql) => sql('delete from replicas'));
    expect((await admin.call('POST', '/v1/keys', {})).status).toBe(503);
    expect(harness.logs.join('')).toContain('This replica was retired');
    await expect(harness.store.beat(0)).rejects.toThrow(/retired/);
    expect((await admin.call('GET', '/v1/keys')).body.keys).toHaveLength(1);
  });
});
