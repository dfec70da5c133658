/** A full disk and a database that goes away: 503, nothing released, and recovery by itself. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import { type Harness, newDatabase, type StoreKind, startHarness, storeKinds } from '../support/harness.ts';
import { adminRoles, userRoles } from '../support/issuer.ts';
import { createDatabase, startPostgres } from '../support/postgres.ts';
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

/** A service whose database is on this disk, all of it: SQLite's files, or PostgreSQL's with its write-ahead log. */
async function startOn(kind: StoreKind, disk: SmallDisk): Promise<Harness> {
  const { folder, remove } = await newDatabase('sqlite');
  cleanUp.push(remove);
  const place = async () => {
    if (kind === 'sqlite') return { sqlite: join(disk.folder, 'keys.sqlite') };
    const server = await startPostgres({ own: true, folder: disk.folder });
    cleanUp.push(() => server.stop());
    return { postgres: (await createDatabase(server.url)).url };
  };
  const harness = await startHarness({ database: { config: await place(), folder, remove: async () => undefined } });
  cleanUp.push(() => harness.stop());
  return harness;
}

describe('a full disk', () => {
  it.each(storeKinds)('%s: 503 and no data key; with room again it works', async (kind) => {
    const disk = mountSmallDisk(kind === 'sqlite' ? 4 : 192);
    cleanUp.push(() => disk.remove());
    const { store, service, client } = await startOn(kind, disk);
    const [admin, user] = [await client(adminRoles), await client(userRoles)];
    const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    const generate = () => user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    expect((await generate()).status).toBe(200);

    disk.fill();
    let reply = await generate();
    for (let i = 0; reply.status === 200 && i < 3000; i += 1) reply = await generate();
    const { size } = (await store.head('north')).tree;
    for (let i = 0; i < 5; i += 1) {
      expect(reply.body).toMatchObject({ status: 503, code: 'unavailable' });
      expect(reply.raw.toString()).not.toContain('sealed_key');
      expect(reply.headers.get('retry-after')).toBe('1');
      reply = await generate();
    }
    expect((await store.head('north')).tree.size).toBe(size);
    // A change of keys fails whole, too, once nothing is left for it.
    let newest = 1;
    const rotate = () => admin.call('POST', `/v1/keys/${key}/rotate`, { from_version: newest });
    let rotated = await rotate();
    for (; rotated.status === 200 && newest < 500; rotated = await rotate()) newest += 1;
    expect(rotated.status).toBe(503);

    disk.free();
    expect((await generate()).status).toBe(200);
    expect((await store.findKey('north', key))?.newest).toBe(newest);
    expect(await verifyLogs(store, service.logs)).toBeGreaterThan(size);
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

  it('a database that says nothing: 503 in bounded time and no data key; afterwards it works again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bulla-frozen-'));
    cleanUp.push(() => rmSync(folder, { recursive: true }));
    const server = await startPostgres({ own: true, folder });
    cleanUp.push(() => server.stop());
    const config = { postgres: (await createDatabase(server.url)).url };
    const harness = await startHarness({ database: { config, folder, remove: async () => undefined } });
    cleanUp.push(() => harness.stop());
    const key = (await (await harness.client(adminRoles)).call('POST', '/v1/keys', {})).body.key_id;
    const user = await harness.client(userRoles);
    const generate = () => user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    expect((await generate()).status).toBe(200);
    const [main = ''] = readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n');
    const processes = [main, ...execFileSync('pgrep', ['-P', main], { encoding: 'utf8' }).trim().split('\n')];
    const signal = (name: NodeJS.Signals) => {
      for (const each of processes) process.kill(Number(each), name);
    };
    signal('SIGSTOP');
    try {
      const reply = await generate();
      expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
      expect(reply.raw.toString()).not.toContain('sealed_key');
      expect((await fetch(`${harness.url}/healthz`)).status).toBe(200);
    } finally {
      signal('SIGCONT');
    }
    let reply = await generate();
    for (let i = 0; i < 50 && reply.status !== 200; i += 1) reply = await generate();
    expect(reply.status).toBe(200);
  });
});
