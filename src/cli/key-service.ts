/** The key service that a configuration file names, as a client and as a keyring. */

import { execFile } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import secureDefaults from 'node:tls';
import type { JWK } from 'jose';
import type { Keyring } from '../keyrings/keyring.ts';
import { serviceKeyring } from '../keyrings/service.ts';
import { assert } from '../lib/assert.ts';
import { type TlsFetch, tlsFetch } from '../node/tls-fetch.ts';
import { createKeyServiceClient, type KeyServiceClient } from '../service/client.ts';
import type { TokenRequest, TokenSource } from '../service/token.ts';
import { type ClientCredentialsOptions, clientCredentialsToken } from '../service/tokens/client-credentials.ts';
import { developmentToken, exchangedToken } from '../service/tokens/exchange.ts';
import { serviceAccountToken } from '../service/tokens/service-account.ts';
import type { Arguments } from './arguments.ts';
import { FileError, UsageError } from './failure.ts';
import { readText } from './text-file.ts';

/** A key service, ready to use. */
export interface ServiceAccess {
  readonly client: KeyServiceClient;
  /** The key of the configuration, or of `--service-key`. Throws a {@link UsageError} where neither names one. */
  keyId(): string;
  /** The keyring of that key. */
  keyring(): Keyring;
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

/** One of its members says where tokens come from. */
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
      tokenSource: tokenSource(token, jwk, path),
    }),
  );
  const keyId = () => {
    const given = args.get('service-key') ?? key;
    if (given === undefined) throw new UsageError(`Say which key with --service-key, or with "key" in ${path}`);
    return given;
  };
  return {
    client,
    keyId,
    keyring: () =>
      inConfiguration(args.given('service-key') ? '--service-key' : path, () =>
        serviceKeyring({
          client,
          keyId: keyId(),
          keyContext: { ...keyContext, ...args.pairs('key-context') },
          mode: args.has('offline') ? 'offline' : 'online',
        }),
      ),
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
  if (typeof value !== 'object' || value === null) throw wrong('is no configuration');
  const { token } = value as Partial<Configuration>;
  const unknown = Object.keys(value).find((name) => !members.includes(name));
  if (unknown !== undefined) throw wrong(`has the unknown member ${JSON.stringify(unknown)}`);
  if (typeof token !== 'object' || token === null) throw wrong('does not say where tokens come from: "token"');
  return value as Configuration;
}

/** The private key that a token configuration names, or `undefined`. */
async function readKeyOf({ clientCredentials, serviceAccount }: TokenConfiguration, path: string) {
  const file: unknown = (clientCredentials ?? serviceAccount)?.keyFile;
  if (clientCredentials === undefined && serviceAccount === undefined) return undefined;
  if (typeof file !== 'string') throw new FileError('ERR_CONFIGURATION', `${path}: keyFile must be the name of a file`);
  return readJwk(resolve(dirname(path), file));
}

function tokenSource(token: TokenConfiguration, jwk: JWK | undefined, path: string): TokenSource {
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
  if (developmentUser !== undefined) return developmentToken(developmentUser);
  const names = 'command, clientCredentials, serviceAccount or developmentUser';
  throw new FileError('ERR_CONFIGURATION', `"token" in ${path} has none of ${names}`);
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

/** What a command prints. It learns from its environment which key the token must be bound to, and for whom it is. */
function runCommand(
  command: readonly string[],
  { proofKey, audience, serviceUrl, signal }: TokenRequest,
): Promise<string> {
  const [program, ...args] = command as [string, ...string[]];
  const env = { ...process.env, BULLA_PROOF_KEY: proofKey, BULLA_AUDIENCE: audience, BULLA_SERVICE_URL: serviceUrl };
  const limits = { maxBuffer: maxTokenLength, timeout: commandTimeout };
  return new Promise((done, fail) => {
    // What it printed is not repeated: it may be a token.
    const failure = () =>
      fail(new FileError('ERR_TOKEN_COMMAND', `There is no access token: the command ${program} failed`));
    execFile(program, args, { env, signal, ...limits }, (error, stdout) => {
      if (error !== null) failure();
      else done(stdout.trim());
    });
  });
}
