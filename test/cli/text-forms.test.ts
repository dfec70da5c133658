// The text form as editors, shells and mail hand it on: the command line reads what the SDK reads, and refuses the same.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decrypt } from '../../src/index.ts';
import { ecdhKeyring, importEcdhPrivateKey } from '../../src/keyrings/ecdh.ts';
import { Workplace } from './command.ts';

let place: Workplace;
let text: string;
let envelope: string;
let privateKey: string;
const plaintext = 'attack at dawn '.repeat(20);

beforeAll(async () => {
  place = new Workplace();
  const alice = await place.key('alice.key');
  privateKey = /^bullask1\..*$/m.exec(place.text('alice.key'))?.[0] as string;
  text = (await place.ok(['encrypt', '-t', '-r', alice], { stdin: plaintext })).stdout.toString();
  place.write('plain', plaintext);
  await place.ok(['encrypt', '-r', alice, '--detached', 'envelope', '-o', 'body', 'plain']);
  envelope = `bulle1.${place.read('envelope').toString('base64url')}\n`;
});

afterAll(() => place.remove());

const folded = (form: string, end = '\n') => form.trim().replace(/.{76}/g, `$&${end}`) + end;
const utf16be = (form: string) => Buffer.from(`\ufeff${form}`, 'utf16le').swap16();

const read: [how: string, change: (form: string) => string | Buffer][] = [
  ['as it was written', (form) => form],
  ['without a line feed', (form) => form.trim()],
  ['folded', (form) => folded(form)],
  ['folded with CRLF', (form) => folded(form, '\r\n')],
  ['indented', (form) => folded(form, '\n    ').padStart(2_000)],
  ['behind a byte order mark', (form) => `\ufeff${form}`],
  ['with white space on both sides', (form) => `\r\n\t  ${form}  \r\n\r\n`],
];
const readAsBytes: typeof read = [
  ['UTF-16, little-endian', (form) => Buffer.from(`\ufeff${form}`, 'utf16le')],
  ['UTF-16, big-endian', utf16be],
  ['UTF-16, folded with CRLF', (form) => Buffer.from(`\ufeff${folded(form, '\r\n')}`, 'utf16le')],
];
const refused: [how: string, change: (form: string) => string, exitCode: number][] = [
  ['padding', (form) => `${form.trim()}=`, 3],
  ['a character of base64', (form) => form.replace(/[\w-](?=.{5}\n?$)/, '+'), 3],
  ['an upper-case prefix', (form) => form.replace('bulla1.', 'BULLA1.'), 3],
  ['quoted lines of mail', (form) => folded(form, '\n> '), 3],
  ['another text in front', (form) => `Hello,\n${form}`, 3],
  ['its end missing', (form) => form.trim().slice(0, -8), 4],
];

/** By the command line: from a file, and from standard input a byte at a time. */
async function byCommand(form: string | Buffer) {
  place.write('form', form);
  const fromFile = await place.bulla(['decrypt', '-k', 'alice.key', '-o', '-', 'form']);
  const child = place.start(['decrypt', '-k', 'alice.key']);
  child.stdin?.on('error', () => {});
  for (const byte of Buffer.from(form)) child.stdin?.write(Uint8Array.of(byte));
  child.stdin?.end();
  const exitCode = await new Promise((done) => child.on('exit', done));
  expect(exitCode).toBe(fromFile.exitCode);
  return fromFile;
}

async function bySdk(form: string) {
  const privateKeys = [await importEcdhPrivateKey(privateKey)];
  return Buffer.from((await decrypt(form, { keyring: ecdhKeyring({ privateKeys }) })).plaintext).toString();
}

describe('a message', () => {
  test.each([...read, ...readAsBytes])('%s is read', async (_, change) => {
    const { exitCode, stdout } = await byCommand(change(text));
    expect([exitCode, stdout.toString()]).toEqual([0, plaintext]);
  });

  test.each(read)('%s is read by the SDK as well', async (_, change) => {
    expect(await bySdk(change(text) as string)).toBe(plaintext);
  });

  test.each(refused)('with %s is refused by both', async (_, change, expected) => {
    const { exitCode, stdout } = await byCommand(change(text));
    expect([exitCode, stdout.length]).toEqual([expected, 0]);
    await expect(bySdk(change(text))).rejects.toMatchObject({
      name: expected === 4 ? 'DecryptionError' : 'MessageFormatError',
    });
  });

  test('UTF-16 without a byte order mark is no message', async () => {
    expect((await byCommand(Buffer.from(text, 'utf16le'))).exitCode).toBe(3);
  });
});

test.each([...read, ...readAsBytes])('a detached envelope, %s, is read', async (_, change) => {
  place.write('form', change(envelope));
  const { stdout } = await place.ok(['decrypt', '-k', 'alice.key', '--detached', 'form', '-o', '-', 'body']);
  expect(stdout.toString()).toBe(plaintext);
});

test('a prefix that is not that of what it holds is refused', async () => {
  place.write('form', text.replace('bulla1.', 'bulle1.'));
  expect((await place.bulla(['decrypt', '-k', 'alice.key', '-o', '-', 'form'])).exitCode).toBe(3);
  place.write('form', envelope.replace('bulle1.', 'bulla1.'));
  expect((await place.bulla(['decrypt', '-k', 'alice.key', '-o', '-', 'form'])).exitCode).toBe(3);
});
