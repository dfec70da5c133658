/** What `--help` says, of all commands and of one. */

const commands: Readonly<Record<string, string>> = {
  dev: `dev [--port 8400] [--host 127.0.0.1] [--data .bulla-dev]      a service for development, on loopback
    [--log-level debug|info|warn|error|silent]`,
  serve: 'serve --config <file>                                         the service',
  init: 'init --config <file> [--create-root-key]                      makes schema, identity and secrets',
  migrate: 'migrate --config <file>                                       brings the schema up to date',
  tenants: `tenants list --config <file>                                  tenants, on the database itself
tenants show|create --config <file> --tenant <tenant>
tenants limits --config <file> --tenant <tenant>              shows its limits, and sets them
    [--items-per-minute <n|default>]
    [--revoked-data-keys-per-day <n|default>]
tenants close --config <file> --tenant <tenant> --days <n>    asks for its end; another operator approves it
    [--approve] or, instead of --days, [--cancel]
tenants resume --config <file> --tenant <tenant>              says what was lost of a halted tenant
    [--accept-rollback]                                       goes on without it`,
  keys: `keys list --config <file> --tenant <tenant>                   keys, on the database itself
keys create --config <file> --tenant <tenant> [--alias <name>]
keys describe|rotate|disable|enable --config <file>
    --tenant <tenant> --key <id or alias:name>`,
  backup: `backup --config <file> --recipient <bullapk1...> --out <file> a backup to recovery public keys
    [--recipient <another>]`,
  restore: `restore --config <file> --in <file> --key-file <file>         into an empty database
    [--checkpoint <file>] [--accept-rollback]`,
  identity: 'identity show|rotate --config <file>                          the thumbprint to pin; a new identity',
  'root-key': `root-key create --out <file>                                  a new root key
root-key rotate --config <file> --new <file>                  seals everything under another root key
root-key reseal --config <file>                               seals again what earlier ones sealed, beside replicas`,
  audit: `audit verify --config <file> [--checkpoint <file>]            checks all logs
audit checkpoint --config <file> [--out <file>]               the signed head of the service's log
audit resume --config <file> [--accept-rollback]              what was lost of that log; goes on without it`,
  policies: 'policies check <file>                                         checks a policy file before it is loaded',
};

/** The lines of one command, or of all. */
export function usage(command?: string): string {
  const texts = command === undefined ? Object.values(commands) : [commands[command] ?? ''];
  const lines = texts.flatMap((text) => text.split('\n')).map((line) => `  ${line}\n`);
  return `bulla-key-service ${command ?? '<command>'}\n\n${lines.join('')}`;
}
