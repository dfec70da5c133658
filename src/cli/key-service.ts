/** The key service that a configuration file names, as a client and as a keyring. */

import { spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import secureDefaults from 'node:tls';
import type { JWK } from 'jose';
import type { Keyring } from '../keyrings/keyring.ts';
import { serviceKeyring } from '../keyrings/service.ts';
import { assert } from '../lib/assert.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import { reasonOf } from '../node/system-error.ts';
import { type TlsFetch, tlsFetch } from '../node/tls-fetch.ts';
import { createKeyServiceClient, type KeyServiceClient } from '../service/client.ts';
import type { TokenRequest, TokenSource } from '../service/token.ts';
import { type ClientCredentialsOptions, clientCredentialsToken } from '../service/tokens/client-credentials.ts';
import { developmentToken, exchangedToken } from '../service/tokens/exchange.ts';
import { serviceAccountToken } from '../service/tokens/service-account.ts';
import type { KeyContext } from '../types.ts';
import type { Arguments } from './arguments.ts';
import { FileError, UsageError } from './failure.ts';
import { readText } from './text-file.ts';

/** A key service, ready to use. */
export interface ServiceAccess {
  readonly client: KeyServiceClient;
  /** The key of the configuration, or of `--service-key`. Throws a {@link UsageError} where neither names one. */
  keyId(): string;
  /** The key context of the configuration with that of `--key-context`. */
  keyContext(): KeyContext;
  /** The keyring of both. */
  keyring(): Keyring;
  /** The keyring of what the configuration names, where options name something else. */
  configuredKeyring(): readonly Keyring[];
}

/** The configuration file, as `docs/cli.md` describes it. */
interface Configuration {
  readonly url: string;
  readonly pin?: string;
  readonly key?: string;
  readonly keyContext?: Record<string, string>;
  readonly tls?: { readonly ca?: string; readonly pins?: readonly string[] };
  readonly token: TokenConfiguration;
}

const members = ['url', 'pin', 'key', 'keyContext', 'tls', 'token'];
const tlsMembers = ['ca', 'pins'];
const tokenSources = ['command', 'clientCredentials', 'serviceAccount', 'developmentUser'];
const tokenMembers = [...tokenSources, 'exchange'];

/** One of its members says where tokens come from, and `exchange` goes with one of them. */
interface TokenConfiguration {
  readonly command?: readonly string[];
  /** With `command`: what it prints is exchanged for a token that is bound. */
  readonly exchange?: boolean;
  readonly clientCredentials?: Omit<ClientCredentialsOptions, 'key'> & { readonly keyFile: string };
  readonly serviceAccount?: { issuer: string; subject: string; tenant: string; keyFile: string; claims?: object };
  readonly developmentUser?: string;
}

const maxTokenLength = 65_536;
const commandTimeout = 60_000;

const opened = new WeakMap<Arguments, Promise<ServiceAccess>>();

/** The key service that `--key-service` names, one for a call, so that data keys that go from its keys to its keys stay in it. Rejects with a {@link FileError} for a file that is no configuration. */
export function openKeyService(args: Arguments): Promise<ServiceAccess> {
  const access = opened.get(args) ?? open(args);
  opened.set(args, access);
  return access;
}

async function open(args: Arguments): Promise<ServiceAccess> {
  const path = args.get('key-service') as string;
  const configuration = await readConfiguration(path);
  const { url, pin, key, keyContext = {}, tls, token } = configuration;
  // Of this process, which is the command line's alone; Node itself would speak 1.2.
  secureDefaults.DEFAULT_MIN_VERSION = 'TLSv1.3';
  const development = token.developmentUser !== undefined;
  const fetch = tls === undefined ? {} : { fetch: await fetchBy(tls, dirname(path)) };
  const jwk = await readKeyOf(token, path);
  const client = inConfiguration(path, () =>
    createKeyServiceClient({
      url,
      pin,
      // A development user's service is on loopback. The client refuses any other without a pin.
      ...(development && pin === undefined && { unsafeUnpinned: true }),
      ...fetch,
      tokenSource: tokenSource(token, jwk),
    }),
  );
  const keyId = () => {
    const given = args.get('service-key') ?? key;
    if (given === undefined) throw new UsageError(`Say which key with --service-key, or with "key" in ${path}`);
    return given;
  };
  const mode = args.has('offline') ? 'offline' : 'online';
  const merged = () => ({ ...keyContext, ...args.pairs('key-context') });
  const configured = () =>
    key === undefined ? [] : [inConfiguration(path, () => serviceKeyring({ client, keyId: key, keyContext }))];
  return {
    client,
    keyId,
    keyContext: merged,
    keyring: () =>
      inConfiguration(args.given('service-key') ? '--service-key' : path, () =>
        serviceKeyring({ client, keyId: keyId(), keyContext: merged(), mode }),
      ),
    configuredKeyring: () => (args.given('service-key') || args.given('key-context') ? configured() : []),
  };
}

/** A value that the SDK refuses is told with the place where it stands. */
function inConfiguration<Result>(place: string, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError) || 'code' in error) throw error;
    throw new FileError('ERR_CONFIGURATION', `${place}: ${error.message}`);
  }
}

async function fetchBy({ ca, pins }: NonNullable<Configuration['tls']>, folder: string): Promise<TlsFetch> {
  return tlsFetch({ ...(ca !== undefined && { ca: await readText(resolve(folder, ca)) }), pins });
}

