// Files by commands, as whole processes: bulla, age, the AWS Encryption SDK, a plain copy; time and peak memory.

import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundleForNode } from '../lib/build.ts';
import { chunksOf } from '../lib/payload.ts';
import { usageOf } from '../lib/processes.ts';
import { summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

const cli = join(dirname(dirname(import.meta.dirname)), 'dist', 'cli', 'main.js');

interface Command {
  readonly name: string;
  readonly kind: 'bulla' | 'peer' | 'limit';
  readonly command: readonly string[];
  /** What it writes, removed before each run: all write new files. */
  readonly output?: string;
}

/** All sections about files, on tmpfs where there is one. */
export async function files(node: string, quick: boolean): Promise<Section[]> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bulla-bench-'));
  try {
    const bytes = quick ? 2 ** 28 : 2 ** 30;
    const { encrypts, decrypts } = await prepare(folder, node, bytes);
    const rounds = quick ? 3 : 5;
    return [
      ...(await measure(`${bytes / 2 ** 20} MiB file to a new file, encrypt`, encrypts, bytes, rounds)),
      ...(await measure(`${bytes / 2 ** 20} MiB file to a new file, decrypt`, decrypts, bytes, rounds)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function prepare(folder: string, node: string, bytes: number) {
  const at = (name: string) => join(folder, name);
  writeFileSync(at('plain'), '');
  for (const chunk of chunksOf(bytes)) appendFileSync(at('plain'), chunk);
  const printed = execFileSync(node, [cli, 'keygen', '--output', at('key')], { encoding: 'utf8' });
  const publicKey = /bullapk1\.[\w-]+/.exec(printed)?.[0] as string;
  const awsFile = await bundleForNode('aws-file');
  const aws = (action: string, variant: string, from: string, to: string) =>
    [node, awsFile, action, variant, at(from), at(to)] as const;
  const out = at('out');
  const encrypts: Command[] = [
    {
      name: 'bulla encrypt',
      kind: 'bulla',
      command: [node, cli, 'encrypt', '--recipient', publicKey, '--output', out, at('plain')],
      output: out,
    },
    { name: 'AWS, unsigned, frame 1 MiB', kind: 'peer', command: aws('encrypt', 'best', 'plain', 'out'), output: out },
    { name: 'AWS, defaults', kind: 'peer', command: aws('encrypt', 'defaults', 'plain', 'out'), output: out },
    { name: 'cp', kind: 'limit', command: ['cp', at('plain'), out], output: out },
    { name: 'node -e 0', kind: 'limit', command: [node, '-e', '0'] },
  ];
  const decrypts: Command[] = [
    {
      name: 'bulla decrypt',
      kind: 'bulla',
      command: [node, cli, 'decrypt', '--key', at('key'), '--output', out, at('sealed')],
      output: out,
    },
    { name: 'AWS, unsigned, frame 1 MiB', kind: 'peer', command: aws('decrypt', 'best', 'aws', 'out'), output: out },
    { name: 'AWS, defaults', kind: 'peer', command: aws('decrypt', 'defaults', 'aws4', 'out'), output: out },
    { name: 'cp', kind: 'limit', command: ['cp', at('sealed'), out], output: out },
    { name: 'node -e 0', kind: 'limit', command: [node, '-e', '0'] },
  ];
  execFileSync(node, [cli, 'encrypt', '--recipient', publicKey, '--output', at('sealed'), at('plain')], {
    stdio: 'ignore',
  });
  execFileSync(node, aws('encrypt', 'best', 'plain', 'aws').slice(1), { stdio: 'ignore' });
  execFileSync(node, aws('encrypt', 'defaults', 'plain', 'aws4').slice(1), { stdio: 'ignore' });
  const age = ageCommands(at, out);
  return { encrypts: [...encrypts, ...age.slice(0, 1)], decrypts: [...decrypts, ...age.slice(1)] };
}

/** The command of age, where it is installed (Debian's package `age`). */
function ageCommands(at: (name: string) => string, out: string): Command[] {
  try {
    execFileSync('age-keygen', ['-o', at('age-key')], { stdio: 'ignore' });
  } catch {
    console.error('there is no age command here: apt-get install age');
    return [];
  }
  const recipient = execFileSync('age-keygen', ['-y', at('age-key')], { encoding: 'utf8' }).trim();
  execFileSync('age', ['-r', recipient, '-o', at('age'), at('plain')]);
  return [
    { name: 'age', kind: 'peer', command: ['age', '-r', recipient, '-o', out, at('plain')], output: out },
    { name: 'age -d', kind: 'peer', command: ['age', '-d', '-i', at('age-key'), '-o', out, at('age')], output: out },
  ];
}

async function measure(title: string, commands: readonly Command[], bytes: number, rounds: number): Promise<Section[]> {
  const speeds = new Map<string, number[]>(commands.map(({ name }) => [name, []]));
  const peaks = new Map<string, number[]>(commands.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const { name, command, output } of commands) {
      if (output !== undefined) rmSync(output, { force: true });
      const { seconds, peak } = await usageOf(command);
      if (round < 0) continue;
      speeds.get(name)?.push(bytes / 1e6 / seconds);
      peaks.get(name)?.push(peak);
    }
  }
  const rows = (of: Map<string, number[]>) =>
    commands.map(({ name, kind }) => ({ name, kind, ...summary(of.get(name) ?? []) }));
  const timed = rows(speeds).filter(({ name }) => name !== 'node -e 0');
  return [
    { id: title, title, unit: 'MB/s', rows: timed },
    { id: `${title}: peak memory`, title: `${title}: peak memory`, unit: 'MB', rows: rows(peaks), lessIsBetter: true },
  ];
}
