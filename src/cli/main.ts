#!/usr/bin/env node
/** The command line `bulla`; `docs/cli.md`. */

import { readFileSync } from 'node:fs';
import { keepReleasedMemory } from '../node/memory.ts';
import { parseArguments } from './arguments.ts';
import { decryptCommand } from './decrypt.ts';
import { encryptCommand } from './encrypt.ts';
import { describeFailure, exitCodes, UsageError } from './failure.ts';
import { commandHelp, generalHelp } from './help.ts';
import { inspectCommand } from './inspect.ts';
import { keygenCommand } from './keygen.ts';
import { rewrapCommand } from './rewrap.ts';
import { type Command, interruption, sayFailure } from './run.ts';
import { keysCommand } from './service-keys.ts';
import { say } from './terminal.ts';

const commands: readonly Command[] = [
  keygenCommand,
  encryptCommand,
  decryptCommand,
  inspectCommand,
  rewrapCommand,
  keysCommand,
];

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) {
    process.stderr.write(generalHelp(commands));
    return exitCodes.usage;
  }
  if (name === '--version' || name === '-V') return print(`bulla ${version()}\n`);
  if (name === '--help' || name === '-h') return print(generalHelp(commands));
  if (name === 'help') return print(args[0] === undefined ? generalHelp(commands) : commandHelp(commandOf(args[0])));
  const command = commandOf(name);
  const parsed = parseArguments(args, command.options);
  if (parsed.has('help')) return print(commandHelp(command));
  keepReleasedMemory();
  const signal = interruption();
  return command.run(parsed, signal);
}

function commandOf(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UsageError(`There is no command ${JSON.stringify(name)}`);
  return command;
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCodes.success;
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

// A reader that went away (bulla decrypt … | head) is told by the write that failed; without this, the process would crash first.
process.stdout.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const failure = describeFailure(error);
  sayFailure(failure);
  const command = commands.find(({ name }) => name === process.argv[2]);
  const help = command === undefined ? 'bulla --help' : `bulla ${command.name} --help`;
  if (failure.exitCode === exitCodes.usage) say(`bulla: ${help} says how it is used`);
  process.exitCode = failure.exitCode;
}
// Descriptors that were asked for a passphrase, or a pipe that nobody closes, must not keep the process.
if (process.exitCode !== exitCodes.success) process.stdout.write('', () => process.exit());
