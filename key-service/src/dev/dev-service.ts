/** The development service: an embedded store in a folder, its own issuer, loopback only, everything else as in production. */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, isLoopback, parseConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { createApp } from '../http/app.ts';
import { createLogger } from '../logger.ts';
import { openRootKey, openStore } from '../open-store.ts';
import { createRootKeyFile } from '../seals/sources.ts';
import { createSecrets, openerOf } from '../secrets/secrets.ts';
import { type RunningServer, startServer } from '../server.ts';
import { createService, type Service } from '../service.ts';
import { devUsers } from './users.ts';

/** Options of {@link startDev}. */
export interface DevOptions {
  /** Default: 127.0.0.1. Any address that is not loopback is refused. */
  readonly host?: string | undefined;
  /** Default: 8400; 0 takes a free one. */
  readonly port?: number | undefined;
  /** The folder of store and root key, made where there is none. */
  readonly data: string;
  /** Default: `warn`. */
  readonly logLevel?: Config['log_level'] | undefined;
}

/** A development service that listens. */
export interface DevService {
  readonly url: string;
  readonly service: Service;
  close(): Promise<void>;
}

/** Starts a development service. Throws `OperatorError`. */
export async function startDev({
  host = '127.0.0.1',
  port = 8400,
  data,
  logLevel = 'warn',
}: DevOptions): Promise<DevService> {
  if (!isLoopback(host)) throw new OperatorError(`The development service listens on loopback only, not on ${host}`);
  let app: ReturnType<typeof createApp> | undefined;
  // The port is taken before the service knows its URL, which tokens and proofs name, and before anything is made that would stay.
  const server = await startServer({ fetch: async (request, peer) => handle(app, request, peer) }, { host, port });
  try {
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`;
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const rootKeyFile = join(data, 'root.key');
    if (!existsSync(rootKeyFile)) createRootKeyFile(rootKeyFile);
    const config = devConfig(data, rootKeyFile, url, { host, port: server.port }, logLevel);
    const service = await openDevService(config);
    app = createApp(service, 'loopback');
    return { url, service, close: () => closeAll(server, service) };
  } catch (error) {
    await server.close(0);
    throw error;
  }
}

async function handle(
  app: ReturnType<typeof createApp> | undefined,
  request: Request,
  peer: object | undefined,
): Promise<Response> {
  // A name of somebody else's that leads to loopback: their page would be of our origin (DNS rebinding).
  if (!isLoopback(new URL(request.url).hostname)) return new Response(null, { status: 421 });
  if (app) return app.fetch(request, peer);
  return new Response(null, { status: 503, headers: { 'Retry-After': '1' } });
}

async function openDevService(config: Config): Promise<Service> {
  const store = openStore(config);
  try {
    const rootKey = openRootKey(config);
    await store.migrate(openerOf(rootKey));
    await createSecrets(store, rootKey);
    return await createService({ config, store, rootKey, logger: createLogger(config.log_level), devUsers });
  } catch (error) {
    await store.close();
    throw error;
  }
}

function devConfig(
  data: string,
  rootKeyFile: string,
  url: string,
  listen: { host: string; port: number },
  logLevel: Config['log_level'],
): Config {
  return parseConfig({
    service_id: 'bulla-dev',
    external_url: url,
    // Not the URL: the port may be another one at the next start, and tokens name the audience.
    audience: 'bulla-dev',
    listen,
    store: { sqlite: join(data, 'keys.sqlite') },
    root_key: { file: rootKeyFile },
    issuers: [],
    operator_tenant: 'north',
    checkpoint_file: join(data, 'checkpoint'),
    metrics: { anonymous: true },
    log_level: logLevel,
  });
}

async function closeAll(server: RunningServer, service: Service): Promise<void> {
  await server.close();
  await service.close();
}
