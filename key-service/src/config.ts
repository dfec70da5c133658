/** The configuration of the service: a JSON file, checked before anything starts. */

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { roles } from './auth/caller.ts';
import { proofAlgorithms, tokenAlgorithms } from './auth/jws.ts';
import { OperatorError } from './errors.ts';
import { isNetwork } from './lib/addresses.ts';

const tenant = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const loopback = /^(127(\.\d{1,3}){3}|::1|localhost)$/;
/** How a connection string begins. */
export const postgresPattern = /^(postgres(ql)?|socket):/;
const origin = z.string().refine(isOrigin, 'must be an origin: scheme, host and port, without a slash at the end');
const url = z.url().refine(isSafeUrl, 'must be https, or http on loopback, without query and trailing slash');

const issuerSchema = z.strictObject({
  issuer: z.string().min(1),
  audience: z.string().min(1),
  jwks_uri: url.optional(),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1) }).optional(),
  jwks_stale_seconds: z.int().min(60).max(86_400).default(3600),
  algorithms: z
    .array(z.enum(tokenAlgorithms))
    .min(1)
    .default([...proofAlgorithms, 'RS256']),
  tenant_claim: z.string().min(1).default('tenant'),
  tenants: z.array(tenant).min(1),
  roles: z.array(
    z.strictObject({
      claim: z.string().min(1),
      value: z.string().min(1).optional(),
      roles: z.array(z.string().min(1)),
    }),
  ),
  person: z.strictObject({ claim: z.string().min(1), domain: z.string().min(1).default('default') }).optional(),
  exchange_only: z.boolean().default(false),
  exchange_audience: z.string().min(1).optional(),
});

const rootKeySchema = z.union(
  [z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })],
  'must be { "file" } or { "env" }',
);

const limitsSchema = z.strictObject({
  items_per_minute: z.int().positive().default(600_000),
  failed_authentications_per_minute: z.int().positive().default(600),
  requests_in_flight: z.int().positive().default(512),
  body_bytes_in_flight: z
    .int()
    .min(8 * 1024 * 1024)
    .default(128 * 1024 * 1024),
  sockets: z.int().min(16).default(10_000),
  clock_seconds: z.int().min(1).max(600).default(60),
  revoked_data_keys_per_day: z.int().positive().default(1000),
});

const poolSchema = z.strictObject({
  connections: z.int().min(4).max(1000).optional(),
  connect_ms: z.int().min(100).max(60_000).optional(),
  statement_ms: z.int().min(100).max(60_000).optional(),
});

const configSchema = z.strictObject({
  service_id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/),
  external_url: url,
  audience: z.string().min(1).optional(),
  listen: z.strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.int().min(0).max(65_535),
    tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
  }),
  store: z.union(
    [
      z.strictObject({ sqlite: z.string().min(1) }),
      z.strictObject({
        postgres: z.string().regex(postgresPattern, 'must begin with postgres:'),
        pool: poolSchema.optional(),
      }),
      z.strictObject({ postgres_env: z.string().min(1), pool: poolSchema.optional() }),
    ],
    'must be { "sqlite" }, { "postgres": "postgres://…" } or { "postgres_env" }',
  ),
  root_key: rootKeySchema,
  previous_root_keys: z.array(rootKeySchema).default([]),
  issuers: z.array(issuerSchema),
  trusted_proxies: z.array(z.string().refine(isNetwork, 'must be an address or a network: 10.0.0.0/8')).default([]),
  forwarded_header: z.enum(['forwarded', 'x-forwarded-for']).default('forwarded'),
  policies: z.string().min(1).optional(),
  operator_tenant: tenant.optional(),
  publication_seconds: z.number().int().min(1).max(60).default(10),
  checkpoint_file: z.string().min(1).optional(),
  cors: z.strictObject({ origins: z.array(origin).min(1) }).optional(),
  metrics: z.strictObject({ anonymous: z.boolean() }).default({ anonymous: false }),
  log_level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  limits: limitsSchema.default(limitsSchema.parse({})),
});

