// `root-key rotate` beside replicas that serve: refused, and what they would go on with is fenced off.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openStore } from '../../src/open-store.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { createRootKeyFile, readRootKey } from '../../src/seals/sources.ts';
import { verifySecrets } from '../../src/secrets/sealed-rows.ts';
import { newDatabase, startHarness, storeKinds } from '../support/harness.ts';
import { adminRoles, audience, createTestIssuer, issuerConfig } from '../support/issuer.ts';
import { freePort } from '../support/postgres.ts';
import { runCommand, spawnCommand, startProcess, writeConfig } from '../support/process.ts';
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

describe('§12.4 root-key reseal', () => {
  it('killed while it writes each kind of secret leaves all of them openable, and the next run goes on', async () => {
    const database = await newDatabase('postgres');
    const folder = mkdtempSync(join(tmpdir(), 'bulla-reseal-'));
    cleanUp.push(
      () => rmSync(folder, { recursive: true }),
      () => database.remove(),
    );
    const [old, next] = [join(folder, 'old.key'), join(folder, 'next.key')];
    for (const file of [old, next]) createRootKeyFile(file);
    const port = await freePort();
    const shared = {
      ...{ service_id: 'bulla-test', external_url: `http://127.0.0.1:${port}`, audience },
      ...{ listen: { host: '127.0.0.1', port }, issuers: [issuerConfig((await createTestIssuer()).jwk)] },
      store: { ...database.config, pool: { statement_ms: 60_000 } },
    };
    const before = await writeConfig(folder, { ...shared, root_key: { file: old } }, 'before.json');
    expect((await runCommand(['init', '--config', before])).code).toBe(0);
    // Whoever asks for the discovery document is given a transport key.
    const service = await startProcess(['serve', '--config', before]);
    expect((await fetch(`${shared.external_url}/.well-known/bulla-key-service`)).status).toBe(200);
    await service.end('SIGTERM');
    for (let n = 0; n < 3; n += 1) await runCommand(['keys', 'create', '--tenant', 'north', '--config', before]);
    const change = { root_key: { file: next }, previous_root_keys: [{ file: old }] };
    const config = await writeConfig(folder, { ...shared, ...change }, 'after.json');
    const store = openStore({ store: database.config });
    cleanUp.push(() => store.close());
    const [oldRoot, nextRoot] = [
      softwareRootKey(readRootKey({ file: old })),
      softwareRootKey(readRootKey({ file: next })),
    ];
    const both = softwareRootKey(readRootKey({ file: next }), [oldRoot]);
    const left = async (): Promise<number> => (await store.sealedUnder()).get(oldRoot.id) ?? 0;
    const total = await left();
    const secrets = await verifySecrets(store, both);

    const remaining: number[] = [];
    for (const table of ['secrets', 'transport_keys', 'key_versions']) {
      await withSql(database, async (sql) => {
        await sql('begin');
        await sql(`select * from ${table} for update`);
        const child = spawnCommand(['root-key', 'reseal', '--config', config]);
        const waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        await vi.waitUntil(async () => (await withSql(database, (other) => other(waits))).length > 0, {
          timeout: 120_000,
        });
        child.kill('SIGKILL');
        await once(child, 'close');
        await sql('rollback');
      });
      remaining.push(await left());
      expect(await verifySecrets(store, both)).toBe(secrets);
    }
    expect(remaining).toEqual([total, expect.any(Number), 3]);
    expect(remaining[1]).toBeLessThan(total);
    const { code, stdout } = await runCommand(['root-key', 'reseal', '--config', config]);
    expect([code, JSON.parse(stdout)]).toEqual([0, { root: nextRoot.id, secrets: 3, left: {}, others: [] }]);
    expect(await verifySecrets(store, nextRoot)).toBe(secrets);
  });
});
