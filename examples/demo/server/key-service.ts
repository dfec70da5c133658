// Runs the development key service as a process of its own, and reads where it is and who it is.

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { ServiceConfig } from './server.ts';

const command = resolve(import.meta.dirname, '../../../key-service/bin/bulla-key-service.js');

/** A key service that runs. */
export interface RunningKeyService extends ServiceConfig {
  /** Resolves with the exit code when it has ended, for whatever reason. */
  readonly ended: Promise<number | null>;
  stop(): Promise<void>;
}

/** Starts it on a port (0 takes a free one) over a folder. Rejects with what it says when it does not start. */
export async function startKeyService(port: number, data: string): Promise<RunningKeyService> {
  const args = ['-C', 'bulla-source', command, 'dev', '--port', String(port), '--data', data];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((done) => child.once('exit', done));
  let said = '';
  const config = await new Promise<ServiceConfig>((done, reject) => {
    child.stderr.on('data', (text) => {
      said += text;
    });
    child.stdout.on('data', (text) => {
      said += text;
      const url = /^ *url +(\S+)$/m.exec(said)?.[1];
      const pin = /^ *identity +(\S+)$/m.exec(said)?.[1];
      if (url !== undefined && pin !== undefined) done({ url, pin });
    });
    child.once('error', reject);
    ended.then(() => reject(new Error(`The key service did not start.\n${said}`)), reject);
  });
  return {
    ...config,
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
