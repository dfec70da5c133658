/** The command `bulla-key-service`. */

import { OperatorError } from '../errors.ts';
import { StoreError } from '../store/errors.ts';
import { UsageError } from './options.ts';
import { usage } from './usage.ts';

type Command = (args: string[]) => Promise<void>;

/** Each is loaded when it is called: HTTP and policies take most of the time of a start, and few commands need them. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map(
  Object.entries({
    dev: async () => (await import('./dev.ts')).devCommand,
    serve: async () => (await import('./serve.ts')).serveCommand,
    init: async () => (await import('./init.ts')).initCommand,
    migrate: async () => (await import('./init.ts')).migrateCommand,
    tenants: async () => (await import('./tenants.ts')).tenantsCommand,
    keys: async () => (await import('./keys.ts')).keysCommand,
    backup: async () => (await import('./backup.ts')).backupCommand,
    restore: async () => (await import('./backup.ts')).restoreCommand,
    identity: async () => (await import('./identity.ts')).identityCommand,
    'root-key': async () => (await import('./root-key.ts')).rootKeyCommand,
    audit: async () => (await import('./audit.ts')).auditCommand,
    policies: async () => (await import('./policies.ts')).policiesCommand,
  }),
);

const help = ['--help', '-h', 'help'];

/** Runs a command. Sets the exit code: 0, 1 for what went wrong, 2 for a wrong use. */
export async function main([name = '', ...args]: string[]): Promise<void> {
  const load = commands.get(name);
  if (!load) {
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
    const command = await load();
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
