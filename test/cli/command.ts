// Runs the built command line in a folder of its own, as a user does.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** The file that `bin` of the package names. */
export const main = resolve('dist/cli/main.js');

/** The Node that is installed beside the one of the development dependencies, or the latter where there is none. */
export function installedNode(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return folders.map((folder) => join(folder, 'node')).find((path) => existsSync(path)) ?? process.execPath;
}

/** What a process left behind. */
export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** What a process is given. */
export interface Given {
  readonly stdin?: string | Uint8Array;
  /** What file descriptor 3 gives. */
  readonly fd3?: string | Uint8Array;
  /** The program that runs it. Default: the Node of this process. */
  readonly node?: string;
}

/** A temporary folder with the command line in it. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'bulla-cli-'));

  /** Runs `bulla` to its end. */
  async bulla(args: readonly string[], given: Given = {}): Promise<Outcome> {
    const child = this.start(args, given.node);
    const { stdin = '', fd3 = '' } = given;
    child.stdin?.on('error', () => {}).end(stdin);
    const third = child.stdio[3] as unknown as NodeJS.WritableStream;
    third.on('error', () => {});
    third.end(fd3);
    return outcomeOf(child);
  }

  /** The same, throwing unless it succeeds. */
  async ok(args: readonly string[], given: Given = {}): Promise<Outcome> {
    const outcome = await this.bulla(args, given);
    if (outcome.exitCode !== 0) throw new Error(`bulla ${args.join(' ')}: ${outcome.exitCode}\n${outcome.stderr}`);
    return outcome;
  }

  /** Starts `bulla`. */
  start(args: readonly string[], node = process.execPath): ChildProcess {
    return spawn(node, [main, ...args], { cwd: this.folder, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  }

  /** Makes a key pair; gives the public key. */
  async key(name: string, ...options: string[]): Promise<string> {
    const { stdout } = await this.ok(['keygen', '-o', name, ...options]);
    return stdout.toString().trim();
  }

  write(name: string, content: string | Uint8Array): void {
    writeFileSync(join(this.folder, name), content);
  }

  read(name: string): Buffer {
    return readFileSync(join(this.folder, name));
  }

  text(name: string): string {
    return this.read(name).toString();
  }

  /** The names of all files, hidden ones included, sorted. */
  names(): string[] {
    return readdirSync(this.folder).sort();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** How a process ends: by an exit code, or by a signal. */
export function endOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })));
}

/** Waits for a process and collects what it says. */
export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const exitCode = await new Promise<number | null>((done, fail) => child.on('close', done).on('error', fail));
  return { exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}
