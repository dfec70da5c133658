/** Operators' commands, backups, rollback, and the simulated compromise with its recovery; `docs/key-service.md` §11 and §12. */

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportEcdhPrivateKey, exportEcdhPublicKey, generateEcdhKey } from 'bulla/keyrings/ecdh';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openRootKey, openStore } from '../../src/open-store.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { generateRootKey } from '../../src/seals/sources.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import { createProofKey, TestClient } from '../support/client.ts';
import { newDatabase, type TestDatabase } from '../support/harness.ts';
import { adminRoles, audience, createTestIssuer, issuerConfig, type TestIssuer, userRoles } from '../support/issuer.ts';
import { freePort } from '../support/postgres.ts';
import { runCommand, type ServiceProcess, startProcess, writeConfig } from '../support/process.ts';
import { copyOf } from '../support/tamper.ts';

interface Site {
  readonly database: TestDatabase;
  readonly issuer: TestIssuer;
  readonly config: Readonly<Record<string, unknown>>;
  readonly file: string;
  readonly url: string;
  at(name: string): string;
}

async function newSite(kind: 'sqlite' | 'postgres', issuer?: TestIssuer, rootKey = 'root.key'): Promise<Site> {
  const database = await newDatabase(kind);
  const made = issuer ?? (await createTestIssuer());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    service_id: 'bulla-test',
    external_url: url,
    audience,
    listen: { host: '127.0.0.1', port },
    store: database.config,
    root_key: { file: rootKey },
    issuers: [issuerConfig(made.jwk)],
    checkpoint_file: 'checkpoint',
    log_level: 'error',
  };
  const file = await writeConfig(database.folder, config);
  return { database, issuer: made, config, file, url, at: (name) => join(database.folder, name) };
}

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(args);
  expect(code, stderr).toBe(0);
  return stdout;
}

async function fails(...args: string[]): Promise<string> {
  const { code, stderr } = await runCommand(args);
  expect(code).toBe(1);
  expect(stderr).not.toMatch(/\n\s+at /);
  return stderr;
}

async function signIn({ url, issuer }: Site, roles: readonly string[]): Promise<TestClient> {
  const client = new TestClient(url, await createProofKey(), 'north');
  await client.discover();
  client.token = await issuer.token({ roles, sub: roles.join('+'), jkt: client.proofKey.thumbprint });
  return client;
}

const serve = (site: Site): Promise<ServiceProcess> => startProcess(['serve', '--config', site.file]);

