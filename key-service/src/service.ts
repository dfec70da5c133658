/** The service put together: everything that the endpoints work with. */

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { CheckpointFile } from './audit/checkpoint-file.ts';
import { CheckpointedChanges } from './audit/checkpointed-changes.ts';
import { AuditLogs } from './audit/logs.ts';
import { Authenticator } from './auth/authenticator.ts';
import { createTokenIssuer, type TokenIssuer } from './auth/exchange.ts';
import { createIssuer, type IssuerOptions } from './auth/issuers.ts';
import { Nonces } from './auth/nonces.ts';
import { ProofVerifier } from './auth/proofs.ts';
import { TokenVerifier } from './auth/tokens.ts';
import { audienceOf, type Config, type IssuerConfig } from './config.ts';
import type { IntegrityError } from './errors.ts';
import { type Clock, seconds } from './lib/clock.ts';
import {
  maxBodyBytes,
  maxContextNameBytes,
  maxContextPairs,
  maxContextValueBytes,
  maxItems,
  proofSeconds,
} from './lib/limits.ts';
import { DistrustLog } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Admission } from './operations/admission.ts';
import { createTenants } from './operations/create-tenants.ts';
import { TenantRecords } from './operations/tenant-records.ts';
import { Authorizer } from './policies/authorizer.ts';
import { readPolicies, shippedRoles } from './policies/policy-set.ts';
import type { RootKey } from './seals/root-key.ts';
import { Materials } from './secrets/materials.ts';
import { openSecrets, type Secrets } from './secrets/secrets.ts';
import { CommitQueue } from './store/commit-queue.ts';
import { DatabaseTime } from './store/database-time.ts';
import { StoreError } from './store/errors.ts';
import { KeyCache } from './store/key-cache.ts';
import type { Admit } from './store/revoked-cache.ts';
import type { Store } from './store/store.ts';
import { Discovery, type FixedClaims } from './transport/discovery.ts';
import { createIdentity, type Identity } from './transport/identity.ts';
import { TransportKeys } from './transport/transport-keys.ts';
import { startTimers } from './upkeep/timers.ts';

/** What a service is made of. */
export interface ServiceOptions {
  readonly config: Config;
  /** Migrated, with secrets. The service closes it. */
  readonly store: Store;
  readonly rootKey: RootKey;
  readonly logger: Logger;
  /** The clock of this machine. Default: `Date.now`. */
  readonly clock?: Clock | undefined;
  /** The time of the database. Default: what it answers. */
  readonly time?: DatabaseTime | undefined;
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
  readonly admission: Admission;
  readonly queue: CommitQueue;
  readonly keys: KeyCache;
  readonly tenants: TenantRecords;
  readonly materials: Materials;
  readonly secrets: Secrets;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly tokens: TokenVerifier;
  readonly proofs: ProofVerifier;
  readonly nonces: Nonces;
  readonly identity: Identity;
  readonly transport: TransportKeys;
  readonly discovery: Discovery;
  readonly logs: AuditLogs;
  /** Changes of keys, each with the checkpoint outside the database. */
  readonly changes: CheckpointedChanges;
  readonly exchange: TokenIssuer;
  readonly dev: { readonly issuer: TokenIssuer; readonly users: readonly DevUser[] } | undefined;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Where it is said that something in the store is not to be trusted. */
  readonly distrust: DistrustLog;
  readonly time: DatabaseTime;
  /** The time by which everything is decided: that of the database. */
  readonly clock: Clock;
  /** Whether the store can be written, the clocks agree, and heads are published. Throws `StoreError`. */
  ready(): Promise<void>;
  /** Ends the timers, waits for what was accepted, and closes the store. */
  close(): Promise<void>;
}

