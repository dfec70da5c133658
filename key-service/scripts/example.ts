/** A tour of the key service: creates a key, generates a data key, unwraps, rotates, rewraps, and verifies the audit log. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint, renamedKey } from '../src/audit/note.ts';
import { startDev } from '../src/dev/dev-service.ts';
import { leafHash, verifyConsistency, verifyInclusion } from '../src/model/merkle.ts';
import { createProofKey, type Reply, TestClient } from '../test/support/client.ts';

try {
  await main();
} catch (error) {
  process.stderr.write(`${words(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { url: { type: 'string' }, identity: { type: 'string' } } });
  if (values.url !== undefined) {
    if (values.identity === undefined) throw new Error('--identity is missing: the service prints it');
    return tour(values.url, values.identity);
  }
  const data = await mkdtemp(join(tmpdir(), 'bulla-example-'));
  const dev = await startDev({ port: 0, data });
  try {
    await tour(dev.url, dev.service.identity.thumbprint);
  } finally {
    await dev.close();
    await rm(data, { recursive: true });
  }
}

/** What went wrong, in a sentence. `fetch` says that it failed; its cause says why. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

async function tour(url: string, identity: string): Promise<void> {
  const admin = await signIn(url, identity, 'admin@north');
  const alice = await signIn(url, identity, 'alice@north');

  const before = await checkpoint(admin);
  const key = expect(await admin.call('POST', '/v1/keys', { description: 'example' }), 201).body;
  say(`created ${key.key_id}, version ${key.newest_version}`);

  const context = { purpose: 'example' };
  const generated = expect(
    await alice.call('POST', `/v1/keys/${key.key_id}/generate-data-key`, { items: [{ key_context: context }] }),
  );
  const [{ wrapped_key, version }] = generated.body.results;
  const dataKey = generated.openResult(0, context, wrapped_key);
  say(`generated a data key; wrapped: ${wrapped_key.slice(0, 16)}… (81 bytes)`);

  const item = { version, key_context: context, wrapped_key };
  const unwrapped = expect(await alice.call('POST', `/v1/keys/${key.key_id}/unwrap`, { items: [item] }));
  check(unwrapped.openResult(0, context, wrapped_key).equals(dataKey), 'unwrapped the same data key');

  const rotated = expect(await admin.call('POST', `/v1/keys/${key.key_id}/rotate`, { from_version: 1 })).body;
  say(`rotated to version ${rotated.newest_version}`);

  const rewrapped = expect(await alice.call('POST', `/v1/keys/${key.key_id}/rewrap`, { items: [item] })).body
    .results[0];
  const newItem = { version: rewrapped.version, key_context: context, wrapped_key: rewrapped.wrapped_key };
  const again = expect(await alice.call('POST', `/v1/keys/${key.key_id}/unwrap`, { items: [newItem] }));
  check(
    again.openResult(0, context, rewrapped.wrapped_key).equals(dataKey),
    `rewrapped to version ${rewrapped.version}: the data key is the same`,
  );

  const refused = await admin.call('POST', `/v1/keys/${key.key_id}/unwrap`, { items: [newItem] });
  check(refused.body.results[0].problem.code === 'not-allowed', 'the administrator cannot unwrap');
  await verifyLog(admin, before, key.key_id);
}

async function verifyLog(admin: TestClient, before: Checkpoint, keyId: string): Promise<void> {
  const after = await checkpoint(admin);
  const { proof } = expect(await admin.call('GET', `/v1/audit/consistency/${before.size}/${after.size}`)).body;
  check(
    verifyConsistency(before.size, after.size, before.root, after.root, bytes(proof)),
    'the log continues the earlier checkpoint',
  );
  const { entries } = expect(await admin.call('GET', `/v1/audit/entries/${before.size}/${after.size}`)).body;
  const shown: { index: number; entry: string }[] = entries.filter(
    ({ entry }: { entry?: string }) => entry !== undefined,
  );
  for (const { index, entry } of shown) {
    const content = Buffer.from(entry, 'base64url');
    const path = expect(await admin.call('GET', `/v1/audit/inclusion/${index}/${after.size}`)).body.proof;
    const included = verifyInclusion(leafHash(content), index, after.size, bytes(path), after.root);
    const { operation, status } = JSON.parse(content.toString());
    check(included, `leaf ${index} is in the log: ${operation} ${status}`);
  }
  check(
    shown.some(({ entry }) => Buffer.from(entry, 'base64url').toString().includes(keyId)),
    'the key is in the log',
  );
}

interface Checkpoint {
  readonly size: number;
  readonly root: Uint8Array<ArrayBuffer>;
}

async function checkpoint(client: TestClient): Promise<Checkpoint> {
  const { checkpoint: note } = expect(await client.call('GET', '/v1/audit/checkpoint')).body;
  const { origin, verifier_key } = client.discovery?.claims.audit ?? {};
  return openCheckpoint(note, renamedKey(verifier_key, `${origin}/${client.tenant}`));
}

async function signIn(url: string, identity: string, user: string): Promise<TestClient> {
  const client = new TestClient(url, await createProofKey(), user.split('@')[1] ?? '');
  await client.discover(identity);
  await client.devLogin(user);
  say(`signed in as ${user}`);
  return client;
}

function expect(reply: Reply, status = 200): Reply {
  if (reply.status !== status || !reply.macOk) throw new Error(`Answer ${reply.status}: ${JSON.stringify(reply.body)}`);
  return reply;
}

function check(ok: boolean, what: string): void {
  if (!ok) throw new Error(`Not so: ${what}`);
  say(what);
}

function bytes(texts: readonly string[]): Uint8Array<ArrayBuffer>[] {
  return texts.map((text) => Uint8Array.from(Buffer.from(text, 'base64url')));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
