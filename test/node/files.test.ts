import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, decrypt, encrypt, open } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { decryptFile, encryptFile, fileSource, rewrapFile } from '../../src/node.ts';
import { codeOf, fastKeyring, rejection, s } from '../support/data.ts';

const keyring = fastKeyring();
const sizes = [0, 1, s - 1, s, s + 1, 2 * s, 2 * s + 1, 2 ** 20, 2 ** 20 + s, 3 * 2 ** 20 + 17];

let folder: string;
const at = (name: string) => join(folder, name);
const names = () => readdirSync(folder).sort();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-node-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('encryptFile and decryptFile', () => {
  test.each(sizes)('%i bytes, as decrypt and encrypt do it', async (size) => {
    const plaintext = randomBytes(size);
    writeFileSync(at('plain'), plaintext);
    const options = { keyring, context: { id: '1' }, segmentSize: s };
    const result = await encryptFile(at('plain'), at('message'), options);
    const { size: length } = statSync(at('message'));
    expect(result).toEqual({ plaintextLength: size, length, envelope: undefined, notKept: [] });
    expect(plaintext.equals((await decrypt(readFileSync(at('message')), forDecryption(options))).plaintext)).toBe(true);
    const decrypted = await decryptFile(pathToFileURL(at('message')), at('again'), forDecryption(options));
    expect(decrypted).toMatchObject({ plaintextLength: size, header: { segmentSize: s } });
    expect(readFileSync(at('again')).equals(plaintext)).toBe(true);

    writeFileSync(at('other'), await encrypt(plaintext, options));
    await decryptFile(at('other'), at('other-again'), forDecryption(options));
    expect(readFileSync(at('other-again')).equals(plaintext)).toBe(true);
  });

  test('options are taken when they are called', async () => {
    writeFileSync(at('plain'), 'attack at dawn');
    const options = { keyring, context: { id: '1' }, detached: false, overwrite: false };
    const encrypted = encryptFile(at('plain'), at('message'), options);
    Object.assign(options, {
      keyring: fastKeyring(9),
      context: { id: '2' },
      detached: 'nonsense',
      overwrite: 'nonsense',
    });
    expect(await encrypted).toMatchObject({ envelope: undefined });
    const opening = { keyring, context: { id: '1' } };
    const decrypted = decryptFile(at('message'), at('again'), opening);
    Object.assign(opening.context, { id: '2' });
    await decrypted;
    const rewrapping = { from: keyring, to: keyring, context: { id: '1' } };
    const rewrapped = rewrapFile(at('message'), at('rewrapped'), rewrapping);
    Object.assign(rewrapping, { to: fastKeyring(9), context: { id: '2' } });
    await rewrapped;
    await decryptFile(at('rewrapped'), at('and again'), { keyring, context: { id: '1' } });
    expect(readFileSync(at('and again'), 'utf8')).toBe('attack at dawn');
  });

  test.each([2 ** 12, 2 ** 18, 2 ** 22])('segments of %i bytes', async (segmentSize) => {
    const plaintext = randomBytes(9_000_001);
    writeFileSync(at('plain'), plaintext);
    const seen: number[] = [];
    await encryptFile(at('plain'), at('message'), {
      keyring,
      segmentSize,
      onProgress: (bytes, total) => seen.push(bytes, total),
    });
    expect(seen.slice(-2)).toEqual([plaintext.length, plaintext.length]);
    expect(seen.length).toBeGreaterThan(4);
    const opened: number[] = [];
    await decryptFile(at('message'), at('again'), { keyring, onProgress: (bytes) => opened.push(bytes) });
    expect(opened.at(-1)).toBe(plaintext.length);
    expect(readFileSync(at('again')).equals(plaintext)).toBe(true);
  });

  test('detached, and an open file', async () => {
    writeFileSync(at('plain'), 'first');
    const handle = await openHandle(at('plain'));
    const { envelope } = await encryptFile(handle, at('body'), { keyring, detached: true });
    await handle.close();
    expect(envelope).toBeDefined();
    const halves = { envelope: envelope as Uint8Array, body: readFileSync(at('body')) as Uint8Array<ArrayBuffer> };
    expect(Buffer.from((await decrypt(attach(halves), { keyring })).plaintext).toString()).toBe('first');
    await decryptFile(at('body'), at('again'), { keyring, envelope: halves.envelope });
    expect(readFileSync(at('again'), 'utf8')).toBe('first');
  });

  test('every cut, and every change, leaves nothing behind', async () => {
    writeFileSync(at('plain'), randomBytes(2 * s + 100));
    await encryptFile(at('plain'), at('message'), { keyring, segmentSize: s });
    const message = readFileSync(at('message'));
    const segment = s + 16;
    const before = names();
    for (const cut of [0, 5, 9, 40, message.length - 1, message.length - 116, message.length - 116 - segment]) {
      writeFileSync(at('message'), message.subarray(0, cut));
      expect(await codeOf(decryptFile(at('message'), at('again'), { keyring }))).toMatch(/^ERR_/);
      expect(names()).toEqual(before);
    }
    const swapped = Buffer.from(message);
    const body = message.length - 116 - 2 * segment;
    message.copy(swapped, body, body + segment, body + 2 * segment);
    message.copy(swapped, body + segment, body, body + segment);
    for (const bad of [swapped, Buffer.concat([message, Buffer.alloc(1)])]) {
      writeFileSync(at('message'), bad);
      expect(await codeOf(decryptFile(at('message'), at('again'), { keyring }))).toBe('ERR_DECRYPTION_FAILED');
      expect(names()).toEqual(before);
    }
  });

  test('an observer hears of a segment that was changed', async () => {
    writeFileSync(at('plain'), randomBytes(3 * s));
    await encryptFile(at('plain'), at('message'), { keyring, segmentSize: s });
    const message = readFileSync(at('message'));
    message.writeUInt8(message.readUInt8(message.length - 1) ^ 1, message.length - 1);
    writeFileSync(at('message'), message);
    const events: string[] = [];
    const observed = observedKeyring(keyring, ({ type }) => void events.push(type));
    expect(await codeOf(decryptFile(at('message'), at('back'), { keyring: observed }))).toBe('ERR_DECRYPTION_FAILED');
    expect(events).toEqual(['decrypt', 'decryption-failed']);
  });

  test('a file that exists is kept unless overwrite is set; what fails does not touch it', async () => {
    writeFileSync(at('plain'), 'first');
    writeFileSync(at('target'), 'precious', { mode: 0o640 });
    expect(await codeOf(encryptFile(at('plain'), at('target'), { keyring }))).toBe('EEXIST');
    expect(await codeOf(decryptFile(at('plain'), at('target'), { keyring, overwrite: true }))).toBe(
      'ERR_NOT_A_MESSAGE',
    );
    expect(readFileSync(at('target'), 'utf8')).toBe('precious');
    await encryptFile(at('plain'), at('target'), { keyring, overwrite: true });
    expect(statSync(at('target')).mode & 0o777).toBe(0o640);
    expect(names()).toEqual(['plain', 'target']);
  });

  test('a file that appears meanwhile is not overwritten', async () => {
    writeFileSync(at('plain'), randomBytes(5_000_000));
    const onProgress = () => writeFileSync(at('target'), 'precious');
    expect(await codeOf(encryptFile(at('plain'), at('target'), { keyring, onProgress }))).toBe('EEXIST');
    expect(readFileSync(at('target'), 'utf8')).toBe('precious');
    expect(names()).toEqual(['plain', 'target']);
  });

  test('a source that changes meanwhile is noticed', async () => {
    writeFileSync(at('plain'), randomBytes(5_000_000));
    const onProgress = () => appendFileSync(at('plain'), 'x');
    expect(await codeOf(encryptFile(at('plain'), at('target'), { keyring, onProgress }))).toBe('ERR_SOURCE_CHANGED');
    expect(names()).toEqual(['plain']);
  });

  test('an abort ends it with its reason and leaves nothing', async () => {
    writeFileSync(at('plain'), randomBytes(9_000_000));
    const controller = new AbortController();
    const reason = new Error('enough');
    const options = { keyring, signal: controller.signal, onProgress: () => controller.abort(reason) };
    expect(await rejection(encryptFile(at('plain'), at('target'), options))).toBe(reason);
    expect(names()).toEqual(['plain']);
  });

  test('folders, missing files, pipes and wrong options', async () => {
    mkdirSync(at('folder'));
    expect(await codeOf(encryptFile(at('missing'), at('x'), { keyring }))).toBe('ENOENT');
    expect(await codeOf(encryptFile(at('folder'), at('x'), { keyring }))).toBe('ERR_SOURCE_UNREADABLE');
    expect(await codeOf(encryptFile('/dev/zero', at('x'), { keyring }))).toBe('ERR_SOURCE_UNREADABLE');
    writeFileSync(at('plain'), 'first');
    expect(await codeOf(encryptFile(at('plain'), at('folder'), { keyring, overwrite: true }))).toBe('EISDIR');
    expect(await codeOf(encryptFile(at('plain'), '/dev/null', { keyring, overwrite: true }))).toBe('EINVAL');
    expect(await codeOf(encryptFile(at('plain'), at('no/x'), { keyring }))).toBe('ENOENT');
    await expect(encryptFile(at('plain'), at('x'), { keyring, overwite: true } as never)).rejects.toThrow(/"overwite"/);
    await expect(encryptFile(at('plain'), at('x'), { keyring, mode: 0o1000 })).rejects.toThrow(/^mode must be/);
    await expect(encryptFile(5 as never, at('x'), { keyring })).rejects.toThrow(TypeError);
    expect(names()).toEqual(['folder', 'plain']);
  });
});