/** Checks the state of the store and starts. Throws `OperatorError` for a state that is not to be trusted. */
export async function createService(options: ServiceOptions): Promise<Service> {
  const { config, store, rootKey, logger, devUsers } = options;
  const bound = config.limits.clock_seconds * 1000;
  const time = options.time ?? new DatabaseTime(() => store.time(), { clock: options.clock, bound });
  const clock = time.now;
  await time.measure();
  // Before the secrets are opened: a rotation of the root key either comes before this, and its key is needed, or sees this replica.
  await store.join({ id: randomUUID(), name: `${hostname()}/${process.pid}`, roots: rootKey.ids }, seconds(clock));
  const secrets = await openSecrets(store, rootKey);
  const logs = new AuditLogs(store, secrets, config.service_id);
  const file = config.checkpoint_file === undefined ? undefined : new CheckpointFile(config.checkpoint_file);
  const everySeconds = config.publication_seconds;
  const metrics = createMetrics();
  const onRefusal = (refusal: IntegrityError | undefined): void => {
    metrics.publicationRefused.set(refusal ? 1 : 0);
    if (refusal) logger.fatal({ err: refusal }, 'nothing is published: the database is not to be trusted');
    else logger.warn('heads are published again');
  };
  const changes = new CheckpointedChanges(store, logs.service, { file, clock, everySeconds, onRefusal });
  await changes.assertContinued();
  await store.shareMemory();
  for (const [tenant, error] of await store.haltRefused({ keys: true })) {
    logger.fatal({ tenant, err: error }, 'the tenant is halted: its keys or its log are not to be trusted');
  }
  const settings = { audience: audienceOf(config), clock };
  const tenants = [...new Set(config.issuers.flatMap((issuer) => issuer.tenants))];
  await createTenants(store, changes, [...tenants, ...(devUsers ?? []).map(({ tenant }) => tenant)], clock());
  const roles = [...new Set(config.issuers.flatMap((issuer) => issuer.roles.flatMap((rule) => rule.roles)))];
  const exchange = await createTokenIssuer(secrets.token, { ...settings, issuer: config.external_url, tenants, roles });
  const dev = devUsers && (await createDev(secrets, config, devUsers, clock));
  const issuers = [...config.issuers.map(issuerOptions), exchange.options, ...(dev ? [dev.issuer.options] : [])];
  const nonces = new Nonces(secrets.nonceMac, clock);
  const proofs = new ProofVerifier(nonces, clock);
  const tokens = new TokenVerifier(issuers.map(createIssuer), clock);
  const queue = new CommitQueue(store);
  const admission = new Admission(config.limits, store.connections);
  const admit: Admit = (tenant, work) => admission.read(tenant, work);
  const identity = await createIdentity(secrets.identity);
  const transport = new TransportKeys(store, rootKey, time);
  const discovery = new Discovery(identity, transport, clock, discoveryClaims(config, logs));
  const parts = {
    ...{
      config,
      store,
      secrets,
      logs,
      changes,
      exchange,
      dev,
      nonces,
      proofs,
      tokens,
      queue,
      admission,
      logger,
      distrust: new DistrustLog(logger, { count: () => metrics.distrusted.inc() }),
      time,
      clock,
    },
    tenants: new TenantRecords(store, { defaults: config.limits, clock, admit }),
    keys: new KeyCache(store, admit),
    materials: new Materials(rootKey),
    authenticator: new Authenticator(tokens, proofs),
    authorizer: new Authorizer(config.policies === undefined ? shippedRoles : readPolicies(config.policies)),
    ...{ identity, transport, discovery },
    metrics,
    ready: createReadiness(store, time, changes),
  };
  // One that cannot be written would be noticed at the next change of a key, or when it is needed.
  await changes.publish();
  if (time.doubt() !== undefined) logger.fatal({ offset: time.offset }, `${time.doubt()}: not ready`);
  const stop = startTimers(parts);
  return {
    ...parts,
    async close() {
      await stop();
      await queue.drained();
      await changes.publish().catch((error) => logger.error({ err: error }, 'heads not published'));
      changes.close();
      await store.close();
    },
  };
}

// Asking writes, and anybody may ask: a write answers all who ask within a second. That the store fails is not remembered.
function createReadiness(
  store: Store,
  time: DatabaseTime,
  changes: Pick<CheckpointedChanges, 'refusal'>,
): () => Promise<void> {
  let until = 0;
  let asking: Promise<void> | undefined;
  const ask = async (): Promise<void> => {
    try {
      await store.ping();
      until = performance.now() + 1000;
    } finally {
      asking = undefined;
    }
  };
  return async () => {
    time.assertAgrees();
    if (changes.refusal) throw new StoreError('Nothing is published', { cause: changes.refusal });
    if (performance.now() < until) return;
    asking ??= ask();
    await asking;
  };
}

function discoveryClaims(config: Config, { service: log }: AuditLogs): FixedClaims {
  return {
    iss: config.external_url,
    service_id: config.service_id,
    audience: audienceOf(config),
    token_endpoint: `${config.external_url}/v1/token`,
    audit: { origin: log.origin, verifier_key: log.verifierKey, previous_verifier_keys: log.previous },
    limits: {
      items: maxItems,
      body_bytes: maxBodyBytes,
      proof_seconds: proofSeconds,
      key_context_pairs: maxContextPairs,
      key_context_name_bytes: maxContextNameBytes,
      key_context_value_bytes: maxContextValueBytes,
    },
  };
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
  const { jwks, jwks_uri: jwksUri, jwks_stale_seconds: staleSeconds, roles } = issuer;
  const keys = jwksUri === undefined ? { jwks: jwks as never } : { jwksUri, staleSeconds };
  return {
    issuer: issuer.issuer,
    audience: issuer.audience,
    keys,
    algorithms: issuer.algorithms,
    tenantClaim: issuer.tenant_claim,
    person: issuer.person,
    tenants: issuer.tenants,
    roles,
    exchangeOnly: issuer.exchange_only,
    exchangeAudience: issuer.exchange_audience,
  };
}
