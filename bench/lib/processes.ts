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

/** Milliseconds of processor time that a process has used, all of its threads and user and system together. */
export function processorTime(pid: number): number {
  // proc(5): utime and stime are the 14th and 15th fields, in ticks of 10 ms; the second one may have spaces in it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
