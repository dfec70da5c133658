// What listens to work on files changes nothing of it: as test/rules/listeners.test.ts, for what exists in Node alone.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decrypt, encrypt } from '../../src/index.ts';
import { decryptFile, encryptFile, rewrapFile } from '../../src/node.ts';
import { fastKeyring, pattern, s } from '../support/data.ts';
import { hostileListener, hostileListeners } from '../support/hostile-functions.ts';

const keyring = fastKeyring();
const other = fastKeyring(9);
const data = pattern(3 * 2 ** 20 + 17);
const message = await encrypt(data, { keyring, segmentSize: s });

let folder: string;
let files: number;
const at = (name: string) => join(folder, name);
/** Each call writes a file of its own. */
const target = () => at(`result-${files++}`);

beforeEach(() => {
  files = 0;
  folder = mkdtempSync(join(tmpdir(), 'bulla-listeners-'));
  writeFileSync(at('plain'), data);
  writeFileSync(at('message'), message);
});
afterEach(() => rmSync(folder, { recursive: true }));

const opened = async (path: string, by = keyring) => (await decrypt(readFileSync(path), { keyring: by })).plaintext;
const tellers: Readonly<Record<string, (onProgress: () => void) => Promise<Uint8Array>>> = {
  async encryptFile(onProgress) {
    const path = target();
    await encryptFile(at('plain'), path, { keyring, segmentSize: s, onProgress });
    return opened(path);
  },
  async decryptFile(onProgress) {
    const path = target();
    await decryptFile(at('message'), path, { keyring, onProgress });
    return readFileSync(path);
  },
  async rewrapFile(onProgress) {
    const path = target();
    await rewrapFile(at('message'), path, { from: keyring, to: other, context: {}, onProgress });
    return opened(path, other);
  },
};

describe.each(hostileListeners)('a listener that %s', (_what, make) => {
  test.each(Object.entries(tellers))('changes nothing of %s', async (_, teller) => {
    const listener = hostileListener(make, () => teller(listener));
    expect(Buffer.compare(await teller(listener), data)).toBe(0);
    expect(listener.told).toBeGreaterThan(0);
    const inner = (await listener.inner()) as Uint8Array | undefined;
    expect(inner === undefined || Buffer.compare(inner, data) === 0).toBe(true);
    expect(readdirSync(folder).filter((name) => !/^(plain|message|result-\d)$/.test(name))).toEqual([]);
  });
});
