/** What the command line says on standard error, its progress bar, and its hidden prompts. */

import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { FileError, Interrupted } from './failure.ts';

/** Text that others wrote, with everything in it that a terminal would obey made visible. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16);
    return `\\u{${code}}`;
  });
}

/** Writes a line to standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A bar on a terminal, nothing anywhere else. */
export interface ProgressBar {
  /** Bytes done so far, of `total` where that is known. */
  update(done: number, total?: number): void;
  /** Takes the bar away. */
  clear(): void;
}

const redrawAfter = 100;
const barWidth = 24;

/** A bar that nobody sees. */
export const silentBar: ProgressBar = { update: () => {}, clear: () => {} };

/** A progress bar for one file, or for many, on standard error if that is a terminal and nobody asked for silence. */
export function progressBar(label: string, silent: boolean, unit: 'bytes' | 'files' = 'bytes'): ProgressBar {
  const { stderr } = process;
  if (silent || !stderr.isTTY) return silentBar;
  const format = unit === 'bytes' ? formatBytes : (files: number) => `${Math.round(files)} files`;
  const begun = performance.now();
  let drawn = begun;
  let shown = false;
  return {
    update(done, total) {
      const now = performance.now();
      if (now - drawn < redrawAfter) return;
      drawn = now;
      shown = true;
      const rate = `${format((done / (now - begun)) * 1000)}/s`;
      const text = `${bar(done, total)} ${rate}  ${printable(label)}`;
      stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
    },
    clear() {
      if (shown) stderr.write('\r\x1b[K');
    },
  };
}

function bar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return formatBytes(done).padStart(9);
  const part = Math.min(1, done / total);
  const full = Math.round(part * barWidth);
  return `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}] ${String(Math.floor(part * 100)).padStart(3)}%`;
}

/** A number of bytes with a decimal unit, such as `1.5 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Asks on the terminal that controls the process, whatever standard input is, and shows nothing of the answer. */
export async function askHidden(question: string): Promise<string> {
  const { input, output, close } = openTerminal();
  // Before the question: whoever answers at once must not see it either.
  input.setRawMode(true);
  try {
    output.write(question);
    return await readLine(input);
  } finally {
    input.setRawMode(false);
    output.write('\n');
    close();
  }
}

function openTerminal(): { input: ReadStream; output: WriteStream; close: () => void } {
  const opened: number[] = [];
  try {
    for (const flags of ['r', 'w']) opened.push(openSync('/dev/tty', flags));
    const [inputFd, outputFd] = opened as [number, number];
    const input = new ReadStream(inputFd);
    const output = new WriteStream(outputFd);
    const close = () => {
      input.destroy();
      output.destroy();
    };
    return { input, output, close };
  } catch {
    for (const fd of opened) closeSync(fd);
    throw new FileError('ERR_NO_TERMINAL', 'There is no terminal to ask for a passphrase; use --passphrase-fd');
  }
}

const [ctrlC, ctrlD, backspace, del, ctrlU] = ['\x03', '\x04', '\b', '\x7f', '\x15'];

function readLine(input: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    input.setEncoding('utf8');
    input.on('error', reject);
    input.on('end', () => reject(new Interrupted('SIGHUP')));
    input.on('data', (text: string) => {
      for (const character of text) {
        if (character === '\r' || character === '\n') return resolve(typed.join(''));
        if (character === ctrlC || character === ctrlD) return reject(new Interrupted('SIGINT'));
        if (character === backspace || character === del) typed.pop();
        else if (character === ctrlU) typed = [];
        else typed.push(character);
      }
    });
  });
}
