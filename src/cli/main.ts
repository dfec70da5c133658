#!/usr/bin/env node
/** The command line `bulla`; `docs/cli.md`. */

import { readFileSync } from 'node:fs';
import { keepReleasedMemory } from '../node/memory.ts';
import { type Command, chooseAction, optionsOf } from './actions.ts';
import { parseArguments } from './arguments.ts';
import { commands } from './commands.ts';
import { describeFailure, exitCodes, UsageError } from './failure.ts';
import { commandHelp, generalHelp } from './help.ts';
import { sayFailure } from './run.ts';
import { say, standardError, standardOutput } from './standard-streams.ts';
import { type Words, words } from './words.ts';

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) {
    await standardError.write(generalHelp(commands));
    return exitCodes.usage;
  }
  if (name === '--version' || name === '-V') return print(words`bulla ${version()}\n`);
  if (name === '--help' || name === '-h') return print(generalHelp(commands));
  if (name === 'help') return print(args[0] === undefined ? generalHelp(commands) : commandHelp(commandOf(args[0])));
  const command = commandOf(name);
  const parsed = parseArguments(args, optionsOf(command));
  if (parsed.has('help')) return print(commandHelp(command));
  const action = chooseAction(command, parsed);
  keepReleasedMemory();
  return action.run(parsed);
}

function commandOf(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UsageError(`There is no command ${JSON.stringify(name)}`);
  return command;
}

async function print(text: Words): Promise<number> {
  await standardOutput.write(text);
  return exitCodes.success;
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

let exitCode: number;
try {
  exitCode = await main(process.argv.slice(2));
} catch (error) {
  const failure = describeFailure(error);
  await sayFailure(failure);
  const command = commands.find(({ name }) => name === process.argv[2]);
  const help = command === undefined ? 'bulla --help' : `bulla ${command.name} --help`;
  if (failure.exitCode === exitCodes.usage && failure.hint === undefined)
    await say(words`bulla: ${help} shows the usage`);
  exitCode = failure.exitCode;
}
// All that was written has arrived. A pipe that nobody closes, or a connection that is kept for a next request, must not keep the process.
process.exit(exitCode);
