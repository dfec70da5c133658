// The simulated compromise: what a thief opens with the database, with the root key and with both, knowing the documents alone; and the recovery.

import type { JsonWebKey } from 'node:crypto';
import { createDecipheriv, createECDH, createPrivateKey, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signCheckpoint } from '../../src/audit/note.ts';
import type { KeyRecord, VersionState } from '../../src/model/keys.ts';
import { rowOf } from '../../src/store/rows.ts';
import type { KeyRow, VersionRow } from '../../src/store/tables.ts';
import { isContinued, openCheckpoint } from '../reference-client/audit.ts';
import { wrapOffline } from '../reference-client/client.ts';
import type { Discovery, Item } from '../reference-client/documents.ts';
import {
  concat,
  derive,
  lp,
  map,
  open,
  seal,
  signJws,
  thumbprint,
  u16,
  u32,
  unb64,
} from '../reference-client/encodings.ts';
import { runCommand } from '../reference-client/running-service.ts';
import { ProofKey, verdict } from './support/raw.ts';
import { answers, externalUrl, type Key, only, outcome, World } from './support/world.ts';

/** Opens a secret at rest (§11.1). */
function openAtRest(rootKey: Uint8Array, kind: string, name: string, sealed: Uint8Array): Buffer {
  const key = derive(rootKey, sealed.subarray(9, 41), 'bulla/v1 root', [kind, name], 32);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAAD(concat(lp(kind), lp(name))).setAuthTag(sealed.subarray(-16));
  return concat(decipher.update(sealed.subarray(41, -16)), decipher.final());
}

/** The material of a version, out of a database file (§11.1). */
function materialOf(file: string, rootKey: Uint8Array, { key_id, tenant }: Key, version: number): Buffer {
  const database = new DatabaseSync(file, { readOnly: true });
  const row = database
    .prepare('select material from key_versions where key_id = ? and version = ?')
    .get(key_id, version);
  database.close();
  return openAtRest(rootKey, 'kek', `${tenant}/${key_id}/${version}`, row?.['material'] as Uint8Array);
}

/** Unwraps what the service wrapped (§5.3) or a client offline (§5.4, format.md §8.2), with stolen material. */
function unwrapAsThief(material: Buffer, { key_id, tenant }: Key, item: Item): Buffer {
  const { version = 0, method = 'service', key_context = {}, wrapped_key = '' } = item;
  const bytes = unb64(wrapped_key);
  const binding = concat(...[method, u16(1), 'keys', key_id, u32(version), map(key_context)].map(lp));
  if (method === 'service') {
    const key = derive(material.subarray(0, 32), bytes.subarray(1, 33), 'bulla/v1 service wrap', [tenant, binding], 32);
    return open(key, 0, binding, bytes.subarray(33));
  }
  const pair = createECDH('secp384r1');
  pair.setPrivateKey(material.subarray(32));
  const z = pair.computeSecret(bytes.subarray(0, 97));
  const fields = [bytes.subarray(0, 97), pair.getPublicKey(), binding];
  return open(derive(z, Buffer.alloc(0), 'bulla/v1 service-ecdh', fields, 32), 0, binding, bytes.subarray(97));
}

const rootKeyOf = (file: string): Buffer => unb64(readFileSync(file, 'utf8').trim().replace('bullaroot1.', ''));

let world: World;
let key: Key;
let online: Item;
let offline: Item;
let dataKey: Buffer;
let message: Buffer;
let stolenDatabase: string;
let stolenRootKey: Buffer;
let oldNote: string;
const offlineKey = randomBytes(32);
const plaintext = Buffer.from('meet me at the old mill at noon.');
const key_context = { purpose: 'letters' };

beforeAll(async () => {
  world = await World.start();
  key = await world.createKey();
  const alice = world.client('alice@north');
  const generated = await only(alice, 'generate-data-key', { key_context }, key.key_id);
  dataKey = generated.data_key ?? Buffer.alloc(0);
  online = { version: 1, key_context, wrapped_key: generated.wrapped_key };
  offline = wrapOffline(await alice.publicKey(key.key_id), key_context, offlineKey);
  message = seal(dataKey, 0, Buffer.alloc(0), plaintext);
  stolenDatabase = world.copyDatabase('stolen.sqlite');
  stolenRootKey = rootKeyOf(world.path('root.key'));
});

