/** The service put together: everything that the endpoints work with. */

import type { Logger } from 'pino';
import { AuditLog, readCheckpointFile } from './audit/audit-log.ts';
import { Authenticator } from './auth/authenticator.ts';
import { createTokenIssuer, type TokenIssuer } from './auth/exchange.ts';
import { createIssuer, type IssuerOptions } from './auth/issuers.ts';
import { Nonces } from './auth/nonces.ts';
import { ProofVerifier } from './auth/proofs.ts';
import { TokenVerifier } from './auth/tokens.ts';
import { audienceOf, type Config, type IssuerConfig } from './config.ts';
import { KeyCache } from './keys/key-cache.ts';
import { Materials } from './keys/materials.ts';
import { runUpkeep } from './keys/upkeep.ts';
import { type Clock, seconds } from './lib/clock.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Authorizer } from './policies/authorizer.ts';
import { readPolicies, shippedRoles } from './policies/policy-set.ts';
import type { RootKey } from './root-key/root-key.ts';
import { openSecrets, type Secrets } from './root-key/secrets.ts';
import { CommitQueue } from './store/commit-queue.ts';
import type { Store } from './store/store.ts';
import { createIdentity, type Identity } from './transport/identity.ts';
import { TransportKeys } from './transport/transport-keys.ts';

/** What a service is made of. */
export interface ServiceOptions {
  readonly config: Config;
  /** Migrated, with secrets. The service closes it. */
  readonly store: Store;
  readonly rootKey: RootKey;
  readonly logger: Logger;
  /** Default: the time. */
  readonly clock?: Clock | undefined;
  /** `true` adds the development issuer for these users. Default: none. */
  readonly devUsers?: readonly DevUser[] | undefined;
}

/** Somebody the development issuer gives tokens for. */
export interface DevUser {
  readonly user: string;
  readonly tenant: string;
  readonly roles: readonly string[];
}

/** A running service. */
export interface Service {
  readonly config: Config;
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly keys: KeyCache;
  readonly materials: Materials;
  readonly secrets: Secrets;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly tokens: TokenVerifier;
  readonly proofs: ProofVerifier;
  readonly nonces: Nonces;
  readonly identity: Identity;
  readonly transport: TransportKeys;
  readonly log: AuditLog;
  readonly exchange: TokenIssuer;
  readonly dev: { readonly issuer: TokenIssuer; readonly users: readonly DevUser[] } | undefined;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Whether the store can be written. Throws `StoreError`. */
  ready(): Promise<void>;
  /** Writes the checkpoint outside the database, where one is configured. */
  exportCheckpoint(): Promise<void>;
  /** Ends the timers, waits for what was accepted, and closes the store. */
  close(): Promise<void>;
}

/** Checks the state of the store and starts. Throws `OperatorError` for a state that is not to be trusted. */
export async function createService(options: ServiceOptions): Promise<Service> {
  const { config, store, rootKey, logger, clock = Date.now, devUsers } = options;
  const secrets = await openSecrets(store, rootKey);
  const log = new AuditLog(store, secrets, config.service_id);
  await assertTrusted(config, store, log);
  const settings = { audience: audienceOf(config), clock };
  const tenants = [...new Set(config.issuers.flatMap((issuer) => issuer.tenants))];
  const roles = [...new Set(config.issuers.flatMap((issuer) => issuer.roles.flatMap((rule) => rule.roles)))];
  const exchange = await createTokenIssuer(secrets.token, { ...settings, issuer: config.external_url, tenants, roles });
  const dev = devUsers && (await createDev(secrets, config, devUsers, clock));
  const issuers = [...config.issuers.map(issuerOptions), exchange.options, ...(dev ? [dev.issuer.options] : [])];
  const nonces = new Nonces(secrets.nonceMac, clock);
  const proofs = new ProofVerifier(nonces, clock);
  const tokens = new TokenVerifier(issuers.map(createIssuer), clock);
  const queue = new CommitQueue(store);
  const parts = {
    ...{ config, store, secrets, log, exchange, dev, nonces, proofs, tokens, queue, logger, clock },
    keys: new KeyCache(store),
    materials: new Materials(rootKey),
    authenticator: new Authenticator(tokens, proofs),
    authorizer: new Authorizer(config.policies === undefined ? shippedRoles : readPolicies(config.policies)),
    identity: await createIdentity(secrets.identity),
    transport: new TransportKeys(store, rootKey, clock),
    metrics: createMetrics(),
    ready: createReadiness(store, clock),
  };
  const exportCheckpoint = async () => {
    if (config.checkpoint_file !== undefined) await log.export(config.checkpoint_file);
  };
  // One that cannot be written would be noticed at the next change of a key, or when it is needed.
  await exportCheckpoint();
  const stop = startTimers(parts, exportCheckpoint);
  return {
    ...parts,
    exportCheckpoint,
    async close() {
      await stop();
      await queue.drained();
      await exportCheckpoint().catch((error) => logger.error({ err: error }, 'checkpoint not written'));
      await store.close();
    },
  };
}

