/** What a command does: one thing or several, its actions. Each declares the options that it uses, and refuses all others. */

import type { Arguments, Option } from './arguments.ts';
import { UsageError } from './failure.ts';

/** One thing that a command does. */
export interface Action {
  /** What asks for it behind the command's name: a word, a switch such as `--public`, or nothing. */
  readonly name: string;
  /** The options that it uses, all of them. Any other option that is given is a {@link UsageError}. */
  readonly options: readonly Option[];
  /** Does the work and gives the exit code. Failures of the whole call reject. */
  run(args: Arguments): Promise<number>;
}

/** A command: its words and its actions. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What stands behind the command's name. */
  readonly synopsis: string;
  /** What the help says beyond options. */
  readonly details: string;
  readonly actions: readonly Action[];
}

/** The options of all actions, each once, where the last action has it: those that all have in common come last. */
export function optionsOf({ actions }: Command): readonly Option[] {
  const all = actions.flatMap(({ options }) => options);
  return all.filter(({ name }, i) => all.findLastIndex((option) => option.name === name) === i);
}

/** The action that arguments ask for, with options that it uses and that go together. Throws a {@link UsageError}. */
export function chooseAction(command: Command, args: Arguments): Action {
  const action = actionOf(command, args);
  for (const option of optionsOf(command)) {
    if (args.given(option.name)) assertOption(option, command, action, args);
  }
  return action;
}

function actionOf({ name, actions }: Command, args: Arguments): Action {
  const bySwitch = actions.find((action) => action.name.startsWith('--') && args.has(action.name.slice(2)));
  const [word = ''] = args.files;
  const found = bySwitch ?? actions.find((action) => action.name === '' || action.name === word);
  if (found !== undefined) return found;
  const all = actions.map((action) => action.name).join(', ');
  if (word === '') throw new UsageError(`Say what bulla ${name} shall do: ${all}`);
  throw new UsageError(`There is no action ${JSON.stringify(word)}: the actions are ${all}`);
}

function assertOption({ name, needs, excludes = [] }: Option, command: Command, action: Action, args: Arguments): void {
  if (!uses(action, name)) {
    const others = command.actions.filter((other) => uses(other, name)).map((other) => callOf(command, other));
    throw new UsageError(`--${name} is for ${others.join(', ')}, not for ${callOf(command, action)}`);
  }
  if (needs !== undefined && !args.given(needs)) throw new UsageError(`--${name} goes with --${needs}`);
  const other = excludes.find((excluded) => args.given(excluded));
  if (other !== undefined) throw new UsageError(`--${name} and --${other} exclude each other`);
}

/** Whether an action uses an option. */
export function uses({ options }: Action, name: string): boolean {
  return options.some((option) => option.name === name);
}

function callOf(command: Command, action: Action): string {
  return ['bulla', command.name, action.name].filter((part) => part !== '').join(' ');
}
