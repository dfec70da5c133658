/** The help texts of the command line. */

import { type Command, optionsOf, uses } from './actions.ts';
import type { Option } from './arguments.ts';
import { ownText, type Words } from './words.ts';

const introduction = `bulla encrypts files for public keys, with a passphrase, or with data keys of a key service.

Usage: bulla COMMAND [OPTIONS] [FILE...]
`;

const closing = `
bulla COMMAND --help says more. bulla --version prints the version.

Example:
  bulla keygen --output alice.key                                 prints bullapk1.…, Alice's public key
  bulla encrypt --recipient bullapk1.… plan.pdf                   writes plan.pdf.bulla
  bulla decrypt --key alice.key plan.pdf.bulla --output copy.pdf  without --output, to plan.pdf
  bulla encrypt --key-service keys.json report.pdf                with a key service that the file names: docs/cli.md
`;

const exitCodesText = `
Exit codes: 0 done, 1 unexpected or faults found, 2 usage, 3 no message or a malformed one, 4 not decrypted, 5 key,
6 context names, 7 file, 8 key service, 9 awaits approval, 128 + n ended by signal n. With several files, the first failure's.
`;

/** What `bulla --help` prints. */
export function generalHelp(commands: readonly Command[]): Words {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join('');
  return ownText(`${introduction}\nCommands:\n${list}${closing}`);
}

/** What `bulla COMMAND --help` prints. */
export function commandHelp(command: Command): Words {
  const { name, summary, synopsis, details } = command;
  const options = optionsOf(command);
  const left = options.map(optionForm);
  const width = Math.max(...left.map((text) => text.length));
  const lines = options
    .map((option, i) => `  ${(left[i] as string).padEnd(width)}  ${helpOf(command, option)}\n`)
    .join('');
  const usage = `Usage: bulla ${name} ${synopsis}`;
  return ownText(`bulla ${name}: ${summary}\n\n${usage}\n\n${details}\n\nOptions:\n${lines}${exitCodesText}`);
}

/** Of an option that the command does not use for everything it does, what it is for. */
function helpOf({ actions }: Command, { name, help }: Option): string {
  const users = actions.filter((action) => uses(action, name)).map((action) => action.name);
  const isOwn = users.every((user) => user === '' || user === `--${name}`);
  if (isOwn || users.length === actions.length) return help;
  const others = actions.map((action) => action.name).filter((action) => !users.includes(action));
  const allBut = users.length > 2 && others.length === 1 && others[0] !== '';
  return `${allBut ? `all but ${others[0]}` : users.filter((user) => user !== '').join(', ')}: ${help}`;
}

function optionForm({ name, short, value }: Option): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}
