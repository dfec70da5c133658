/** What operators are told: help, wrong uses, and what stands in the way of a start; never a stack. */

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { approveClosing, askClosing } from '../../src/model/tenants.ts';
import { openStore } from '../../src/open-store.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { generateRootKey, readRootKey } from '../../src/seals/sources.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import { newDatabase, type TestDatabase } from '../support/harness.ts';
import { createTestIssuer, issuerConfig } from '../support/issuer.ts';
import { putBack, snapshotOf } from '../support/tamper.ts';

/** What the system says of the numbers of accounts, wherever the tests run. */
const host = vi.hoisted(() => ({ uidMap: '0 0 4294967295\n' }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readFileSync = (file: string, ...options: []): unknown =>
    file === '/proc/self/uid_map' ? host.uidMap : fs.readFileSync(file, ...options);
  return { ...fs, readFileSync };
});

let database: TestDatabase;
let config: Record<string, unknown>;
const at = (name: string): string => join(database.folder, name);

beforeAll(async () => {
  database = await newDatabase('sqlite');
  config = {
    ...{ service_id: 'bulla-test', external_url: 'http://127.0.0.1:1', listen: { port: 0 } },
    ...{ store: { sqlite: 'keys.sqlite' }, root_key: { file: 'root.key' }, log_level: 'silent' },
    issuers: [issuerConfig((await createTestIssuer()).jwk)],
  };
  write({});
  writeFileSync(at('root.key'), generateRootKey(), { mode: 0o600 });
  expect((await run('init')).code).toBe(0);
});
afterAll(() => database.remove());
afterEach(() => vi.unstubAllEnvs());

function write(change: object, name = 'config.json'): string {
  writeFileSync(at(name), JSON.stringify({ ...config, ...change }));
  return at(name);
}

/** Runs a command in this process; `--config` is that of the folder unless given. */
async function run(command: string, ...args: string[]) {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text;
      return true;
    }),
  );
  try {
    const words = command.split(' ').filter((word) => word !== '');
    const takesConfig = !/^(|dev|policies.*|root-key create|-.*|help|__proto__|toString)$/.test(command);
    const withConfig = takesConfig && !args.includes('--config') ? ['--config', at('config.json')] : [];
    await main([...words, ...withConfig, ...args]);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  const code = process.exitCode ?? 0;
  process.exitCode = undefined;
  expect(written.stdout + written.stderr).not.toMatch(/\n\s+at /);
  return { code, ...written };
}

describe('help', () => {
  it('of all commands and of each', async () => {
    for (const asked of ['--help', '-h', 'help']) {
      const { code, stdout } = await run(asked);
      expect([code, stdout]).toEqual([0, expect.stringContaining('audit verify --config <file>')]);
    }
    const names = [...(await run('--help')).stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name);
    expect(new Set(names).size).toBe(12);
    for (const name of new Set(names)) {
      const { code, stdout } = await run(`${name}`, '--help');
      expect([code, stdout]).toEqual([
        0,
        expect.stringMatching(new RegExp(`^bulla-key-service ${name}\n\n  ${name} `)),
      ]);
    }
  });
});

