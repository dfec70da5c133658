/** The service as a process of its own, from a configuration file, as an operator runs it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../bin/bulla-key-service.js', import.meta.url));

/** A process and what it has written. */
export interface ServiceProcess {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Ends it and resolves with its exit code. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Begins a command. */
export function spawnCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawn(process.execPath, [bin, ...args], { env: { ...process.env, ...env } });
}

/** Runs a command to its end. */
export function runCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawnCommand(args, env);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Writes a configuration into a folder. */
export async function writeConfig(folder: string, config: object, name = 'config.json'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** Starts `serve` and waits until it listens. */
export function startProcess(args: readonly string[], ready = 'identity'): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`The service does not start:\n${output}`)), 60_000);
    const read = (data: Buffer): void => {
      output += data.toString();
      if (!output.includes(ready)) return;
      clearTimeout(timer);
      resolve({
        child,
        output: () => output,
        end(signal) {
          child.kill(signal);
          return ended;
        },
      });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`The service ended:\n${output}`));
    });
  });
}
