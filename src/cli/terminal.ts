/** What a terminal shows besides lines: a progress bar, and hidden prompts. */

import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { FileError } from './failure.ts';
import { HiddenLine } from './hidden-line.ts';
import { endBy, hold } from './interruption.ts';
import { standardError } from './standard-streams.ts';
import { noWords, ownText, type Words, words } from './words.ts';

/** A bar on a terminal, nothing anywhere else. */
export interface ProgressBar {
  /** Bytes done so far, of `total` where that is known. */
  update(done: number, total?: number): void;
  /** Takes the bar away. */
  clear(): void;
}

const redrawAfter = 100;
const barWidth = 24;
const clearLine = ownText('\r\x1b[K');

/** A bar that nobody sees. */
export const silentBar: ProgressBar = { update: () => {}, clear: () => {} };

/** A progress bar for one file, or for many files or rows, on standard error if that is a terminal and nobody asked for silence. */
export function progressBar(label: Words, silent: boolean, unit: 'bytes' | 'files' | 'rows' = 'bytes'): ProgressBar {
  if (silent || !standardError.isTerminal) return silentBar;
  const format = unit === 'bytes' ? formatBytes : (count: number) => `${Math.round(count)} ${unit}`;
  const draw = (text: Words) => void standardError.write(words`${clearLine}${text}`).catch(() => {});
  // What came before the first piece, such as a passphrase's key, is no part of the rate.
  let begun: { readonly time: number; readonly done: number } | undefined;
  let drawn = 0;
  let shown = false;
  return {
    update(done, total) {
      const now = performance.now();
      if (begun === undefined) {
        begun = { time: now, done };
        drawn = now;
      }
      if (now - drawn < redrawAfter) return;
      drawn = now;
      shown = true;
      const rate = `${format(((done - begun.done) / (now - begun.time)) * 1000)}/s`;
      draw(words`${bar(done, total)} ${rate}  ${label}`.cut((process.stderr.columns || 80) - 1));
    },
    clear() {
      if (shown) draw(noWords);
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

/** An instant for people, such as `2026-11-28 20:37:53 UTC`. */
export function shownTime(time: Date): string {
  if (Number.isNaN(time.getTime())) return 'at no date';
  return time.toISOString().replace(/^(.*)T(.*)\..*$/, '$1 $2 UTC');
}

/** Unix seconds as {@link shownTime} shows them. */
export function shownSeconds(seconds: number): string {
  return shownTime(new Date(seconds * 1000));
}

/** Asks on the terminal that controls the process, whatever standard input is, and shows nothing of the answer. */
export async function askHidden(question: Words): Promise<TypedLine> {
  const { input, output, close } = openTerminal();
  const restore = () => void input.setRawMode(false);
  const release = hold(restore);
  process.on('exit', restore);
  try {
    // Before the question: an answer that is typed at once must not be seen either.
    input.setRawMode(true);
    output.write(question.toString());
    return await readLine(input);
  } finally {
    process.off('exit', restore);
    restore();
    release();
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
    // A terminal that went away is told by the input, which ends.
    output.on('error', () => {});
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

/** A line, and whether more came with it. */
export interface TypedLine {
  /** Its bytes, since a terminal may send another encoding than UTF-8. */
  readonly line: Uint8Array;
  readonly more: boolean;
}

function readLine(input: ReadStream): Promise<TypedLine> {
  return new Promise((resolve, reject) => {
    const typed = new HiddenLine();
    input.on('error', reject);
    input.on('end', () => endBy('SIGHUP'));
    input.on('data', (chunk: Buffer) => {
      for (const [i, byte] of chunk.entries()) {
        const end = typed.take(byte);
        if (end === 'program') endBy('SIGINT');
        // A person waits for the next question: what comes with Enter was pasted.
        if (end === 'line') return resolve({ line: typed.bytes, more: chunk.subarray(i + 1).some(isNoLineEnd) });
      }
    });
  });
}

const isNoLineEnd = (byte: number) => byte !== 0x0a && byte !== 0x0d;
