/** Opens a key version, shows masked what it is made of, and forgets it when told to; the memory of this process is searched from outside. */

import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { generatePair } from '../../src/crypto/p384.ts';
import type { KeyRecord, VersionRecord } from '../../src/model/keys.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { Materials } from '../../src/secrets/materials.ts';
import { wrapDataKey } from '../../src/secrets/wrapping.ts';

const collect = (globalThis as unknown as { gc: () => void }).gc;
const masked = (bytes: Uint8Array): string => Buffer.from(bytes.map((byte) => byte ^ 0x5a)).toString('hex');
const rootKey = softwareRootKey(new Uint8Array(32).fill(7));
const materials = new Materials(rootKey);
const key = { id: 'key-a', tenant: 'north' } as KeyRecord;

async function sealed(): Promise<{ version: VersionRecord; needles: string[] }> {
  const { point, scalar } = await generatePair();
  const both = new Uint8Array(80);
  globalThis.crypto.getRandomValues(both.subarray(0, 32));
  both.set(scalar, 32);
  const needles = [masked(both.subarray(0, 32)), masked(both.subarray(32))];
  const material = await rootKey.seal({ kind: 'kek', name: 'north/key-a/1' }, both);
  for (const bytes of [scalar, both]) bytes.fill(0);
  const state = { state: 'active', priorState: null, created: 0, uses: 0 } as const;
  return { version: { version: 1, ...state, material, point }, needles };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i += 1) {
    collect();
    await setTimeout(50);
  }
}

async function use(version: VersionRecord): Promise<void> {
  const opened = await materials.open(key, version);
  await opened.privateKey();
  const identity = { serviceId: 's', tenant: 'north', keyId: 'key-a', version: 1, context: new Uint8Array(4) };
  wrapDataKey(opened, identity, new Uint8Array(32));
}

const { version, needles } = await sealed();
await use(version);
await settled();
process.stdout.write(`${needles.join(' ')}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'forget') materials.forget('key-a', 1);
  await settled();
  process.stdout.write('done\n');
}
