/** The command `bulla-key-service`. */

import { OperatorError } from '../errors.ts';
import { StoreError } from '../store/store.ts';
import { auditCommand } from './audit.ts';
import { backupCommand, restoreCommand } from './backup.ts';
import { devCommand } from './dev.ts';
import { identityCommand } from './identity.ts';
import { initCommand, migrateCommand } from './init.ts';
import { keysCommand } from './keys.ts';
import { policiesCommand } from './policies.ts';
import { rootKeyCommand } from './root-key.ts';
import { serveCommand } from './serve.ts';

const usage = `bulla-key-service <command>

  dev [--port 8400] [--host 127.0.0.1] [--data .bulla-dev]     a service for development, on loopback
  serve --config <file>                                         the service
  init --config <file> [--create-root-key]                      makes schema, identity and secrets
  migrate --config <file>                                       brings the schema up to date
  keys list|describe|create|rotate|disable|enable ...           keys, on the database: see \`keys --help\`
  backup --config <file> --recipient <bullapk1...> --out <file> a backup to recovery public keys
  restore --config <file> --in <file> --key-file <file>         into an empty database
          [--checkpoint <file>] [--accept-rollback]
  identity show|rotate --config <file>                          the thumbprint to pin; a new identity
  root-key create --out <file>                                  a new root key
  root-key rotate --config <file> --new <file>                  seals everything under another root key
  audit verify --config <file> [--checkpoint <file>]            checks the whole log
  audit checkpoint --config <file> [--out <file>]               the signed head of the log
  policies check <file>                                         checks a policy file before it is loaded
`;

const commands: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
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
};

/** Runs a command. Sets the exit code: 0, 1 for what went wrong, 2 for a wrong use. */
export async function main([name, ...args]: string[]): Promise<void> {
  const command = name === undefined ? undefined : commands[name];
  if (!command) {
    const asked = name === undefined || name === '--help' || name === 'help';
    (asked ? process.stdout : process.stderr).write(usage);
    process.exitCode = asked && name !== undefined ? 0 : 2;
    return;
  }
  try {
    await command(args);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof OperatorError) {
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  if (error instanceof StoreError) {
    const { cause } = error;
    process.stderr.write(`${error.message}${cause instanceof Error ? `: ${cause.message}` : ''}\n`);
    return 1;
  }
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