describe('§12.1 a wrong use is 2, and says how', () => {
  it.each([
    ['', [], /<command>/],
    ['bogus', [], /^Unknown command 'bogus'\n/],
    ['--bogus', [], /^Unknown command '--bogus'\n/],
    ['__proto__', [], /^Unknown command '__proto__'\n/],
    ['toString', [], /^Unknown command 'toString'\n/],
    ['serve', ['--bogus'], /Unknown option '--bogus'\n/],
    ['serve', ['extra'], /Unexpected argument 'extra'\n/],
    ['serve', ['--config'], /argument missing/],
    ['serve', ['--config', ''], /--config missing/],
    ['restore', [], /--in, --key-file missing/],
    ['backup', ['--out', 'x'], /--recipient missing/],
    ['keys', [], /list\|describe\|create/],
    ['keys bogus', [], /list\|describe\|create/],
    ['keys rotate', ['--tenant', 'north'], /--key missing/],
    ['keys create', ['--tenant', 'north', '--alias', 'Not One'], /--alias is a name/],
    ['audit', [], /verify\|checkpoint/],
    ['identity', [], /show\|rotate/],
    ['root-key', [], /create\|rotate/],
    ['policies', [], /policies check <file>/],
    ['policies check', ['a', 'b'], /policies check <file>/],
    ['dev', ['--port', 'x'], /--port is a number/],
  ] as [string, string[], RegExp][])('%s %s', async (command, args, message) => {
    const { code, stderr } = await run(command, ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    const [name = ''] = command.split(' ');
    const ofAll = name === '' || message.source.startsWith('^Unknown command');
    expect(stderr).toContain(`bulla-key-service ${ofAll ? '<command>' : name}\n`);
  });
});

describe('what stands in the way is 1, and named', () => {
  const tls = { external_url: 'https://localhost', listen: { port: 0, tls: { cert: 'cert.pem', key: 'key.pem' } } };
  it.each([
    ['a configuration that is not there', 'serve', ['--config', 'none'], {}, /cannot be read: ENOENT/],
    ['a field that is unknown', 'serve', [], { listen: { prt: 1, port: 0 } }, /"prt"\s+→ at listen/],
    ['two stores', 'serve', [], { store: { sqlite: 'a', postgres: 'b' } }, /must be { "sqlite" }/],
    ['a connection string that is none', 'serve', [], { store: { postgres: 'nonsense' } }, /must begin with postgres:/],
    ['no environment for the store', 'serve', [], { store: { postgres_env: 'BULLA_NONE' } }, /no BULLA_NONE/],
    [
      'a database that is not there',
      'serve',
      [],
      { store: { postgres: 'postgres://a:b@127.0.0.1:1/c' } },
      /ECONNREFUSED/,
    ],
    ['a folder that is not there', 'serve', [], { store: { sqlite: 'none/keys' } }, /cannot be opened: ENOENT/],
    [
      'a root key that is not there',
      'serve',
      [],
      { root_key: { file: 'none' } },
      /root key file .*none cannot be read/,
    ],
    [
      'a database that was not initialized',
      'serve',
      [],
      { store: { sqlite: 'new.sqlite' } },
      /run `bulla-key-service init`/,
    ],
    ['TLS files that are not there', 'serve', [], tls, /TLS file .*cert.pem cannot be read: ENOENT/],
    [
      'a policy file that is not there',
      'serve',
      [],
      { policies: 'none.cedar' },
      /policy file .*none.cedar cannot be read/,
    ],
    [
      'a checkpoint that cannot be written',
      'serve',
      [],
      { checkpoint_file: 'none/checkpoint' },
      /checkpoint cannot be written/,
    ],
    ['an issuer that stands twice', 'serve', [], { issuers: ['a', 'a'] }, /stands twice/],
    [
      'an issuer that is the service',
      'serve',
      [],
      { issuers: ['http://127.0.0.1:1'] },
      /stands twice, or is the service/,
    ],
    ['an origin with a slash', 'serve', [], { cors: { origins: ['https://app.example/'] } }, /must be an origin/],
    ['any origin', 'serve', [], { cors: { origins: ['*'] } }, /must be an origin/],
    ['a tenant that nobody speaks for', 'keys list', ['--tenant', 'nort'], {}, /No issuer speaks for the tenant nort/],
    ['a key that is not there', 'keys enable', ['--tenant', 'north', '--key', 'none'], {}, /no such key/],
    ['a checkpoint that is not there', 'audit verify', ['--checkpoint', 'none'], {}, /no such checkpoint/],
    ['a file that cannot be written', 'audit checkpoint', ['--out', '/none/x'], {}, /ENOENT.*\/none\/x/],
    ['a recipient that is none', 'backup', ['--recipient', 'x', '--out', 'y'], {}, /bullapk1/],
    ['a backup that is not there', 'restore', ['--in', '/none', '--key-file', '/none'], {}, /\/none cannot be read/],
    [
      'a folder for a root key that is not there',
      'root-key create',
      ['--out', '/none/x'],
      {},
      /cannot be made: ENOENT/,
    ],
    ['an address that is not loopback', 'dev', ['--host', '192.0.2.1'], {}, /loopback only/],
  ] as [string, string, string[], Record<string, unknown>, RegExp][])(
    '%s',
    async (_, command, args, change, message) => {
      const [issuer] = config['issuers'] as object[];
      const issuers = (change['issuers'] as string[] | undefined)?.map((name) => ({ ...issuer, issuer: name }));
      const own = args.includes('--config') || Object.keys(change).length === 0;
      const file = own ? [] : ['--config', write({ ...change, ...(issuers ? { issuers } : {}) }, 'other.json')];
      const { code, stderr } = await run(command, ...file, ...args);
      expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    },
  );

  it('TLS files that are none, a port in use, a root key that others can read', async () => {
    writeFileSync(at('cert.pem'), 'none');
    writeFileSync(at('key.pem'), 'none');
    const started = (change: object) => run('serve', '--config', write(change, 'other.json'));
    expect((await started(tls)).stderr).toMatch(/cert.pem and .*key.pem do not make a server/);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    expect((await started({ listen: { port } })).stderr).toBe(
      `The service cannot listen on 127.0.0.1:${port}: EADDRINUSE\n`,
    );
    // The development service chooses its port by an option, and leaves nothing behind.
    const { code, stderr: said } = await run('dev', '--port', `${port}`, '--data', at('dev'));
    expect([code, said]).toEqual([1, expect.stringMatching(/EADDRINUSE\n.*--port </)]);
    expect(existsSync(at('dev'))).toBe(false);
    other.close();
    chmodSync(at('root.key'), 0o644);
    expect((await started({})).stderr).toMatch(/must have the mode 0600/);
    chmodSync(at('root.key'), 0o600);
    vi.stubEnv('BULLA_STORE', 'nonsense');
    expect((await started({ store: { postgres_env: 'BULLA_STORE' } })).stderr).toMatch(
      /BULLA_STORE holds is no postgres/,
    );
    vi.stubEnv('BULLA_KEY', 'bullaroot1.AAAA');
    const { stderr } = await started({ root_key: { env: 'BULLA_KEY' } });
    expect(stderr).toMatch(/BULLA_KEY is no root key/);
    expect(stderr).not.toContain('AAAA');
  });
});

describe('what works says so', () => {
  it('keys, policies, root keys, the log', async () => {
    const tenant = ['--tenant', 'north'];
    const made = JSON.parse((await run('keys create', ...tenant, '--alias', 'orders')).stdout);
    expect((await run('keys create', ...tenant, '--alias', 'orders')).stderr).toBe(
      'The alias belongs to another key\n',
    );
    expect(JSON.parse((await run('keys list', ...tenant)).stdout)).toEqual([made]);
    mkdirSync(at('sub'));
    expect((await run('root-key create', '--out', at('sub/key'))).stdout).toBe(`made ${at('sub/key')}\n`);
    expect((await run('root-key rotate', '--new', at('sub/key'))).stdout).toMatch(/^8 secrets sealed again/);
    writeFileSync(at('root.key'), readFileSync(at('sub/key')));
    expect((await run('audit verify')).stdout).toMatch(/^the logs are whole: \d+ entries\n$/);
  });

  it('§12.4 root-key reseal: what is under earlier root keys, and which replica stands in its way', async () => {
    const [old, next] = [at('root.key'), at('next.key')];
    await run('root-key create', '--out', next);
    const options = ['--config', write({ root_key: { file: next }, previous_root_keys: [{ file: old }] }, 'next.json')];
    const reseal = async () => {
      const { code, stdout } = await run('root-key reseal', ...options);
      return [code, JSON.parse(stdout)];
    };
    const [oldId, root] = [old, next].map((file) => softwareRootKey(readRootKey({ file })).id) as [string, string];
    const beside = async (name: string, roots: readonly string[]) => {
      const replica = openStore({ store: { sqlite: at('keys.sqlite') } });
      await replica.join({ id: name, name, roots }, Math.floor(Date.now() / 1000));
      return replica;
    };
    const without = await beside('a-host/7', [oldId]);
    for (const command of ['root-key reseal', 'keys create --tenant north']) {
      const { code, stderr } = await run(command, ...options);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^The replica a-host\/7 does not have the root key/)]);
    }
    await without.close();
    const behind = await beside('b-host/8', [oldId, root]);
    const done = { root, left: {}, others: [] };
    expect(await reseal()).toEqual([1, { ...done, secrets: expect.any(Number), others: ['b-host/8'] }]);
    await behind.close();
    expect(await reseal()).toEqual([0, { ...done, secrets: 0 }]);
    writeFileSync(old, readFileSync(next));
    expect((await run('audit verify')).stdout).toMatch(/^the logs are whole/);
  });

  it('§12.8 tenants: made once, shown and listed', async () => {
    const tenants = async (...args: string[]) => JSON.parse((await run(...(args as [string]))).stdout);
    expect(await tenants('tenants list')).toEqual(['north', 'south']);
    const west = {
      ...{ tenant: 'west', epoch: 0, log: { size: 1, root: expect.any(String), published: 1 }, issuers: [] },
      ...{ limits: { items_per_minute: 600_000, revoked_data_keys_per_day: 1000 }, closing: null },
      set: { items_per_minute: null, revoked_data_keys_per_day: null },
    };
    expect(await tenants('tenants create', '--tenant', 'west')).toEqual(west);
    expect(await tenants('tenants show', '--tenant', 'west')).toEqual(west);
    expect(await tenants('tenants show', '--tenant', 'north')).toMatchObject({ issuers: ['https://issuer.test'] });
    expect(await tenants('tenants list')).toEqual(['north', 'south', 'west']);
    const refused = async (...args: string[]) => {
      const { code, stderr } = await run(...(args as [string]));
      return [code, stderr.split('\n')[0]];
    };
    expect(await refused('tenants create', '--tenant', 'west')).toEqual([1, 'There is a tenant west already']);
    expect(await refused('tenants create', '--tenant', '../x')).toEqual([
      2,
      expect.stringMatching(/^--tenant is a name/),
    ]);
    expect(await refused('tenants show', '--tenant', 'east')).toEqual([1, 'There is no tenant east']);
    expect(await refused('tenants show')).toEqual([2, '--tenant missing']);
    expect((await run('audit verify')).stdout).toMatch(/^the logs are whole/);
  });

  it('§12.10 §12.11 tenants: limits and the end of one', async () => {
    const ofNorth = ['--tenant', 'north'];
    const json = async (...args: string[]) => JSON.parse((await run(...(args as [string]))).stdout);
    const refused = async (...args: string[]) => {
      const { code, stderr } = await run(...(args as [string]));
      return [code, stderr.split('\n')[0]];
    };
    const set = { items_per_minute: 70, revoked_data_keys_per_day: null };
    const limits = { items_per_minute: 70, revoked_data_keys_per_day: 1000 };
    expect(await json('tenants limits', ...ofNorth, '--items-per-minute', '70')).toEqual({ limits, set });
    expect(await json('tenants limits', ...ofNorth)).toEqual({ limits, set });
    expect(await json('tenants limits', ...ofNorth, '--items-per-minute', 'default')).toMatchObject({
      limits: { items_per_minute: 600_000 },
      set: { items_per_minute: null },
    });
    for (const wrong of ['0', '-1', '1.5', 'many', '1e3', '99999999999999999']) {
      const [code] = await refused('tenants limits', ...ofNorth, `--items-per-minute=${wrong}`);
      expect(code, wrong).toBe(2);
    }
    expect(await refused('tenants limits', '--tenant', 'east')).toEqual([1, 'There is no tenant east']);
    expect(await refused('tenants limits', ...ofNorth, '--days', '7')).toEqual([2, 'tenants limits takes no --days']);
    expect(await refused('tenants show', ...ofNorth, '--accept-rollback')).toEqual([
      2,
      'tenants show takes no --accept-rollback',
    ]);

    for (const days of ['6', '366', '']) {
      expect((await refused('tenants close', ...ofNorth, '--days', days))[0], days).toBe(2);
    }
    const elsewhere = async (...args: string[]) => {
      const { uidMap } = host;
      host.uidMap = '0 1000 1\n';
      const answer = await refused('tenants close', ...ofNorth, '--days', '7', ...args);
      host.uidMap = uidMap;
      return answer;
    };
    const onTheHost = [1, expect.stringMatching(/run this on the host itself$/)];
    expect(await elsewhere()).toEqual(onTheHost);
    const asked = await json('tenants close', ...ofNorth, '--days', '7');
    expect(await elsewhere('--approve')).toEqual(onTheHost);
    const me = `operator|uid ${process.getuid?.()}`;
    expect(asked.closing).toMatchObject({
      requested_by: me,
      days: 7,
      approved_by: null,
      closes_at: null,
      closed: null,
    });
    expect(await refused('tenants close', ...ofNorth, '--days', '7', '--approve')).toEqual([
      1,
      expect.stringMatching(/another operator must approve it$/),
    ]);
    const other = vi.spyOn(process, 'getuid').mockReturnValue(54_321);
    // Whatever the name of the account.
    const approved = await json('tenants close', ...ofNorth, '--days', '7', '--approve');
    other.mockRestore();
    expect(approved.closing).toMatchObject({ requested_by: me, approved_by: 'operator|uid 54321' });
    expect((await json('tenants close', ...ofNorth, '--cancel')).closing).toBeNull();
    expect((await refused('tenants close', ...ofNorth, '--approve', '--cancel'))[0]).toBe(2);
    expect((await run('audit verify')).stdout).toMatch(/^the logs are whole/);
  });

  it('§12.11 tenants: what was asked for by a name is not approved', async () => {
    const store = openStore({ store: { sqlite: at('keys.sqlite') } });
    await openSecrets(store, softwareRootKey(readRootKey({ file: at('root.key') })));
    const asked = { by: 'operator|alice', now: Math.floor(Date.now() / 1000), days: 7 };
    await store.change('north', async (change) => {
      await change.putTenant(askClosing(await change.findTenant(), asked));
    });
    await store.close();
    const close = (...args: string[]) => run('tenants close', '--tenant', 'north', ...args);
    const { code, stderr } = await close('--days', '7', '--approve');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/by a name.*ask again/)]);
    expect((await close('--cancel')).code).toBe(0);
  });

  it('§12.11 keys: a closed tenant gets none, and it is said why', async () => {
    const ofSouth = ['--tenant', 'south'];
    const key = JSON.parse((await run('keys create', ...ofSouth)).stdout).key_id;
    const store = openStore({ store: { sqlite: at('keys.sqlite') } });
    await openSecrets(store, softwareRootKey(readRootKey({ file: at('root.key') })));
    const asked = { now: Math.floor(Date.now() / 1000) - 8 * 86_400, days: 7 };
    await store.change('south', async (change) => {
      const record = askClosing(await change.findTenant(), { by: 'a', ...asked });
      await change.putTenant(approveClosing(record, { by: 'b', ...asked }));
    });
    await store.close();
    for (const command of ['keys create', `keys rotate --key ${key}`]) {
      const { code, stderr } = await run(command, ...ofSouth);
      expect([code, stderr]).toEqual([1, 'The tenant is closed\n']);
    }
    expect((await run('keys rotate --key key-none', ...ofSouth)).stderr).toBe('There is no such key\n');
  });

  it('§12.9 audit resume: nothing was lost, or it is said and accepted', async () => {
    const checkpoint_file = at('checkpoint-of-resume');
    const options = ['--config', write({ checkpoint_file }, 'resume.json')];
    const resume = (...more: string[]) => run('audit resume', ...options, ...more);
    expect(await resume('--accept-rollback')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Nothing of the service's own log was lost\n/),
    });
    const copy = ['states', 'heads', 'publications', 'log_leaves', 'log_nodes'];
    await run('audit checkpoint', ...options);
    const before = await snapshotOf(database, copy);
    const { stdout: newest } = await run('audit checkpoint', ...options);
    await putBack(database, before);
    expect((await run('tenants list', ...options)).stderr).toMatch(/older than the checkpoint/);
    const refused = await resume();
    const { lost } = JSON.parse(refused.stdout);
    expect([refused.code, lost.entries.known - lost.entries.there]).toEqual([1, 1]);
    const accepted = await resume('--accept-rollback');
    expect([accepted.code, JSON.parse(accepted.stdout)]).toEqual([0, { lost, resumed: true }]);
    expect(readFileSync(checkpoint_file, 'utf8')).not.toBe(newest);
    expect((await run('tenants list', ...options)).code).toBe(0);
  });

  it('§12.9 tenants resume: nothing was lost, or it is said', async () => {
    const { code, stderr } = await run('tenants resume', '--tenant', 'north', '--accept-rollback');
    expect([code, stderr]).toEqual([1, 'Nothing of the tenant north was lost\n']);
    expect((await run('tenants resume', '--tenant', 'east')).stderr).toMatch(/^There is no tenant east\n/);
  });

  it('§12.3 policies check', async () => {
    const check = async (policy: string) => {
      writeFileSync(at('some.cedar'), policy);
      const { code, stdout, stderr } = await run('policies check', at('some.cedar'));
      return `${code} ${stdout}${stderr}`;
    };
    const unwrap =
      'permit (principal in Bulla::Role::"x-batch", action == Bulla::Action::"unwrap", resource is Bulla::Key)';
    expect(await check(`${unwrap} when { context.keyContext.hasTag("purpose") };`)).toMatch(/^0 .*fit the schema/);
    expect(await check('')).toMatch(/^0 /);
    expect(await check('permit (principal, action == Bulla::Action::"unwarp", resource);')).toMatch(/^1 .*unwarp/s);
    expect(await check(`${unwrap} when { context.bogus };`)).toMatch(/^1 .*bogus/s);
    expect(await check(`${unwrap} when { context.keyContext.getTag("purpose") == "x" };`)).toMatch(/^1 .*purpose/s);
    expect(await check('permit (principal')).toMatch(/^1 /);
  });
});
