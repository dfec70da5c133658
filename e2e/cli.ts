// The command line, as its users call it.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const program = new URL('../dist/cli/main.js', import.meta.url).pathname;
const run = promisify(execFile);

/** Runs `bulla` with arguments; gives what it printed. Rejects when it fails. */
export async function bulla(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [program, ...args]);
  return stdout.trim();
}

/** The same with a passphrase, through a file that is open as descriptor 3. */
export async function bullaWithPassphrase(passphrase: string, file: string, ...args: string[]): Promise<string> {
  await writeFile(file, passphrase, { mode: 0o600 });
  const { stdout } = await run('sh', [
    '-c',
    'node=$1 program=$2 file=$3; shift 3; exec "$node" "$program" "$@" --passphrase-fd 3 3<"$file"',
    'sh',
    process.execPath,
    program,
    file,
    ...args,
  ]);
  return stdout.trim();
}
