/** The secrets that the service itself works with, sealed under the root key, `docs/key-service.md` §11.1. */

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import { type Bytes, decodeUtf8, encodeUtf8 } from '../lib/bytes.ts';
import type { SecretRow, Store } from '../store/store.ts';
import type { RootKey, SecretName } from './root-key.ts';

/** All secrets but the KEKs and the transport keys. */
export interface Secrets {
  /** ES384; what clients pin. */
  readonly identity: KeyObject;
  /** Ed25519; signs checkpoints. */
  readonly log: KeyObject;
  /** ES256; signs exchanged tokens. */
  readonly token: KeyObject;
  /** ES256; signs the tokens of the development issuer. */
  readonly dev: KeyObject;
  readonly rowMac: Bytes;
  readonly contextMac: Bytes;
  readonly nonceMac: Bytes;
}

const names = {
  identity: { kind: 'identity', name: 'es384' },
  log: { kind: 'log', name: 'ed25519' },
  token: { kind: 'token', name: 'es256' },
  dev: { kind: 'dev', name: 'es256' },
  rowMac: { kind: 'mac', name: 'rows' },
  contextMac: { kind: 'mac', name: 'contexts' },
  nonceMac: { kind: 'mac', name: 'nonces' },
} as const satisfies Record<keyof Secrets, SecretName>;

/** Makes the secrets that a new database lacks. Where several replicas do it at once, those of one win. */
export async function createSecrets(store: Store, rootKey: RootKey): Promise<void> {
  const present = new Set((await store.secrets()).map(({ kind, name }) => `${kind}/${name}`));
  // A database that has lost some is damaged: new ones would hide that.
  if (present.size > 0) return;
  const rows = Object.entries(names).map(async ([member, secretName]) => {
    const sealed = await rootKey.seal(secretName, generate(member as keyof Secrets));
    return { ...secretName, sealed };
  });
  await store.addSecrets(await Promise.all(rows));
}

/** New secrets in place of those that whoever has both database and root key could use against callers; all but the keys of the log and of MACs over rows. */
export async function replacementSecrets(rootKey: RootKey): Promise<SecretRow[]> {
  const members = ['identity', 'token', 'dev', 'nonceMac'] as const;
  return Promise.all(
    members.map(async (member) => ({ ...names[member], sealed: await rootKey.seal(names[member], generate(member)) })),
  );
}

/** Opens the secrets, and unlocks the store with one of them. */
export async function openSecrets(store: Store, rootKey: RootKey): Promise<Secrets> {
  const rows = await store.secrets();
  const open = async (member: keyof Secrets): Promise<Bytes> => {
    const { kind, name } = names[member];
    const row = rows.find((candidate) => candidate.kind === kind && candidate.name === name);
    if (!row) throw new OperatorError(`The database has no secret ${kind}: run \`bulla-key-service init\``);
    return rootKey.open(names[member], row.sealed);
  };
  const key = async (member: keyof Secrets): Promise<KeyObject> => {
    return createPrivateKey({ key: JSON.parse(decodeUtf8(await open(member)) ?? ''), format: 'jwk' });
  };
  const secrets: Secrets = {
    identity: await key('identity'),
    log: await key('log'),
    token: await key('token'),
    dev: await key('dev'),
    rowMac: await open('rowMac'),
    contextMac: await open('contextMac'),
    nonceMac: await open('nonceMac'),
  };
  store.unlock(secrets.rowMac);
  return secrets;
}

function generate(member: keyof Secrets): Bytes {
  if (member.endsWith('Mac')) return new Uint8Array(randomBytes(32));
  if (member === 'log') return jwk(generateKeyPairSync('ed25519').privateKey);
  const namedCurve = member === 'identity' ? 'P-384' : 'P-256';
  return jwk(generateKeyPairSync('ec', { namedCurve }).privateKey);
}

function jwk(key: KeyObject): Bytes {
  return encodeUtf8(JSON.stringify(key.export({ format: 'jwk' })));
}
