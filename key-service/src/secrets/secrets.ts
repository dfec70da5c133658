/** The secrets that the service itself works with, sealed under the root key, `docs/key-service.md` §11.1. */

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { sha256 } from '../crypto/digest.ts';
import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, decodeUtf8, encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import type { RootKey, SecretName } from '../seals/root-key.ts';
import type { OpenSecret, SecretRow, Store } from '../store/store.ts';

/** All secrets but the KEKs and the transport keys. */
export interface Secrets {
  /** ES384; what clients pin. */
  readonly identity: KeyObject;
  /** Ed25519; signs checkpoints. */
  readonly log: KeyObject;
  /** What came before `log`, newest first. */
  readonly previousLogs: readonly PreviousLog[];
  /** ES256; signs exchanged tokens. */
  readonly token: KeyObject;
  /** ES256; signs the tokens of the development issuer. */
  readonly dev: KeyObject;
  readonly rowMac: Bytes;
  readonly contextMac: Bytes;
  readonly nonceMac: Bytes;
}

/** A key of the log that a recovery replaced, and what went with it. */
export interface PreviousLog {
  /** §8.5 */
  readonly verifier_key: string;
  /** Entries that the log had: what the key signs beyond them is forged. */
  readonly size: number;
  /** Fingerprint of the key of the MACs over rows, which must never be in force again. */
  readonly rows: string;
}

/** New secrets, and the one that rows must have their MACs under from then on. */
export interface ReplacementSecrets {
  readonly rows: readonly SecretRow[];
  readonly rowMac: Bytes;
}

type SecretMember = Exclude<keyof Secrets, 'previousLogs'>;

const names = {
  identity: { kind: 'identity', name: 'es384' },
  log: { kind: 'log', name: 'ed25519' },
  token: { kind: 'token', name: 'es256' },
  dev: { kind: 'dev', name: 'es256' },
  rowMac: { kind: 'mac', name: 'rows' },
  contextMac: { kind: 'mac', name: 'contexts' },
  nonceMac: { kind: 'mac', name: 'nonces' },
} as const satisfies Record<SecretMember, SecretName>;

/** Makes the secrets that a new database lacks. Where several replicas do it at once, those of one win. */
export async function createSecrets(store: Store, rootKey: RootKey): Promise<void> {
  const present = new Set((await store.secrets()).map(({ kind, name }) => `${kind}/${name}`));
  // A database that has lost some is damaged: new ones would hide that.
  if (present.size > 0) return;
  const rows = Object.entries(names).map(async ([member, secretName]) => {
    const sealed = await rootKey.seal(secretName, generate(member as SecretMember));
    return { ...secretName, sealed };
  });
  await store.addSecrets(await Promise.all(rows));
}

/**
 * New secrets in place of all that a thief of database and root key knows, except the KEKs. The old key of the log goes into the secret of the new one:
 * nobody who writes to the database can put one back without the other.
 */
export async function replacementSecrets(
  rootKey: RootKey,
  { rowMac, previousLogs }: Secrets,
  log: { readonly verifierKey: string; readonly size: number },
): Promise<ReplacementSecrets> {
  const retired = { verifier_key: log.verifierKey, size: log.size, rows: encodeBase64url(sha256(rowMac)) };
  const next = generate('rowMac');
  const rows = (Object.keys(names) as SecretMember[]).map(async (member) => {
    let secret = member === 'rowMac' ? next : generate(member);
    if (member === 'log') secret = withPrevious(secret, [retired, ...previousLogs]);
    return { ...names[member], sealed: await rootKey.seal(names[member], secret) };
  });
  return { rows: await Promise.all(rows), rowMac: next };
}

/** Opens sealed secrets for the store, which knows no root key. */
export function openerOf(rootKey: RootKey): OpenSecret {
  return ({ kind, name, sealed }) => rootKey.open({ kind, name } as SecretName, sealed);
}

/** Opens the secrets, and unlocks the store with one of them. */
export async function openSecrets(store: Store, rootKey: RootKey): Promise<Secrets> {
  const found = await store.secrets();
  const open = async (member: SecretMember): Promise<Bytes> => {
    const { kind, name } = names[member];
    const row = found.find((candidate) => candidate.kind === kind && candidate.name === name);
    if (!row) throw new OperatorError(`The database has no secret ${kind}: run \`bulla-key-service init\``);
    return rootKey.open(names[member], row.sealed);
  };
  const json = async (member: SecretMember) => JSON.parse(decodeUtf8(await open(member)) ?? '');
  const key = async (member: SecretMember): Promise<KeyObject> => {
    return createPrivateKey({ key: await json(member), format: 'jwk' });
  };
  const { previous = [], ...log } = await json('log');
  const secrets: Secrets = {
    identity: await key('identity'),
    log: createPrivateKey({ key: log, format: 'jwk' }),
    previousLogs: previous,
    token: await key('token'),
    dev: await key('dev'),
    rowMac: await open('rowMac'),
    contextMac: await open('contextMac'),
    nonceMac: await open('nonceMac'),
  };
  const rows = encodeBase64url(sha256(secrets.rowMac));
  if (secrets.previousLogs.some((retired) => retired.rows === rows)) {
    throw new IntegrityError('The key of the MACs over rows is one that a recovery replaced: it was put back');
  }
  store.unlock(secrets.rowMac);
  return secrets;
}

function generate(member: SecretMember): Bytes {
  if (member.endsWith('Mac')) return new Uint8Array(randomBytes(32));
  if (member === 'log') return jwk(generateKeyPairSync('ed25519').privateKey);
  const namedCurve = member === 'identity' ? 'P-384' : 'P-256';
  return jwk(generateKeyPairSync('ec', { namedCurve }).privateKey);
}

function withPrevious(log: Bytes, previous: readonly PreviousLog[]): Bytes {
  return encodeUtf8(JSON.stringify({ ...JSON.parse(decodeUtf8(log) ?? ''), previous }));
}

function jwk(key: KeyObject): Bytes {
  return encodeUtf8(JSON.stringify(key.export({ format: 'jwk' })));
}