afterAll(() => world?.remove());

describe('with the database alone', () => {
  it('no sealed value opens, whatever public value is tried as the root key', () => {
    const database = new DatabaseSync(stolenDatabase, { readOnly: true });
    const secrets = database.prepare('select kind, name, sealed from secrets').all();
    const rows = database.prepare('select * from states, keys, key_versions').all();
    database.close();
    const texts = rows.flatMap((row) => Object.values(row)).filter((value) => typeof value === 'string');
    const guesses = [Buffer.alloc(32), Buffer.alloc(32, 0xff), ...texts.map((text) => Buffer.from(text, 'base64url'))];
    expect(secrets.length).toBeGreaterThan(3);
    for (const guess of guesses) {
      expect(() => materialOf(stolenDatabase, guess, key, 1)).toThrow();
      for (const { kind, name, sealed } of secrets) {
        expect(() => openAtRest(guess, String(kind), String(name), sealed as Uint8Array)).toThrow();
      }
    }
  });

  it('a service on it with another root key does not start', async () => {
    const thief = World.create();
    thief.putDatabase(stolenDatabase);
    expect(await thief.refusal()).toMatch(/root key/);
    await thief.remove();
  });
});

describe('with the root key alone', () => {
  it('a new service under it opens nothing that was wrapped', async () => {
    const thief = World.create([], {}, readFileSync(world.path('root.key'), 'utf8'));
    await thief.start();
    const theirs = await thief.createKey();
    for (const item of [online, offline]) {
      const { key: _, ...rest } = item;
      expect(outcome(await only(thief.client('alice@north'), 'unwrap', rest, theirs.key_id))).toBe('422 unwrap-failed');
      const material = concat(stolenRootKey, stolenRootKey, Buffer.alloc(16, 1));
      expect(() => unwrapAsThief(material, key, item)).toThrow();
    }
    await thief.remove();
  });
});

describe('with both', () => {
  it('every key opens, and every message: this is what the recovery is for', () => {
    const material = materialOf(stolenDatabase, stolenRootKey, key, 1);
    expect(material).toHaveLength(80);
    expect(unwrapAsThief(material, key, online)).toEqual(dataKey);
    expect(unwrapAsThief(material, key, offline)).toEqual(offlineKey);
    expect(open(unwrapAsThief(material, key, online), 0, Buffer.alloc(0), message)).toEqual(plaintext);
  });

  it('the thief can sign tokens of the service, for any tenant and role', async () => {
    const key = new ProofKey();
    expect(await verdict(world.running.url, { key, token: forgedToken(key.jkt) })).toBe('200 ok');
  });

  it('the thief can write states that the service believes', async () => {
    const thief = World.create([], {}, readFileSync(world.path('root.key'), 'utf8'));
    thief.putDatabase(stolenDatabase);
    forgeKey(thief, key.key_id, { disabled: true });
    expect(await answers(thief, [['unwrap', online, key.key_id]])).toEqual(['423 key-disabled']);
    await thief.remove();
  });

  it('the thief can pretend to be the service to clients that pin the old identity', async () => {
    const identity = stolenIdentity();
    expect(thumbprint(identity)).toBe(world.running.pin);
    await expect(impersonate(identity, world.running.pin)).resolves.toBe('believed');
  });
});

