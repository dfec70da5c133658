/** Passphrases: typed at a hidden prompt, or read from a file descriptor. They are UTF-8, or refused: what is no UTF-8 would become one character like another. */

import { type BigIntStats, fstatSync, readdirSync, writeSync } from 'node:fs';
import { decodeUtf8 } from '../lib/utf8.ts';
import type { Arguments, Option } from './arguments.ts';
import { FileError, UsageError } from './failure.ts';
import { readDescriptor } from './standard-streams.ts';
import { askHidden } from './terminal.ts';
import { type Words, words } from './words.ts';

/** How to give a passphrase. Never as an argument: those are visible to everybody on the machine. */
export const passphraseOptions: readonly Option[] = [
  { name: 'passphrase', short: 'p', help: 'asks for a passphrase on the terminal' },
  {
    name: 'passphrase-fd',
    value: 'N',
    excludes: ['passphrase'],
    help: 'reads the passphrase, one line, from file descriptor N',
  },
];

/** The same for the passphrase that a message is re-wrapped to. */
export const newPassphraseOptions: readonly Option[] = [
  { name: 'new-passphrase', help: 'asks for the passphrase that shall open the message' },
  {
    name: 'new-passphrase-fd',
    value: 'N',
    excludes: ['new-passphrase'],
    help: 'reads it, one line, from file descriptor N',
  },
];

/** The options that name a descriptor to read from. */
export const descriptorOptions = ['passphrase-fd', 'new-passphrase-fd', 'key-passphrase-fd'];
const maxLength = 4_096;

/** The passphrase that the options `name` and `name-fd` ask for, or `undefined`. */
export async function readPassphrase(
  args: Arguments,
  name: string,
  asked: 'once' | 'twice',
): Promise<string | undefined> {
  const fd = args.integer(`${name}-fd`, 0);
  if (fd !== undefined) return passphraseFrom(args, fd);
  if (!args.has(name)) return undefined;
  const what = name === 'passphrase' ? 'Passphrase' : 'New passphrase';
  const typed = await askPassphrase(words`${what}: `);
  if (asked === 'twice' && (await askPassphrase(words`${what} again: `)) !== typed) {
    throw new UsageError('The two passphrases differ');
  }
  return typed;
}

/** Asks for a passphrase on the terminal. */
export async function askPassphrase(question: Words): Promise<string> {
  const { line, more } = await askHidden(question);
  const text = Buffer.from(line).toString('latin1').replace(/\n$/, '');
  const passphrase = passphraseOf(Buffer.from(text, 'latin1'));
  if (more || text.includes('\n')) throw new UsageError('The terminal gives more than the line of a passphrase');
  return passphrase;
}

/** The passphrase that a descriptor gives: its only line, or its next one where other lines or the data follow in it. */
export async function passphraseFrom(args: Arguments, fd: number): Promise<string> {
  const others = descriptorOptions.filter((name) => args.integer(name, 0) === fd);
  assertInherited(fd);
  const isShared = others.length > 1 || (fd === 0 && args.readsStandardInput);
  const { line, more } = isShared ? await nextLine(fd) : await onlyLine(fd);
  const passphrase = passphraseOf(line);
  if (more) throw new UsageError(`File descriptor ${fd} gives more than the line of a passphrase`);
  return passphrase;
}

/**
 * Throws a {@link FileError} for a descriptor that nobody gave to the process. Node has some of its own, at numbers that are free when it starts: what no file can be, such as
 * an event queue, and pipes from itself to itself, at which a reader would wait for ever or take what Node waits for.
 */
function assertInherited(fd: number): void {
  const found = lookAt(fd);
  if (found?.isDirectory()) throw new FileError('EISDIR', `File descriptor ${fd} is a folder`);
  const isReadable =
    found !== undefined && (found.isFile() || found.isFIFO() || found.isSocket() || found.isCharacterDevice());
  if (isReadable && !(found.isFIFO() && isWrittenHere(fd, found))) return;
  throw new FileError('EBADF', `File descriptor ${fd} was not given to the command`, `give it with ${fd}< FILE`);
}

function lookAt(fd: number): BigIntStats | undefined {
  try {
    return fstatSync(fd, { bigint: true });
  } catch {
    return undefined;
  }
}

/** Whether another descriptor of this process writes to a pipe. */
function isWrittenHere(fd: number, { dev, ino }: BigIntStats): boolean {
  return descriptors().some((other) => {
    const found = other === fd ? undefined : lookAt(other);
    return found?.dev === dev && found.ino === ino && takesWrites(other);
  });
}

/** All that are open, where the system lists them. */
function descriptors(): number[] {
  try {
    return readdirSync('/dev/fd').map(Number);
  } catch {
    return [];
  }
}

/** Nothing is written to see it. */
function takesWrites(fd: number): boolean {
  try {
    return writeSync(fd, new Uint8Array(0)) === 0;
  } catch {
    return false;
  }
}

/** Throws a {@link UsageError} that repeats nothing of it. */
function passphraseOf(line: Uint8Array): string {
  if (line.byteLength > maxLength) throw new UsageError('The passphrase is too long');
  const text = decodeUtf8(line);
  if (text === undefined) {
    throw new UsageError(
      'The passphrase is not UTF-8: set terminal and editor to UTF-8, and encode files of random bytes',
    );
  }
  const passphrase = text.replace(/^\ufeff/, '');
  if (passphrase.includes('\0')) throw new UsageError('The passphrase has a NUL: it may be UTF-16 or not text at all');
  if (passphrase === '') throw new UsageError('The passphrase is empty');
  return passphrase;
}

interface Line {
  readonly line: Uint8Array;
  /** Whether something is known to follow it. */
  readonly more: boolean;
}

const lineFeed = 0x0a;

/** Reads to the end of a line, or of the file; what is there behind the line is noticed, and a pipe that stays open is not waited for. */
async function onlyLine(fd: number): Promise<Line> {
  let bytes = Buffer.alloc(0);
  while (!bytes.includes(lineFeed) && bytes.byteLength <= maxLength) {
    const chunk = await readSome(fd, maxLength);
    if (chunk.byteLength === 0) break;
    bytes = Buffer.concat([bytes, chunk]);
  }
  const at = bytes.indexOf(lineFeed);
  if (at < 0) return { line: bytes, more: false };
  const more = at + 1 < bytes.byteLength || (fstatSync(fd).isFile() && (await readSome(fd, 1)).byteLength > 0);
  return { line: withoutReturn(bytes.subarray(0, at)), more };
}

/** Reads a line byte by byte, since whatever follows is not ours. */
async function nextLine(fd: number): Promise<Line> {
  const bytes: number[] = [];
  while (bytes.length <= maxLength) {
    const [byte] = await readSome(fd, 1);
    if (byte === undefined || byte === lineFeed) break;
    bytes.push(byte);
  }
  return { line: withoutReturn(Buffer.from(bytes)), more: false };
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

async function readSome(fd: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  try {
    return buffer.subarray(0, await readDescriptor(fd, buffer));
  } catch (error) {
    const { code = 'ERR_UNEXPECTED' } = error as NodeJS.ErrnoException;
    throw new FileError(code, `File descriptor ${fd} could not be read`);
  }
}