async function readConfiguration(path: string): Promise<Configuration> {
  const text = await readText(path);
  const wrong = (what: string) => new FileError('ERR_CONFIGURATION', `${path} ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('is not JSON');
  }
  if (!isObject(value)) throw wrong('is no configuration');
  const { token, tls = {}, keyContext = {} } = value;
  const unknown = Object.keys(value).find((name) => !members.includes(name));
  if (unknown !== undefined) throw wrong(`has the unknown member ${JSON.stringify(unknown)}`);
  if (!isObject(tls) || !isObject(keyContext)) throw wrong('must have objects as "tls" and "keyContext"');
  if (!isObject(token)) throw wrong('does not say where tokens come from: "token"');
  for (const [name, part, known] of [
    ['tls', tls, tlsMembers],
    ['token', token, tokenMembers],
  ] as const) {
    const other = Object.keys(part).find((member) => !known.includes(member));
    if (other !== undefined) throw wrong(`has the unknown member ${JSON.stringify(other)} in "${name}"`);
  }
  assertOneSource(token, path);
  return value as unknown as Configuration;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function assertOneSource(token: Record<string, unknown>, path: string): void {
  const wrong = (what: string) => new FileError('ERR_CONFIGURATION', `"token" in ${path} ${what}`);
  const [first, second] = tokenSources.filter((name) => token[name] !== undefined);
  if (first === undefined) throw wrong(`has none of ${tokenSources.join(', ')}`);
  if (second !== undefined) throw wrong(`has both ${first} and ${second}: tokens come from one of them`);
  if (token['exchange'] === undefined) return;
  if (first !== 'command') throw wrong('has exchange, which goes with command');
  if (typeof token['exchange'] !== 'boolean') throw wrong('has an exchange that is not true or false');
}

/** The private key that a token configuration names, or `undefined`. */
async function readKeyOf({ clientCredentials, serviceAccount }: TokenConfiguration, path: string) {
  const file: unknown = (clientCredentials ?? serviceAccount)?.keyFile;
  if (clientCredentials === undefined && serviceAccount === undefined) return undefined;
  if (typeof file !== 'string') throw new FileError('ERR_CONFIGURATION', `${path}: keyFile must be the name of a file`);
  return readJwk(resolve(dirname(path), file));
}

function tokenSource(token: TokenConfiguration, jwk: JWK | undefined): TokenSource {
  const { command, exchange = false, clientCredentials, serviceAccount, developmentUser } = token;
  if (command !== undefined) {
    const isCommand = Array.isArray(command) && command.length > 0 && command.every((part) => typeof part === 'string');
    assert(isCommand, 'token.command', 'an array of a program and its arguments');
    if (!exchange) return (request) => runCommand(command, request);
    return (request) => exchangedToken({ subjectToken: () => runCommand(command, request) })(request);
  }
  if (clientCredentials !== undefined) {
    const { keyFile: _, ...rest } = clientCredentials;
    return clientCredentialsToken({ ...rest, key: { jwk: jwk as JWK } });
  }
  if (serviceAccount !== undefined) {
    const { keyFile: _, claims = {}, ...rest } = serviceAccount;
    return serviceAccountToken({ ...rest, claims: { ...claims }, key: { jwk: jwk as JWK } });
  }
  return developmentToken(developmentUser as string);
}

async function readJwk(path: string): Promise<JWK> {
  const text = await readText(path);
  try {
    const jwk = JSON.parse(text);
    if (typeof jwk.d === 'string') return jwk;
  } catch {
    // Said below, without a word of what stands there.
  }
  throw new FileError('ERR_CONFIGURATION', `${path} is no private JWK`);
}

/**
 * What a command prints. It learns from its environment which key the token must be bound to, and for whom it is. What it says on standard error is seen; what it printed is
 * never repeated, since it may be a token.
 */
function runCommand(
  command: readonly string[],
  { proofKey, audience, serviceUrl, signal }: TokenRequest,
): Promise<string> {
  const [program, ...args] = command as [string, ...string[]];
  const env = { ...process.env, BULLA_PROOF_KEY: proofKey, BULLA_AUDIENCE: audience, BULLA_SERVICE_URL: serviceUrl };
  return new Promise((done, fail) => {
    const failure = (why: string) =>
      fail(new FileError('ERR_TOKEN_COMMAND', `There is no access token: the command ${program} ${why}`));
    const child = spawn(program, args, { env, signal, timeout: commandTimeout, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = Buffer.alloc(0);
    child.stdout.on('data', (chunk: Buffer) => {
      printed = Buffer.concat([printed, chunk]);
      if (printed.byteLength <= maxTokenLength) return;
      failure(`failed: it printed more than ${maxTokenLength} bytes`);
      child.kill();
    });
    child.on('error', (error: NodeJS.ErrnoException) => failure(`failed: ${reasonOf(error)} (${error.code})`));
    // Not at the end of its output, which another process may hold open.
    child.on('exit', (code, endedBy) => {
      if (code !== 0) failure(`failed: ${code === null ? `it was ended by ${endedBy}` : `exit code ${code}`}`);
    });
    child.on('close', () => {
      const token = decodeUtf8(printed);
      if (token === undefined) failure('failed: what it printed is not UTF-8');
      else done(token.trim());
    });
  });
}