describe('the recovery', () => {
  let recovered: Key;
  let rewrapped: Item;

  it('§12 a new root key: the old one opens nothing of the database any more', async () => {
    await world.stop();
    expect(world.run('root-key rotate', '--new', makeRootKey('new.key')).status).toBe(0);
    world.configure({ root_key: { file: 'new.key' } });
    const now = world.copyDatabase('now.sqlite');
    expect(() => materialOf(now, stolenRootKey, key, 1)).toThrow();
    expect(materialOf(now, rootKeyOf(world.path('new.key')), key, 1)).toHaveLength(80);
    await world.start();
  });

  it('§12 rotation, the old version compromised, rewrap: what the thief has opens nothing that is new', async () => {
    recovered = await world.change(key.key_id, 'mark-compromised', { version: 1 });
    expect(recovered.newest_version).toBe(2);
    const recoverer = world.client('recoverer@north');
    const { version, wrapped_key } = await only(recoverer, 'rewrap', online, key.key_id);
    rewrapped = { version, key_context, wrapped_key };
    const alice = world.client('alice@north');
    expect(outcome(await only(alice, 'unwrap', online, key.key_id))).toBe('423 version-unavailable');
    expect((await only(alice, 'unwrap', rewrapped, key.key_id)).data_key).toEqual(dataKey);
    const material = materialOf(stolenDatabase, stolenRootKey, key, 1);
    expect(() => unwrapAsThief(material, key, rewrapped)).toThrow();
    expect(() => unwrapAsThief(material, key, { ...rewrapped, version: 1 })).toThrow();
    const now = world.copyDatabase('later.sqlite');
    expect(() => materialOf(now, stolenRootKey, key, 2)).toThrow();
  });

  it('§12 rewrapping alone is not enough; a message that was re-encrypted is out of reach', async () => {
    const material = materialOf(stolenDatabase, stolenRootKey, key, 1);
    // The data key is the same as before: who unwrapped it once still reads the message.
    expect(open(unwrapAsThief(material, key, online), 0, Buffer.alloc(0), message)).toEqual(plaintext);
    const alice = world.client('alice@north');
    const fresh = await only(alice, 'generate-data-key', { key_context }, key.key_id);
    const again = seal(fresh.data_key ?? Buffer.alloc(0), 0, Buffer.alloc(0), plaintext);
    const item = { version: 2, key_context, wrapped_key: fresh.wrapped_key };
    expect(() => unwrapAsThief(material, key, item)).toThrow();
    expect(() => open(dataKey, 0, Buffer.alloc(0), again)).toThrow();
    const opened = await only(alice, 'unwrap', item, key.key_id);
    expect(open(opened.data_key ?? Buffer.alloc(0), 0, Buffer.alloc(0), again)).toEqual(plaintext);
  });

  it('§11.5 the stolen database cannot be put back', async () => {
    await world.stop();
    const now = world.copyDatabase('whole.sqlite');
    world.putDatabase(stolenDatabase);
    expect(await world.refusal()).not.toBe('');
    world.configure({ root_key: { file: 'root.key' } });
    expect(await world.refusal()).toMatch(/older than the checkpoint/);
    world.configure({ root_key: { file: 'new.key' } });
    world.putDatabase(now);
    await world.start();
    expect(world.run('audit verify', '--checkpoint', world.path('checkpoint')).status).toBe(0);
  });

  it('§12 a new identity: who pins it does not believe the thief', async () => {
    const old = stolenIdentity();
    await world.stop();
    oldNote = readFileSync(world.path('checkpoint'), 'utf8');
    const { status, output } = world.run('identity rotate');
    await world.start();
    expect(output, 'a command that makes a new identity').not.toMatch(/^bulla-key-service <command>/);
    expect(status).toBe(0);
    expect(world.running.pin).not.toBe(thumbprint(old));
    await expect(impersonate(old, world.running.pin)).rejects.toThrow('another identity');
  });

  it('§12 tokens that the thief signs with the stolen key of the service are refused', async () => {
    const key = new ProofKey();
    expect(await verdict(world.running.url, { key, token: forgedToken(key.jkt) })).toMatch(
      /^401 token-(key|signature)$/,
    );
  });
});

