// A service as it would run in production (`serve`, configured issuers, SQLite), as a process, and callers of two tenants.

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inject } from 'vitest';
import { Client, type ClientOptions, Refused } from '../../reference-client/client.ts';
import type { Item, Result } from '../../reference-client/documents.ts';
import { type RunningService, runCommand, startService } from '../../reference-client/running-service.ts';
import { createDatabase, query } from '../../support/postgres.ts';
import { audience, Issuer } from './issuer.ts';

/** It goes with the server, which lasts as long as the tests. */
const newPostgres = async () => (await createDatabase(inject('postgresUrl'))).url;

/** The external URL: not where the service listens, as behind a proxy. */
export const externalUrl = 'https://keys.example';

/** A key, as far as these tests read it. */
export interface Key {
  readonly key_id: string;
  readonly tenant: string;
  readonly state: string;
  readonly newest_version: number;
  readonly floor: number;
  readonly versions: readonly { version: number; state: string }[];
}

const roles = [
  { claim: 'groups', value: 'user', roles: ['encryptor', 'decryptor', 'rewrapper'] },
  { claim: 'groups', value: 'admin', roles: ['key-administrator', 'auditor', 'metrics-reader'] },
  { claim: 'groups', value: 'approver', roles: ['deletion-approver'] },
  { claim: 'groups', value: 'recoverer', roles: ['recoverer'] },
  { claim: 'groups', value: 'importer', roles: ['key-importer'] },
];

/** How an issuer stands in a configuration. */
export const issuerConfig = (issuer: Issuer, tenants: readonly string[], more: object = {}) => ({
  issuer: issuer.name,
  audience,
  jwks: issuer.jwks,
  tenants,
  roles,
  ...more,
});

/** A folder with a configuration, its database and its root key; a service that is started and stopped on it. */
export class World {
  readonly folder: string;
  readonly north = new Issuer('https://login.north.example');
  readonly south = new Issuer('https://login.south.example');
  readonly #more: object;
  readonly #issuers: readonly object[];
  #postgres: string | undefined;
  service: RunningService | undefined;