/** A configuration, with the defaults filled in. */
export type Config = z.infer<typeof configSchema>;
/** An issuer in it. */
export type IssuerConfig = z.infer<typeof issuerSchema>;

/** Reads a configuration file; paths in it are relative to it. Throws `OperatorError`, which names what is wrong. */
export function readConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError(`The configuration ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new OperatorError(`The configuration ${file} is not JSON`);
  }
  return withPaths(parseConfig(json), dirname(resolve(file)));
}

/** Checks a configuration. Throws `OperatorError`, which names what is wrong. */
export function parseConfig(value: unknown): Config {
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) throw new OperatorError(`The configuration is wrong:\n${z.prettifyError(parsed.error)}`);
  const config = parsed.data;
  const { host, tls } = config.listen;
  if (!tls && !isLoopback(host))
    throw new OperatorError(`Without TLS the service listens on loopback only, not on ${host}`);
  if (config.metrics.anonymous && !isLoopback(host)) {
    throw new OperatorError('Anonymous metrics are for a service on loopback only');
  }
  for (const issuer of config.issuers) assertIssuer(issuer);
  const names = [config.external_url, `${config.external_url}/dev`, ...config.issuers.map(({ issuer }) => issuer)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new OperatorError(`The issuer ${twice} stands twice, or is the service itself`);
  return config;
}

/** Whether a host is a loopback address. */
export function isLoopback(host: string): boolean {
  return loopback.test(host.replace(/^\[|\]$/g, ''));
}

/** What `aud` of access tokens must hold. */
export function audienceOf({ audience, external_url }: Config): string {
  return audience ?? external_url;
}

function assertIssuer({ issuer, jwks, jwks_uri, roles: rules, ...exchange }: IssuerConfig): void {
  if ((jwks === undefined) === (jwks_uri === undefined)) {
    throw new OperatorError(`The issuer ${issuer} needs jwks or jwks_uri, one of them`);
  }
  const symmetric = jwks?.keys.some((key) => key['kty'] === 'oct' || 'd' in key);
  if (symmetric) throw new OperatorError(`The issuer ${issuer} has a secret key in jwks: it takes public ones`);
  for (const key of jwks?.keys ?? []) {
    if (!isPublicKey(key))
      throw new OperatorError(`The issuer ${issuer} has a key in jwks without kid, or that is none`);
  }
  if (exchange.exchange_only && exchange.exchange_audience === undefined) {
    throw new OperatorError(`The issuer ${issuer} is for exchange only, and has no exchange_audience`);
  }
  const known: readonly string[] = roles;
  const unknown = rules.flatMap((rule) => rule.roles).filter((role) => !known.includes(role) && !role.startsWith('x-'));
  if (unknown.length > 0) throw new OperatorError(`There is no role ${unknown[0]}; roles of your own start with x-`);
}

function isPublicKey(jwk: Readonly<Record<string, unknown>>): boolean {
  try {
    return typeof jwk['kid'] === 'string' && createPublicKey({ key: jwk, format: 'jwk' }).type === 'public';
  } catch {
    return false;
  }
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

function isSafeUrl(text: string): boolean {
  const { protocol, hostname, search, hash, username } = new URL(text);
  const plain = search === '' && hash === '' && username === '' && !text.endsWith('/');
  return plain && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)));
}

function withPaths(config: Config, folder: string): Config {
  const at = (path: string): string => resolve(folder, path);
  const source = (key: Config['root_key']) => ('file' in key ? { file: at(key.file) } : key);
  const { listen, store, policies, checkpoint_file } = config;
  return {
    ...config,
    listen: listen.tls ? { ...listen, tls: { cert: at(listen.tls.cert), key: at(listen.tls.key) } } : listen,
    store: 'sqlite' in store ? { sqlite: at(store.sqlite) } : store,
    root_key: source(config.root_key),
    previous_root_keys: config.previous_root_keys.map(source),
    ...(policies === undefined ? {} : { policies: at(policies) }),
    ...(checkpoint_file === undefined ? {} : { checkpoint_file: at(checkpoint_file) }),
  };
}