describe('an operator', () => {
  const kind = inject('storeKind');
  let site: Site;
  let service: ServiceProcess;
  let keyId: string;
  let wrapped: { wrapped_key: string; version: number };
  let dataKey: Buffer;

  beforeAll(async () => {
    site = await newSite(kind);
    expect(await run('init', '--config', site.file, '--create-root-key')).toContain('identity');
    service = await serve(site);
    const admin = await signIn(site, adminRoles);
    keyId = (await admin.call('POST', '/v1/keys', { alias: 'orders' })).body.key_id;
    const made = await (await signIn(site, userRoles)).call('POST', `/v1/keys/${keyId}/generate-data-key`, {
      items: [{}],
    });
    const { wrapped_key, version } = made.body.results[0];
    wrapped = { wrapped_key, version };
    dataKey = made.openResult(0, {}, wrapped_key);
  });
  afterAll(async () => {
    await service.end('SIGTERM');
    await site.database.remove();
  });

  async function unwraps(where: Site, item: object): Promise<boolean | string> {
    const user = await signIn(where, userRoles);
    const reply = await user.call('POST', `/v1/keys/${keyId}/unwrap`, { items: [item] });
    const { problem } = reply.body.results[0];
    return problem ? problem.code : reply.openResult(0, {}, (item as typeof wrapped).wrapped_key).equals(dataKey);
  }

  it('root key and database files are for their owner alone', () => {
    expect(statSync(site.at('root.key')).mode & 0o777).toBe(0o600);
    if (kind === 'sqlite') expect(statSync(site.at('keys.sqlite')).mode & 0o777).toBe(0o600);
  });

  it('keys on the database, beside the running service', async () => {
    const listed = JSON.parse(await run('keys', 'list', '--config', site.file, '--tenant', 'north'));
    expect(listed.map(({ key_id }: { key_id: string }) => key_id)).toContain(keyId);
    const options = ['--config', site.file, '--tenant', 'north'];
    const made = JSON.parse(await run('keys', 'create', ...options, '--alias', 'made'));
    expect(JSON.parse(await run('keys', 'rotate', ...options, '--key', 'alias:made')).newest_version).toBe(2);
    expect(JSON.parse(await run('keys', 'disable', ...options, '--key', made.key_id)).state).toBe('disabled');
    expect(JSON.parse(await run('keys', 'describe', ...options, '--key', made.key_id)).state).toBe('disabled');
    expect(await fails('keys', 'describe', ...options, '--key', 'alias:none')).toContain('no such key');
    expect(await fails('keys', 'create', '--config', site.file, '--tenant', 'nowhere')).toContain('No issuer');
  });

  it('audit verify against an exported checkpoint', async () => {
    await run('audit', 'checkpoint', '--config', site.file, '--out', site.at('kept'));
    await unwraps(site, wrapped);
    expect(await run('audit', 'verify', '--config', site.file, '--checkpoint', site.at('kept'))).toContain(
      'continuing the checkpoint',
    );
    const [origin, size, root, ...rest] = readFileSync(site.at('kept'), 'utf8').split('\n');
    writeFileSync(site.at('forged'), [origin, Number(size) + 1, root, ...rest].join('\n'));
    expect(await fails('audit', 'verify', '--config', site.file, '--checkpoint', site.at('forged'))).toContain(
      'not signed',
    );
  });

  it('§11.4 §12.5 a backup restores under another root key, and what was wrapped unwraps', async () => {
    const recovery = await generateEcdhKey({ extractable: true });
    writeFileSync(site.at('recovery.key'), await exportEcdhPrivateKey(recovery));
    const recipient = exportEcdhPublicKey(recovery.publicKey);
    await run('audit', 'checkpoint', '--config', site.file, '--out', site.at('at-backup'));
    await run('backup', '--config', site.file, '--recipient', recipient, '--out', site.at('backup.bulla'));
    expect(readFileSync(site.at('backup.bulla')).subarray(0, 5).toString()).toBe('bulla');
    const other = await newSite(kind === 'sqlite' ? 'postgres' : 'sqlite', site.issuer);
    writeFileSync(other.at('root.key'), generateRootKey(), { mode: 0o600 });
    const restore = [
      'restore',
      '--config',
      other.file,
      '--in',
      site.at('backup.bulla'),
      '--key-file',
      site.at('recovery.key'),
    ];

    // What happens after the backup must not be undone by it without a word.
    const admin = await signIn(site, adminRoles);
    await admin.call('POST', `/v1/keys/${keyId}/rotate`, { from_version: 1 });
    await run('audit', 'checkpoint', '--config', site.file, '--out', site.at('later'));
    expect(await fails(...restore, '--checkpoint', site.at('later'))).toContain('older than the checkpoint');
    const cut = readFileSync(site.at('backup.bulla'));
    writeFileSync(site.at('cut.bulla'), cut.subarray(0, cut.length - 100));
    expect(await fails(...restore.with(4, site.at('cut.bulla')))).toBeTruthy();
    const stranger = await generateEcdhKey({ extractable: true });
    writeFileSync(site.at('stranger.key'), await exportEcdhPrivateKey(stranger));
    expect(await fails(...restore.with(6, site.at('stranger.key')))).toBeTruthy();

    expect(await run(...restore, '--checkpoint', site.at('at-backup'))).toContain('restored');
    expect(await fails(...restore)).toContain('not empty');
    const restored = await serve(other);
    expect(await unwraps(other, wrapped)).toBe(true);
    expect((await signIn(other, userRoles)).discovery?.thumbprint).toBe(
      (await signIn(site, userRoles)).discovery?.thumbprint,
    );
    await restored.end('SIGTERM');
    await other.database.remove();
  });

  it('§11.5 refuses to start on an older state than its checkpoint', async () => {
    await service.end('SIGTERM');
    const older = await copyOf(site.database);
    service = await serve(site);
    const admin = await signIn(site, adminRoles);
    await admin.call('POST', `/v1/keys/${keyId}/mark-compromised`, { version: 1 });
    await service.end('SIGTERM');
    const store = (config: TestDatabase['config']) =>
      writeConfig(site.database.folder, { ...site.config, store: config }, 'other.json');
    const other = await store(older.config);
    expect(await fails('serve', '--config', other)).toContain('older than the checkpoint');
    expect(await fails('audit', 'verify', '--config', other, '--checkpoint', site.at('checkpoint'))).toContain(
      'older than the checkpoint',
    );
    await older.remove();
    service = await serve(site);
    expect(await unwraps(site, wrapped)).toBe('version-unavailable');
  });
});