describe('after the recovery, with what was stolen', () => {
  let good: string;
  let checkpoint: string;
  const putGood = (): void => {
    world.putDatabase(good);
    writeFileSync(world.path('checkpoint'), checkpoint);
  };
  const putBack = (name: string): void => {
    const source = new DatabaseSync(world.path('now.sqlite'), { readOnly: true });
    const row = source.prepare('select sealed from secrets where name = ?').get(name);
    source.close();
    world.database((database) => {
      database.prepare('update secrets set sealed = ? where name = ?').run(row?.['sealed'] as Uint8Array, name);
    });
  };
  const unwrapCompromised = () => answers(world, [['unwrap', online, key.key_id]]);

  beforeAll(async () => {
    await world.stop();
    good = world.copyDatabase('recovered.sqlite');
    checkpoint = readFileSync(world.path('checkpoint'), 'utf8');
  });

  it('§11.2 a state under the stolen MAC key is found', async () => {
    forgeKey(world, key.key_id, { state: 'decrypt-only' });
    expect((await unwrapCompromised())[0]).toMatch(/^(refused|503 unavailable)/);
    expect(world.run('audit verify').status).toBe(1);
    putGood();
    expect(await unwrapCompromised()).toEqual(['423 version-unavailable']);
  });

  it('§12.4 the stolen MAC key itself, put back as it once lay under the new root key, is refused', async () => {
    putGood();
    forgeKey(world, key.key_id, { state: 'decrypt-only' });
    putBack('rows');
    expect(await world.refusal()).toMatch(/a recovery replaced/);
    expect(world.run('audit verify').status).toBe(1);
    // With the key of the log that went with it, the checkpoint outside is of another key.
    putBack('ed25519');
    expect(await world.refusal()).toMatch(/not signed by the log|changed in the store/);
    putGood();
  });

  it('§8.5 checkpoints of before are verified with the key that stays published, and only as far as it went', async () => {
    await world.start();
    const auditor = world.client('admin@north');
    const { audit } = await discoveryOf(world);
    const [previous] = audit.previous_verifier_keys;
    expect(audit.previous_verifier_keys).toHaveLength(1);
    const old = openCheckpoint(oldNote, { origin: audit.origin, verifier_key: previous?.verifier_key ?? '' });
    expect(old.size).toBeLessThanOrEqual(previous?.size ?? 0);
    expect(() => openCheckpoint(oldNote, audit)).toThrow();
    const { checkpoint: newest } = await auditor.call<{ checkpoint: string }>('GET', '/v1/audit/service/checkpoint');
    const now = openCheckpoint(newest, audit);
    const path = `/v1/audit/service/consistency/${old.size}/${now.size}`;
    const { proof } = await auditor.call<{ proof: string[] }>('GET', path);
    expect(isContinued(old, now, proof.map(unb64))).toBe(true);
    await world.stop();

    writeFileSync(world.path('old'), oldNote);
    expect(world.run('audit verify', '--checkpoint', world.path('old')).status).toBe(0);
    expect(world.run('audit verify', '--checkpoint', world.path('checkpoint')).status).toBe(0);
    const forged = signCheckpoint(
      { origin: audit.origin, size: now.size, root: new Uint8Array(now.root) },
      createPrivateKey({ key: stolenKey('log'), format: 'jwk' }),
    );
    writeFileSync(world.path('forged'), forged);
    expect(world.run('audit verify', '--checkpoint', world.path('forged'))).toMatchObject({ status: 1 });
  });

  it('§12.4 a second recovery keeps both keys of before, and the service starts on the checkpoint of before it', async () => {
    const before = readFileSync(world.path('checkpoint'), 'utf8');
    expect(world.run('identity rotate').status).toBe(0);
    expect(readFileSync(world.path('checkpoint'), 'utf8')).not.toBe(before);
    writeFileSync(world.path('checkpoint'), before);
    await world.start();
    expect((await discoveryOf(world)).audit.previous_verifier_keys).toHaveLength(2);
    await world.stop();
    expect(world.run('audit verify', '--checkpoint', world.path('old')).status).toBe(0);
  });

  it('§12.4 a database that was put back is not recovered as if it were the log', () => {
    world.putDatabase(good);
    expect(world.run('identity rotate').output).toMatch(/not signed by the log|older than the checkpoint/);
  });
});

async function discoveryOf({ running }: World): Promise<Discovery> {
  const response = await fetch(`${running.url}/.well-known/bulla-key-service`);
  const { document } = (await response.json()) as { document: string };
  return JSON.parse(unb64(document.split('.')[1] ?? '').toString());
}

