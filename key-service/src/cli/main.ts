/** The command `bulla-key-service`. */

import { OperatorError } from '../errors.ts';
import { StoreError } from '../store/errors.ts';
import { auditCommand } from './audit.ts';
import { backupCommand, restoreCommand } from './backup.ts';
import { devCommand } from './dev.ts';
import { identityCommand } from './identity.ts';
import { initCommand, migrateCommand } from './init.ts';
import { keysCommand } from './keys.ts';
import { UsageError } from './options.ts';
import { policiesCommand } from './policies.ts';
import { rootKeyCommand } from './root-key.ts';
import { serveCommand } from './serve.ts';
import { usage } from './usage.ts';

const commands: ReadonlyMap<string, (args: string[]) => Promise<void>> = new Map(
  Object.entries({
    dev: devCommand,
    serve: serveCommand,
    init: initCommand,
    migrate: migrateCommand,
    keys: keysCommand,
    backup: backupCommand,
    restore: restoreCommand,
    identity: identityCommand,
    'root-key': rootKeyCommand,
    audit: auditCommand,
    policies: policiesCommand,
  }),
);

const help = ['--help', '-h', 'help'];

/** Runs a command. Sets the exit code: 0, 1 for what went wrong, 2 for a wrong use. */
export async function main([name = '', ...args]: string[]): Promise<void> {
  const command = commands.get(name);
  if (!command) {
    const asked = help.includes(name);
    const fault = asked || name === '' ? '' : `Unknown command '${name}'\n\n`;
    (asked ? process.stdout : process.stderr).write(`${fault}${usage()}`);
    process.exitCode = asked ? 0 : 2;
    return;
  }
  if (args.some((arg) => help.slice(0, 2).includes(arg))) {
    process.stdout.write(usage(name));
    return;
  }
  try {
    await command(args);
  } catch (error) {
    process.exitCode = report(name, error);
  }
}

function report(command: string, error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${usage(command)}`);
    return 2;
  }
  process.stderr.write(`${describe(error)}\n`);
  return 1;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof OperatorError) return error.message;
  if (error instanceof StoreError) {
    const { cause } = error;
    return cause instanceof Error ? `${error.message}: ${messageOf(cause)}` : error.message;
  }
  // The system says no: a file that cannot be written, say. Anything else is a fault of the program, which its stack helps to find.
  return 'syscall' in error ? error.message : String(error.stack);
}

// The error of a connection that was tried at several addresses has no message of its own.
function messageOf(error: Error): string {
  return error.message || String((error as NodeJS.ErrnoException).code ?? error.name);
}
