// Runs the command of the key service as a process of its own: what a test of the outside starts, stops and reads the output of.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, type ClientOptions } from './client.ts';

const command = fileURLToPath(new URL('../../bin/bulla-key-service.js', import.meta.url));

/** A service that listens. */
export interface RunningService {
  readonly url: string;
  readonly pin: string;
  /** All that it has written so far, to both outputs. */
  readonly output: () => string;
  /** Ends it with SIGTERM and answers its exit code. */
  readonly stop: () => Promise<number | null>;
}

/** Starts `dev` or `serve` and waits until it listens; throws what it said when it does not. */
export async function startService(args: readonly string[], nodeArgs: readonly string[] = []): Promise<RunningService> {
  const child = spawn(process.execPath, [...nodeArgs, command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const listens = new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (/^ *identity +\S+\n/m.test(output)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', (code) => reject(new Error(`ended with ${code}: ${output}`)));
  });
  await listens;
  const [, url = ''] = /(?:url +http:\/\/|listening on )(\S+)/.exec(output) ?? [];
  const [, pin = ''] = /identity +(\S+)/.exec(output) ?? [];
  return { url: `http://${url}`, pin, output: () => output, stop: () => stop(child) };
}

/** Runs a command of the service to its end. */
export function runCommand(args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** A client of the development service for one of its users, `alice@north`. */
export function devClient({ url, pin }: RunningService, user: string, options: Partial<ClientOptions> = {}): Client {
  const token = (client: Client): Promise<string> => {
    return client.obtainToken('/dev/token', 'application/json', JSON.stringify({ user }));
  };
  return new Client({ url, pin, tenant: user.split('@')[1] ?? '', token, ...options });
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'close');
  }
  return child.exitCode;
}
