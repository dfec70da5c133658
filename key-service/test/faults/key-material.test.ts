// Key material in the memory of a replica: there while it is used, and gone once it must not be.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { forgetUnusable } from '../../src/operations/forget-keys.ts';
import { Materials } from '../../src/secrets/materials.ts';
import { startHarness, storeKinds } from '../support/harness.ts';
import { adminRoles, userRoles } from '../support/issuer.ts';

/** How often these bytes are in the writable memory of a process. */
function occurrences(pid: number, needle: Buffer): number {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const overlap = needle.byteLength - 1;
  let found = 0;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      const chunk = Buffer.alloc(16 * 1024 * 1024);
      for (let at = start; at < end; at += chunk.byteLength - overlap) {
        const length = readAt(memory, chunk, at, Math.min(chunk.byteLength, end - at));
        const bytes = chunk.subarray(0, length);
        for (let hit = bytes.indexOf(needle); hit >= 0; hit = bytes.indexOf(needle, hit + 1)) found += 1;
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

function readAt(descriptor: number, chunk: Buffer, at: number, length: number): number {
  try {
    return readSync(descriptor, chunk, 0, length, at);
  } catch {
    return 0;
  }
}

describe('§11.10 opened key material', () => {
  it('is not in memory any more after it was forgotten and the garbage was collected', async () => {
    const script = fileURLToPath(new URL('../support/key-memory.ts', import.meta.url));
    const child = spawn(process.execPath, ['--expose-gc', '-C', 'bulla-source', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const shown = String((await lines.next()).value).split(' ');
      const needles = shown.map((hex) => Buffer.from(Buffer.from(hex, 'hex').map((byte) => byte ^ 0x5a)));
      const pid = child.pid as number;
      for (const needle of needles) expect(occurrences(pid, needle)).toBeGreaterThan(0);
      child.stdin.write('forget\n');
      await lines.next();
      expect(needles.map((needle) => occurrences(pid, needle))).toEqual([0, 0]);
    } finally {
      child.kill();
    }
  });

  it.each(storeKinds)('%s: a replica forgets what another one disabled or destroyed', async (kind) => {
    const first = await startHarness({ kind });
    const { database, rootKey, issuer, url } = first;
    const second = await startHarness({ database, rootKey, issuer, externalUrl: url });
    try {
      const [admin, user] = [await first.client(adminRoles), await second.client(userRoles)];
      const ids: string[] = [];
      for (let i = 0; i < 3; i += 1) ids.push((await admin.call('POST', '/v1/keys', {})).body.key_id);
      const items = ids.map((key) => ({ key }));
      await user.call('POST', '/v1/data-keys/generate-data-key', { items });
      expect(second.service.materials.openedKeys().sort()).toEqual([...ids].sort());
      await forgetUnusable(second.service.store, second.service.materials);
      expect(second.service.materials.openedKeys()).toHaveLength(3);
      await admin.call('POST', `/v1/keys/${ids[0]}/disable`, {});
      await forgetUnusable(second.service.store, second.service.materials);
      expect(second.service.materials.openedKeys().sort()).toEqual(ids.slice(1).sort());
      const store = { versionUses: () => Promise.reject(new Error('gone')) } as unknown as typeof second.store;
      await expect(forgetUnusable(store, second.service.materials)).rejects.toThrow('gone');
      expect(second.service.materials.openedKeys()).toEqual([]);
    } finally {
      await second.stop();
      await first.stop();
    }
  });

  it('of another version of the same number, as after an accepted rollback, is not mistaken for it', async () => {
    const harness = await startHarness({ kind: 'sqlite' });
    const admin = await harness.client(adminRoles);
    const { key_id } = (await admin.call('POST', '/v1/keys', {})).body;
    const key = await harness.store.findKey('north', key_id);
    if (!key) throw new Error('no key');
    const materials = new Materials(harness.rootKey);
    const [lost, present] = [await materials.create(key, 2, 1), await materials.create(key, 2, 1)];
    const before = (await materials.open(key, lost)).symmetric.slice();
    const opened = await materials.open(key, present);
    expect(opened.symmetric).not.toEqual(before);
    expect(opened.point).toEqual(present.point);
    expect(await materials.open(key, present)).toBe(opened);
    await harness.stop();
  });

  it('that was erased while somebody held it wraps nothing', async () => {
    const harness = await startHarness({ kind: 'sqlite' });
    const admin = await harness.client(adminRoles);
    const { key_id } = (await admin.call('POST', '/v1/keys', {})).body;
    const key = await harness.store.findKey('north', key_id);
    const version = key?.versions[0];
    if (!key || !version) throw new Error('no key');
    const materials = new Materials(harness.rootKey);
    const held = await materials.open(key, version);
    expect(held.symmetric.some((byte) => byte !== 0)).toBe(true);
    materials.forget(key_id, 1);
    await Promise.resolve();
    expect(() => held.symmetric).toThrow(/erased/);
    expect(() => held.privateKey()).toThrow(/erased/);
    expect((await materials.open(key, version)).symmetric).toHaveLength(32);
    await harness.stop();
  });
});