describe('files that have another size than the system says', () => {
  test.each([['/proc/self/status'], ['/sys/kernel/mm/transparent_hugepage/enabled']])('%s', async (path) => {
    expect(await codeOf(encryptFile(path, at('x'), { keyring }))).toBe('ERR_SOURCE_UNREADABLE');
    expect(await codeOf(fileSource(path))).toBe('ERR_SOURCE_UNREADABLE');
    expect(names()).toEqual([]);
  });
});

describe('fileSource', () => {
  test('random access, closed by its owner', async () => {
    const plaintext = randomBytes(100_000);
    writeFileSync(at('message'), await encrypt(plaintext, { keyring, segmentSize: s }));
    const source = await fileSource(at('message'));
    const opened = await open(source, { keyring });
    expect(opened.size).toBe(plaintext.length);
    expect(plaintext.subarray(5_000, 60_000).equals(await opened.read(5_000, 60_000))).toBe(true);
    appendFileSync(at('message'), 'x');
    expect(await codeOf(opened.read(0, 10))).toBe('ERR_SOURCE_CHANGED');
    await source.close();
    expect(await codeOf(opened.read(0, 10))).toBe('ERR_SOURCE_UNREADABLE');
  });

  test('reads that have begun finish before it is closed, and none begins afterwards', async () => {
    const bytes = randomBytes(4_000_000);
    writeFileSync(at('source'), bytes);
    const source = await fileSource(at('source'));
    const reads = [0, 1_000_000, 2_000_000, 3_000_000].map((offset) => source.read(offset, 1_000_000));
    const closed = source.close();
    const late = codeOf(source.read(0, 1));
    expect(bytes.equals(Buffer.concat(await Promise.all(reads)))).toBe(true);
    await closed;
    expect(await late).toBe('ERR_SOURCE_UNREADABLE');
  });
});

