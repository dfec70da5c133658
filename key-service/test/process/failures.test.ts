/** A full disk and a database that goes away: 503, nothing released, and recovery by itself. */

import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { createApp } from '../../src/http/app.ts';
import { createSecrets } from '../../src/root-key/secrets.ts';
import { softwareRootKey } from '../../src/root-key/software.ts';
import { startServer } from '../../src/server.ts';
import { createService } from '../../src/service.ts';
import { SqlStore } from '../../src/store/sql-store.ts';
import { sqliteEngine } from '../../src/store/sqlite.ts';
import { createProofKey, TestClient } from '../support/client.ts';
import { newDatabase, startHarness } from '../support/harness.ts';
import { adminRoles, audience, createTestIssuer, issuerConfig, userRoles } from '../support/issuer.ts';
import { createDatabase, freePort, startPostgres } from '../support/postgres.ts';

let cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

describe('SQLite', () => {
  it('a full database: 503 and no data key; afterwards it works again', async () => {
    const database = await newDatabase('sqlite');
    const file = (database.config as { sqlite: string }).sqlite;
    const store = new SqlStore(sqliteEngine(file, { maxPages: 120 }));
    const rootKey = softwareRootKey(new Uint8Array(32));
    const issuer = await createTestIssuer();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const config = parseConfig({
      ...{ service_id: 'bulla-test', external_url: url, audience, listen: { port }, store: database.config },
      ...{ root_key: { env: 'UNUSED' }, issuers: [issuerConfig(issuer.jwk)] },
    });
    await store.migrate();
    await createSecrets(store, rootKey);
    const service = await createService({ config, store, rootKey, logger: pino({ level: 'silent' }) });
    const server = await startServer(createApp(service), config.listen);
    cleanUp.push(
      database.remove,
      () => service.close(),
      () => server.close(100),
    );
    const signIn = async (roles: readonly string[]) => {
      const client = new TestClient(url, await createProofKey(), 'north');
      await client.discover();
      client.token = await issuer.token({ roles, jkt: client.proofKey.thumbprint });
      return client;
    };
    const admin = await signIn(adminRoles);
    const user = await signIn(userRoles);
    const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    const generate = () => user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    let reply = await generate();
    const statuses = new Set<number>();
    for (let i = 0; i < 3000 && reply.status !== 503; i += 1) {
      reply = await generate();
      statuses.add(reply.status);
    }
    expect([...statuses].sort()).toEqual([200, 503]);
    expect(reply.raw.toString()).not.toContain('sealed_key');
    expect(reply.body.code).toBe('unavailable');
    expect(reply.headers.get('retry-after')).toBe('1');
    const before = (await store.head()).tree.size;
    expect((await generate()).status).toBe(503);
    expect((await store.head()).tree.size).toBe(before);
    // A change of keys fails whole, too, once no page is left for it.
    let newest = 1;
    let changed = 200;
    for (; changed === 200 && newest < 500; newest += changed === 200 ? 1 : 0) {
      changed = (await admin.call('POST', `/v1/keys/${key}/rotate`, { from_version: newest })).status;
    }
    expect(changed).toBe(503);
    // Room again: old rows that are not needed go, as after a housekeeping of the disk.
    const raw = new DatabaseSync(file, { timeout: 5000 });
    raw.exec('delete from proofs');
    raw.close();
    expect((await generate()).status).toBe(200);
    expect((await store.findKey('north', key))?.newest).toBe(newest);
    await store.verifyKeys();
    expect(await service.log.verifyAll()).toBeGreaterThan(before);
  });
});

describe('PostgreSQL', () => {
  it('a database that goes away: 503 and no data key; afterwards it works again', async () => {
    const server = await startPostgres({ own: true });
    cleanUp.push(() => server.stop());
    const { url } = await createDatabase(server.url);
    const folder = await newDatabase('sqlite');
    cleanUp.push(folder.remove);
    const database = { config: { postgres: url }, folder: folder.folder, remove: async () => undefined };
    const harness = await startHarness({ database });
    cleanUp.push(() => harness.stop());
    const key = (await (await harness.client(adminRoles)).call('POST', '/v1/keys', {})).body.key_id;
    const user = await harness.client(userRoles);
    const generate = () => user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    expect((await generate()).status).toBe(200);
    await server.restart?.stop();
    for (let i = 0; i < 3; i += 1) {
      const reply = await generate();
      expect(reply.status).toBe(503);
      expect(reply.raw.toString()).not.toContain('sealed_key');
    }
    expect((await fetch(`${harness.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${harness.url}/healthz`)).status).toBe(200);
    await server.restart?.start();
    let status = 0;
    for (let i = 0; i < 50 && status !== 200; i += 1) {
      status = (await generate()).status;
      if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(status).toBe(200);
    expect((await fetch(`${harness.url}/readyz`)).status).toBe(200);
  });
});