// Asking writes, and anybody may ask: a write answers all who ask within a second. That the store fails is not remembered.
function createReadiness(store: Store, clock: Clock): () => Promise<void> {
  let until = 0;
  let asking: Promise<void> | undefined;
  const ask = async (): Promise<void> => {
    try {
      await store.ping();
      until = clock() + 1000;
    } finally {
      asking = undefined;
    }
  };
  return async () => {
    if (clock() < until) return;
    asking ??= ask();
    await asking;
  };
}

async function assertTrusted(config: Config, store: Store, log: AuditLog): Promise<void> {
  await store.verifyKeys();
  const note = config.checkpoint_file === undefined ? undefined : readCheckpointFile(config.checkpoint_file);
  if (note !== undefined) await log.assertContinues(log.open(note));
}

async function createDev(secrets: Secrets, config: Config, users: readonly DevUser[], clock: Clock) {
  const issuer = await createTokenIssuer(secrets.dev, {
    issuer: `${config.external_url}/dev`,
    audience: audienceOf(config),
    tenants: [...new Set(users.map(({ tenant }) => tenant))],
    roles: [...new Set(users.flatMap(({ roles }) => roles))],
    clock,
  });
  return { issuer, users };
}

function issuerOptions(issuer: IssuerConfig): IssuerOptions {
  const { jwks, jwks_uri: jwksUri, roles } = issuer;
  const keys = jwksUri === undefined ? { jwks: jwks as never } : { jwksUri };
  return {
    issuer: issuer.issuer,
    audience: issuer.audience,
    keys,
    algorithms: issuer.algorithms,
    tenantClaim: issuer.tenant_claim,
    tenants: issuer.tenants,
    roles,
    exchangeOnly: issuer.exchange_only,
    exchangeAudience: issuer.exchange_audience,
  };
}

interface TimerParts {
  readonly store: Store;
  readonly keys: KeyCache;
  readonly materials: Materials;
  readonly transport: TransportKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

function startTimers(parts: TimerParts, exportCheckpoint: () => Promise<void>): () => Promise<void> {
  const { store, transport, clock, logger } = parts;
  const running = new Set<Promise<void>>();
  const every = (milliseconds: number, what: string, work: () => Promise<unknown>) => {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      const run = work()
        .then(() => undefined)
        .catch((error: unknown) => logger.error({ err: error }, `${what} failed`))
        .finally(() => {
          busy = false;
          running.delete(run);
        });
      running.add(run);
    }, milliseconds);
    timer.unref();
    return timer;
  };
  const timers = [
    every(1000, 'checkpoint', exportCheckpoint),
    every(5000, 'upkeep', () => runUpkeep(parts)),
    every(60_000, 'expiry', async () => {
      transport.forget();
      await transport.current();
      await store.expire(seconds(clock));
    }),
  ];
  return async () => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(running);
  };
}
