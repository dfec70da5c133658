/** A service on a new database, as tests use it: real HTTP, one issuer whose key the test holds. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { inject } from 'vitest';
import { type Config, parseConfig } from '../../src/config.ts';
import { createApp } from '../../src/http/app.ts';
import { openStore } from '../../src/open-store.ts';
import type { RootKey } from '../../src/seals/root-key.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { createSecrets, openerOf } from '../../src/secrets/secrets.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { createService, type Service } from '../../src/service.ts';
import { DatabaseTime } from '../../src/store/database-time.ts';
import type { Store } from '../../src/store/store.ts';
import { createProofKey, TestClient } from './client.ts';
import { audience, createTestIssuer, issuerConfig, type TestIssuer } from './issuer.ts';
import { createDatabase, reservePort } from './postgres.ts';

export {
  adminRoles,
  audience,
  createTestIssuer,
  issuerConfig,
  type TestIssuer,
  type TokenOptions,
  userRoles,
} from './issuer.ts';

export const storeKinds = ['sqlite', 'postgres'] as const;
export type StoreKind = (typeof storeKinds)[number];

/** A new database of a kind. */
export interface TestDatabase {
  readonly config: Config['store'];
  readonly folder: string;
  remove(): Promise<void>;
}

export async function newDatabase(kind: StoreKind): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'bulla-ks-'));
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  if (kind === 'sqlite') return { config: { sqlite: join(folder, 'keys.sqlite') }, folder, remove: removeFolder };
  const { url, drop } = await createDatabase(inject('postgresUrl'));
  const remove = async () => {
    await drop();
    await removeFolder();
  };
  return { config: { postgres: url }, folder, remove };
}

/** A running service and how to talk to it. */
export interface Harness {
  readonly url: string;
  readonly service: Service;
  readonly store: Store;
  readonly rootKey: RootKey;
  readonly issuer: TestIssuer;
  readonly database: TestDatabase;
  readonly logs: string[];
  /** A client with a token for these roles. */
  client(roles: readonly string[], options?: { tenant?: string; sub?: string }): Promise<TestClient>;
  stop(): Promise<void>;
}

export interface HarnessOptions {
  /** Default: that of the project, so that a file that chooses none runs on both stores. */
  readonly kind?: StoreKind;
  readonly database?: TestDatabase;
  readonly rootKey?: RootKey;
  readonly issuer?: TestIssuer;
  readonly config?: Readonly<Record<string, unknown>>;
  /** The clock of the machine, and of the database. */
  readonly clock?: () => number;
  /** The clock of the machine alone. */
  readonly localClock?: () => number;
  readonly wrapStore?: (store: Store) => Store;
  readonly externalUrl?: string;
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const { kind = inject('storeKind'), clock } = options;
  const database = options.database ?? (await newDatabase(kind));
  const rootKey = options.rootKey ?? softwareRootKey(new Uint8Array(32).fill(7));
  const issuer = options.issuer ?? (await createTestIssuer());
  const { port, release } = await reservePort();
  const local = `http://127.0.0.1:${port}`;
  const config = parseConfig({
    service_id: 'bulla-test',
    external_url: options.externalUrl ?? local,
    audience,
    listen: { host: '127.0.0.1', port },
    store: database.config,
    root_key: { env: 'UNUSED' },
    issuers: [issuerConfig(issuer.jwk)],
    ...options.config,
  });
  const logs: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logs.push(line) });
  const opened = openStore(config);
  const store = options.wrapStore?.(opened) ?? opened;
  let server: RunningServer;
  let service: Service;
  try {
    await store.migrate(openerOf(rootKey));
    await createSecrets(store, rootKey);
    const time = clock && new DatabaseTime(async () => undefined, { clock });
    service = await createService({ config, store, rootKey, logger, clock: options.localClock, time });
    await release();
    server = await startServer(createApp(service), config.listen);
  } catch (error) {
    await release();
    await store.close();
    throw error;
  }
  return {
    url: local,
    service,
    store,
    rootKey,
    issuer,
    database,
    logs,
    client: (roles, { tenant = 'north', sub = roles.join('+') || 'nobody' } = {}) =>
      signedIn(local, issuer, roles, tenant, sub, options.externalUrl),
    async stop() {
      await server.close(1000);
      await service.close();
      if (!options.database) await database.remove();
    },
  };
}

async function signedIn(
  url: string,
  issuer: TestIssuer,
  roles: readonly string[],
  tenant: string,
  sub: string,
  externalUrl: string | undefined,
): Promise<TestClient> {
  const client = new TestClient(url, await createProofKey(), tenant, fetch, externalUrl);
  await client.discover();
  client.token = await issuer.token({ sub, tenant, roles, jkt: client.proofKey.thumbprint });
  return client;
}