describe('rewrapFile', () => {
  const to = fastKeyring(9);

  test('a message and a detached envelope, to the same file and to others', async () => {
    const plaintext = randomBytes(3_000_000);
    writeFileSync(at('plain'), plaintext);
    await encryptFile(at('plain'), at('message'), { keyring });
    const before = readFileSync(at('message'));
    const seen: number[] = [];
    await rewrapFile(at('message'), at('other'), { from: keyring, to, onProgress: (bytes) => seen.push(bytes) });
    expect(readFileSync(at('message')).equals(before)).toBe(true);
    expect(seen.length).toBeGreaterThan(1);
    await rewrapFile(at('message'), at('message'), { from: keyring, to, overwrite: true });
    for (const name of ['other', 'message']) {
      expect(plaintext.equals((await decrypt(readFileSync(at(name)), { keyring: to })).plaintext)).toBe(true);
    }
    const { envelope } = await encryptFile(at('plain'), at('body'), { keyring, detached: true });
    writeFileSync(at('envelope'), envelope as Uint8Array);
    await rewrapFile(at('envelope'), at('envelope'), { from: keyring, to, overwrite: true });
    await decryptFile(at('body'), at('again'), { keyring: to, envelope: readFileSync(at('envelope')) });
    expect(readFileSync(at('again')).equals(plaintext)).toBe(true);
  });

  test('a newer message that takes the place meanwhile is not overwritten, whatever the file is called', async () => {
    writeFileSync(at('newer'), await encrypt('tuesday', { keyring: to }));
    symlinkSync('message', at('link'));
    for (const [one, other] of [
      ['message', 'message'],
      ['link', 'message'],
      ['message', 'link'],
    ] as const) {
      writeFileSync(at('message'), await encrypt('monday', { keyring }));
      const from: Keyring = {
        ...keyring,
        unwrapDataKeyBytes(...args) {
          copyFileSync(at('newer'), at('copy'));
          renameSync(at('copy'), at('message'));
          return (keyring as Required<Keyring>).unwrapDataKeyBytes(...args);
        },
      };
      const rewrapping = rewrapFile(at(one), at(other), { from, to, overwrite: true });
      expect(await codeOf(rewrapping)).toBe('ERR_SOURCE_CHANGED');
      expect(readFileSync(at('message')).equals(readFileSync(at('newer')))).toBe(true);
      expect(names()).toEqual(['link', 'message', 'newer']);
    }
  });

  test('what fails leaves the file as it was', async () => {
    writeFileSync(at('message'), await encrypt('first', { keyring }));
    const before = readFileSync(at('message'));
    const wrong = { from: fastKeyring(8), to, overwrite: true };
    expect(await codeOf(rewrapFile(at('message'), at('message'), wrong))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(rewrapFile(at('message'), at('message'), { from: keyring, to }))).toBe('EEXIST');
    expect(readFileSync(at('message')).equals(before)).toBe(true);
    writeFileSync(
      at('long'),
      Buffer.concat([Buffer.from('bulle\x01\x00\x10\x00\x00', 'latin1'), Buffer.alloc(2 ** 20 + 5)]),
    );
    expect(await codeOf(rewrapFile(at('long'), at('x'), { from: keyring, to }))).toBe('ERR_MALFORMED');
    expect(names()).toEqual(['long', 'message']);
  });
});

/** What decrypting takes of what encrypting was given. */
function forDecryption({ context }: { context: Record<string, string> }) {
  return { keyring, context };
}