  private constructor(folder: string, issuers: readonly object[], more: object) {
    [this.folder, this.#issuers, this.#more] = [folder, issuers, more];
  }

  /** Initializes, without starting. */
  static create(issuers: readonly object[] = [], more: object = {}, rootKey?: string): World {
    const world = new World(mkdtempSync(join(tmpdir(), 'bulla-threats-')), issuers, more);
    world.configure();
    if (rootKey !== undefined) writeFileSync(world.path('root.key'), rootKey, { mode: 0o600 });
    const { status, output } = world.run('init', '--create-root-key');
    if (status !== 0) throw new Error(output);
    return world;
  }

  /** A world whose service listens. */
  static async start(issuers: readonly object[] = [], more: object = {}): Promise<World> {
    const postgres = inject('storeKind') === 'postgres' ? await newPostgres() : undefined;
    const world = World.create(issuers, { store: postgres ? { postgres } : { sqlite: 'keys.sqlite' }, ...more });
    world.#postgres = postgres;
    await world.start();
    return world;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Rewrites the configuration. */
  configure(more: object = {}): void {
    const config = {
      service_id: 'keys',
      external_url: externalUrl,
      audience,
      listen: { port: 0 },
      store: { sqlite: 'keys.sqlite' },
      root_key: { file: 'root.key' },
      issuers: [issuerConfig(this.north, ['north']), issuerConfig(this.south, ['south']), ...this.#issuers],
      checkpoint_file: 'checkpoint',
      log_level: 'debug',
      ...this.#more,
      ...more,
    };
    writeFileSync(this.path('config.json'), JSON.stringify(config));
  }

  /** Runs a command on this configuration. */
  run(...[command = '', ...args]: string[]): { status: number | null; output: string } {
    const words = command.split(' ');
    return runCommand([...words, '--config', this.path('config.json'), ...args]);
  }

  async start(nodeArgs: readonly string[] = []): Promise<RunningService> {
    this.service = await startService(['serve', '--config', this.path('config.json')], nodeArgs);
    return this.service;
  }

  /** Runs the service with a clock that is some days ahead until `done`, then ends it. */
  async later(days: number, done: () => boolean): Promise<void> {
    const shift = `const now = Date.now; Date.now = () => now() + ${days * 86_400_000};`;
    await this.start(['--import', `data:text/javascript,${encodeURIComponent(shift)}`]);
    for (let i = 0; i < 300 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
    await this.stop();
    if (!done()) throw new Error('it did not happen');
  }

  /** What somebody does who can write to the database file. */
  database<T>(work: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(this.path('keys.sqlite'));
    try {
      database.exec('pragma busy_timeout = 5000');
      return work(database);
    } finally {
      database.close();
    }
  }

  /** Every row of every table, on either store. */
  async dump(): Promise<object[]> {
    const rows: object[] = [];
    if (this.#postgres === undefined) {
      this.database((database) => {
        const tables = database.prepare("select name from sqlite_master where type = 'table'").all();
        for (const { name } of tables) rows.push(...database.prepare(`select * from "${name}"`).all());
      });
      return rows;
    }
    const tables = await query(this.#postgres, "select tablename as name from pg_tables where schemaname = 'public'");
    for (const { name } of tables) rows.push(...(await query(this.#postgres, `select * from "${name}"`)));
    return rows;
  }

  /** A copy of the database as it is now, also while the service runs. */
  copyDatabase(name: string): string {
    this.database((database) => database.exec(`vacuum into '${this.path(name)}'`));
    return this.path(name);
  }

  removeDatabase(): void {
    for (const end of ['', '-wal', '-shm']) rmSync(`${this.path('keys.sqlite')}${end}`, { force: true });
  }

  /** Puts a copy in the place of the database; the service must be down. */
  putDatabase(copy: string): void {
    this.removeDatabase();
    copyFileSync(copy, this.path('keys.sqlite'));
  }

  async stop(): Promise<void> {
    await this.service?.stop();
    this.service = undefined;
  }

  /** Starts where it must not be possible; answers what was said. */
  async refusal(): Promise<string> {
    try {
      await this.start();
    } catch (error) {
      return String(error);
    }
    await this.stop();
    return '';
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get running(): RunningService {
    if (!this.service) throw new Error('the service is not running');
    return this.service;
  }

  /** A client for `alice@north`, with a token of the issuer of the tenant. */
  client(user: string, options: Partial<ClientOptions> = {}): Client {
    const tenant = user.split('@')[1] ?? '';
    const issuer = tenant === 'south' ? this.south : this.north;
    const token = async ({ jkt }: Client) => issuer.token(user, jkt);
    return new Client({ url: externalUrl, via: this.running.url, pin: this.running.pin, tenant, token, ...options });
  }

  /** A new key of a tenant. */
  createKey(fields: object = {}, tenant = 'north'): Promise<Key> {
    return this.client(`admin@${tenant}`).call<Key>('POST', '/v1/keys', fields);
  }

  /** A change of a key by its administrator. */
  change(key: string, verb: string, body: object = {}, user = 'admin@north'): Promise<Key> {
    return this.client(user).call<Key>('POST', `/v1/keys/${key}/${verb}`, body);
  }
}

/** The only result of a call with one item. */
export async function only(client: Client, operation: string, item: Item, key?: string): Promise<Result> {
  const [result] = await client.dataPlane(operation, [item], key);
  if (!result) throw new Error('no result');
  return result;
}

/** The problem of an item as `422 unwrap-failed`; `ok` where there is none. */
export const outcome = ({ problem }: Result): string => (problem ? `${problem.status} ${problem.code}` : 'ok');

/** How a call ends: `ok`, or the status, code and check of its problem. */
export async function ending(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { status, code, check } = error.problem;
    return check === undefined ? `${status} ${code}` : `${status} ${check}`;
  }
}

/** What alice gets for an item: of the operation, at a service. */
export const asAlice = async (world: World, operation: string, item: Item, key: string, user = 'alice@north') =>
  outcome(await only(world.client(user), operation, { ...item, key }));

/** Starts a service on what is there: `refused`, or what alice gets for each item. */
export async function answers(
  world: World,
  calls: readonly [operation: string, item: Item, key: string][],
): Promise<string[]> {
  try {
    await world.start();
  } catch (error) {
    return [`refused: ${error}`];
  }
  try {
    const all: string[] = [];
    for (const [operation, item, key] of calls) {
      const refused = (error: unknown): string =>
        error instanceof Refused ? `${error.problem.status} ${error.problem.code}` : String(error);
      all.push(await asAlice(world, operation, item, key).catch(refused));
    }
    return all;
  } finally {
    await world.stop();
  }
}
