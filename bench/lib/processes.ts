// Whole processes: how long they take, and their peak memory as the kernel tells it.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a process took. */
export interface Usage {
  readonly seconds: number;
  /** Peak resident memory in 10^6 bytes; asked for every few milliseconds, so at most a little too low. */
  readonly peak: number;
}

/** Runs a command to its end. Throws when it fails. */
export async function usageOf([program, ...args]: readonly string[]): Promise<Usage> {
  const begun = performance.now();
  const child = spawn(program as string, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, highWater(child.pid));
  };
  const timer = setInterval(look, 5);
  const code = await new Promise((resolve, reject) => child.on('exit', resolve).on('error', reject));
  clearInterval(timer);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`);
  return { seconds: (performance.now() - begun) / 1000, peak };
}

function highWater(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / 1e6;
  } catch {
    return 0;
  }
}