describe('the simulated compromise', () => {
  it('database alone, root key alone, both; then the recovery', async () => {
    const site = await newSite(inject('storeKind'));
    await run('init', '--config', site.file, '--create-root-key');
    let service = await serve(site);
    const admin = await signIn(site, adminRoles);
    const user = await signIn(site, userRoles);
    const keyId = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    const made = await user.call('POST', `/v1/keys/${keyId}/generate-data-key`, { items: [{}] });
    const { wrapped_key } = made.body.results[0];
    const dataKey = made.openResult(0, {}, wrapped_key);
    await service.end('SIGTERM');
    const stolenDatabase = await copyOf(site.database);
    const stolenRootKey = readFileSync(site.at('root.key'));

    // The database alone: nothing opens under a key that is guessed.
    const thief = openStore({ store: stolenDatabase.config });
    const guessed = softwareRootKey(new Uint8Array(32));
    await expect(openSecrets(thief, guessed)).rejects.toThrow(/another root key/);
    // The root key alone: there is nothing to open. Both: every secret.
    writeFileSync(site.at('stolen.key'), stolenRootKey, { mode: 0o600 });
    const rootKey = openRootKey({ root_key: { file: site.at('stolen.key') }, previous_root_keys: [] });
    await openSecrets(thief, rootKey);
    const record = await thief.findKey('north', keyId);
    const { Materials } = await import('../../src/secrets/materials.ts');
    const { unwrapDataKey } = await import('../../src/secrets/wrapping.ts');
    const version = record?.versions[0];
    if (!record || !version) throw new Error('no key');
    const material = await new Materials(rootKey).open(record, version);
    const identity = { serviceId: 'bulla-test', tenant: 'north', keyId, version: 1, context: new Uint8Array(4) };
    const opened = await unwrapDataKey(
      material,
      'service',
      identity,
      new Uint8Array(Buffer.from(wrapped_key, 'base64url')),
    );
    expect(Buffer.from(opened ?? []).equals(dataKey)).toBe(true);
    await thief.close();

    // The recovery: a new root key, a rotation with the old version marked, a rewrap by who may.
    await run('root-key', 'create', '--out', site.at('new.key'));
    expect(await run('root-key', 'rotate', '--config', site.file, '--new', site.at('new.key'))).toContain(
      'sealed again',
    );
    expect(await fails('serve', '--config', site.file)).toContain('another root key');
    await writeConfig(site.database.folder, { ...site.config, root_key: { file: 'new.key' } });
    service = await serve(site);
    const administrator = await signIn(site, adminRoles);
    const marked = await administrator.call('POST', `/v1/keys/${keyId}/mark-compromised`, { version: 1 });
    expect(marked.body.newest_version).toBe(2);
    const caller = await signIn(site, userRoles);
    const old = { wrapped_key, version: 1 };
    const refused = await caller.call('POST', `/v1/keys/${keyId}/unwrap`, { items: [old] });
    expect(refused.body.results[0].problem.code).toBe('version-unavailable');
    const recoverer = await signIn(site, ['recoverer']);
    const rewrapped = (await recoverer.call('POST', `/v1/keys/${keyId}/rewrap`, { items: [old] })).body.results[0];
    expect(rewrapped.version).toBe(2);
    const again = await caller.call('POST', `/v1/keys/${keyId}/unwrap`, {
      items: [{ wrapped_key: rewrapped.wrapped_key, version: 2 }],
    });
    expect(again.openResult(0, {}, rewrapped.wrapped_key).equals(dataKey)).toBe(true);
    // The thief's root key opens nothing of the new database.
    await service.end('SIGTERM');
    const now = openStore({ store: site.database.config });
    await expect(openSecrets(now, rootKey)).rejects.toThrow(/another root key/);
    await now.close();
    await stolenDatabase.remove();
    await site.database.remove();
  });
});