/** Changes a key in the database as the thief does: with the MAC that fits under the stolen key. */
function forgeKey(victim: World, id: string, change: { disabled?: boolean; state?: VersionState }): void {
  victim.database((database) => {
    const row = database.prepare('select * from keys where id = ?').get(id) as unknown as KeyRow;
    const versions = database
      .prepare('select * from key_versions where key_id = ? order by version')
      .all(id) as unknown as VersionRow[];
    const names = database.prepare('select name from aliases where key_id = ? order by name').all(id);
    const forged: KeyRecord = {
      ...{ id, tenant: row.tenant, description: row.description, disabled: change.disabled ?? row.disabled === 1 },
      ...{ newest: row.newest, floor: row.floor, created: row.created, revision: row.revision },
      ...{ maxAgeDays: row.max_age_days, maxUses: row.max_uses, deletion: null },
      ...{ origin: row.origin as KeyRecord['origin'], importedBy: row.imported_by },
      aliases: names.map(({ name }) => String(name)),
      versions: versions.map(({ version, state, prior_state, created, uses, material, point }) => ({
        ...{ version, created, uses, material, point, priorState: prior_state as VersionState | null },
        state: version === 1 && change.state ? change.state : (state as VersionState),
      })),
    };
    const { mac, disabled } = rowOf(new Uint8Array(stolenSecret('mac', 'rows')), forged);
    database.prepare('update keys set mac = ?, disabled = ? where id = ?').run(mac, disabled, id);
    const [first] = forged.versions;
    database
      .prepare('update key_versions set state = ? where key_id = ? and version = 1')
      .run(String(first?.state), id);
  });
}

function makeRootKey(name: string): string {
  const { status, output } = runCommand(['root-key', 'create', '--out', world.path(name)]);
  if (status !== 0) throw new Error(output);
  return world.path(name);
}

/** A secret of the service, out of what was stolen. */
function stolenSecret(kind: string, name: string): Buffer {
  const database = new DatabaseSync(stolenDatabase, { readOnly: true });
  const row = database.prepare('select sealed from secrets where kind = ? and name = ?').get(kind, name);
  database.close();
  return openAtRest(stolenRootKey, kind, name, row?.['sealed'] as Uint8Array);
}

/** A private key of the service, out of what was stolen. */
function stolenKey(kind: 'identity' | 'token' | 'log'): JsonWebKey {
  const names = { identity: 'es384', token: 'es256', log: 'ed25519' } as const;
  return JSON.parse(stolenSecret(kind, names[kind]).toString());
}

const stolenIdentity = (): JsonWebKey => stolenKey('identity');

/** An access token as the service issues them (§9.4), signed by the thief. */
function forgedToken(jkt: string): string {
  const { d: _, ...jwk } = stolenKey('token');
  const header = { alg: 'ES256', typ: 'at+jwt', kid: thumbprint(jwk) };
  const claims = world.north.claims('thief@north', jkt, {
    iss: externalUrl,
    roles: ['decryptor'],
    bulla_principal: `${externalUrl}|thief`,
  });
  return signJws(header, claims, createPrivateKey({ key: stolenKey('token'), format: 'jwk' }));
}

/** Serves a discovery document that is signed by a stolen identity; tells whether a client with this pin takes it. */
async function impersonate(identity: JsonWebKey, pin: string): Promise<string> {
  const { d: _, ...jwk } = identity;
  const seconds = Math.floor(Date.now() / 1000);
  const server = createServer((_request, response) => {
    const header = { alg: 'ES384', typ: 'bulla-service+jwt', kid: thumbprint(jwk) };
    const claims = {
      iss: externalUrl,
      iat: seconds,
      exp: seconds + 600,
      serial: 1e9,
      transport_keys: [],
    };
    const document = signJws(header, claims, createPrivateKey({ key: identity, format: 'jwk' }));
    response.end(JSON.stringify({ identity: jwk, document }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const via = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await world.client('alice@north', { via, pin }).discover();
    return 'believed';
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
