// The tests of encrypted columns on PostgreSQL 15, the oldest that they are for: `npm run test:fields:15`, with names of test files to run those alone.
// The server is that of Debian's package postgresql-15, or the one whose programs are in the folder BULLA_POSTGRES_15.

import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../key-service/test/support/postgres.ts';

const programs = process.env['BULLA_POSTGRES_15'] ?? '/usr/lib/postgresql/15/bin';
if (!existsSync(join(programs, 'postgres')))
  throw new Error(`no PostgreSQL 15 in ${programs}: see scripts/fields-15.ts`);
// The server refuses to be run by root.
const idOf = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }));
const user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
const folder = mkdtempSync(join(tmpdir(), 'bulla-pg15-'));
if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
const data = join(folder, 'data');
const options = { ...user, cwd: folder };
execFileSync(join(programs, 'initdb'), ['-D', data, '-U', 'bulla', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8'], {
  ...{ ...options, stdio: 'ignore' },
});
const port = await freePort();
const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'max_connections=200'];
const server = spawn(
  join(programs, 'postgres'),
  ['-D', data, '-p', String(port), ...settings.flatMap((each) => ['-c', each])],
  {
    ...{ ...options, stdio: 'ignore' },
  },
);
const ended = new Promise((done) => server.once('exit', done));
const url = `postgres://bulla@127.0.0.1:${port}/postgres`;
try {
  console.log(await versionOf(url));
  const args = [
    join('node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '-c',
    'vitest.fields.config.ts',
    ...process.argv.slice(2),
  ];
  const tests = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, DATABASE_URL: url } });
  process.exitCode = await new Promise<number>((done) => tests.once('exit', (code) => done(code ?? 1)));
} finally {
  server.kill('SIGINT');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}

/** The version of the server, once it answers; it must be 15. */
async function versionOf(connectionString: string): Promise<string> {
  for (;;) {
    const client = new pg.Client({ connectionString });
    try {
      await client.connect();
      const { rows } = await client.query('select version() as version');
      const version = String(rows[0]?.version);
      if (!version.startsWith('PostgreSQL 15.')) throw new RangeError(`${version} is not PostgreSQL 15`);
      return version;
    } catch (error) {
      if (error instanceof RangeError || server.exitCode !== null) throw error;
      await new Promise((done) => setTimeout(done, 50));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
