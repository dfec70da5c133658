/** Where the command line's keys come from: public keys, private key files, passphrases; and the keyrings that they make. */

import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { toText } from '../envelope/framing.ts';
import { isBullaError, KeyError } from '../errors.ts';
import { anyOf } from '../keyrings/any-of.ts';
import { type EcdhPrivateKey, ecdhKeyring, importEcdhPrivateKey, importEcdhPublicKey } from '../keyrings/ecdh.ts';
import type { Keyring } from '../keyrings/keyring.ts';
import { passphraseKeyring } from '../keyrings/passphrase.ts';
import { decrypt } from '../message/decrypt.ts';
import { encrypt } from '../message/encrypt.ts';
import type { Arguments, Option } from './arguments.ts';
import { FileError, UsageError } from './failure.ts';
import { askHidden } from './terminal.ts';

/** How to say who will be able to decrypt. */
export const recipientOptions: readonly Option[] = [
  { name: 'recipient', short: 'r', value: 'KEY', multiple: true, help: 'a public key, bullapk1.…; may be repeated' },
  {
    name: 'recipients-file',
    short: 'R',
    value: 'FILE',
    multiple: true,
    help: 'a file of public keys, one a line, # for comments; may be repeated',
  },
];

/** How to say what to decrypt with. */
export const keyOptions: readonly Option[] = [
  { name: 'key', short: 'k', value: 'FILE', multiple: true, help: 'a private key file of keygen; may be repeated' },
  { name: 'key-passphrase-fd', value: 'N', help: 'reads the passphrase of protected key files from file descriptor N' },
];

/** How to give a passphrase. Never as an argument: those are visible to everybody on the machine. */
export const passphraseOptions: readonly Option[] = [
  { name: 'passphrase', short: 'p', help: 'asks for a passphrase on the terminal' },
  { name: 'passphrase-fd', value: 'N', help: 'reads the passphrase, one line, from file descriptor N' },
];

/** The same for the passphrase that a message is re-wrapped to. */
export const newPassphraseOptions: readonly Option[] = [
  { name: 'new-passphrase', help: 'asks for the passphrase that shall open the message' },
  { name: 'new-passphrase-fd', value: 'N', help: 'reads it, one line, from file descriptor N' },
];

/** How to use a key service. */
export const serviceOptions: readonly Option[] = [
  { name: 'key-service', short: 's', value: 'FILE', help: 'a configuration file that names a key service' },
  { name: 'service-key', value: 'KEY', help: 'the key of the service: its id, or alias:NAME' },
  { name: 'key-context', value: 'NAME=VALUE', multiple: true, help: 'what the service decides by; may be repeated' },
];

/** For those who encrypt. */
export const offlineOption: Option = {
  name: 'offline',
  help: 'wraps to the public key that the service publishes, which needs no permission to decrypt',
};

const maxKeyFileLength = 65_536;
const maxPassphraseLength = 4_096;
const keyFileContentType = 'application/vnd.bulla.private-key';

/** The keyring that encrypts for all recipients, and for a passphrase. Throws a {@link UsageError} where there is none of either. */
export async function encryptionKeyring(
  args: Arguments,
  passphraseName: 'passphrase' | 'new-passphrase' = 'passphrase',
): Promise<Keyring> {
  const ofService = await serviceKeyrings(args);
  const recipients = await readRecipients(args);
  const passphrase = await readPassphrase(args, passphraseName, 'twice');
  const keyrings = [
    ...ofService,
    ...(recipients.length > 0 ? [ecdhKeyring({ recipients })] : []),
    ...(passphrase === undefined ? [] : [passphraseKeyring({ passphrase })]),
  ];
  const ways = `a --recipient, a --recipients-file, a --${passphraseName} or a --key-service`;
  return combine(keyrings, `Nobody could decrypt it: give ${ways}`);
}

/** The keyring that decrypts with all private keys that were given, and a passphrase. */
export async function decryptionKeyring(args: Arguments): Promise<Keyring> {
  const passphrase = await readPassphrase(args, 'passphrase', 'once');
  const privateKeys = await readPrivateKeys(args);
  const keyrings = [
    ...(privateKeys.length > 0 ? [ecdhKeyring({ privateKeys })] : []),
    ...(passphrase === undefined ? [] : [passphraseKeyring({ passphrase })]),
    ...(await serviceKeyrings(args)),
  ];
  return combine(keyrings, 'There is nothing to decrypt with: give a --key, a passphrase or a --key-service');
}

/** The one of `--key-service`, if it is given. */
async function serviceKeyrings(args: Arguments): Promise<Keyring[]> {
  if (args.get('key-service') === undefined) {
    const without = ['service-key', 'key-context', 'offline'].find((name) => args.given(name));
    if (without !== undefined) throw new UsageError(`--${without} goes with --key-service`);
    return [];
  }
  // jose and ky are loaded by whoever needs them.
  const { openKeyService } = await import('./key-service.ts');
  return [openKeyService(args).keyring()];
}

function combine(keyrings: Keyring[], missing: string): Keyring {
  const [first, ...more] = keyrings;
  if (first === undefined) throw new UsageError(missing);
  return more.length === 0 ? first : anyOf(first, ...more);
}

async function readRecipients(args: Arguments) {
  const given = args.all('recipient').map((text) => ({ text, where: '--recipient' }));
  const listed = args.all('recipients-file').flatMap((path) =>
    readText(path)
      .split('\n')
      .map((line, i) => ({ text: line.trim(), where: `${path}, line ${i + 1}` }))
      .filter(({ text }) => text !== '' && !text.startsWith('#')),
  );
  return Promise.all(
    [...given, ...listed].map(async ({ text, where }) => {
      try {
        return await importEcdhPublicKey(text);
      } catch (error) {
        // What was given is not repeated: it may be a private key, by mistake.
        if (!isBullaError(error)) throw error;
        throw new KeyError('ERR_INVALID_KEY', `${where} has no public key of the form bullapk1.…`);
      }
    }),
  );
}

async function readPrivateKeys(args: Arguments): Promise<EcdhPrivateKey[]> {
  const files = args.all('key').map((path) => ({ path, text: readText(path) }));
  const fd = args.integer('key-passphrase-fd', 0);
  const fromFd = fd === undefined ? undefined : await readLineOf(fd);
  const keys: EcdhPrivateKey[] = [];
  // One after the other: there is one terminal to ask on.
  for (const { path, text } of files) keys.push(await parsePrivateKey(path, text, fromFd));
  return keys;
}

async function parsePrivateKey(path: string, text: string, passphrase: string | undefined): Promise<EcdhPrivateKey> {
  const line = keyLine(text);
  if (line?.startsWith('bullask1.')) return importEcdhPrivateKey(line).catch(renameInvalid(path));
  if (!line?.startsWith('bulla1.')) throw notAKeyFile(path);
  const given = passphrase ?? (await askHidden(`Passphrase of ${path}: `));
  const { plaintext, header } = await decrypt(line, { keyring: passphraseKeyring({ passphrase: nonEmpty(given) }) });
  const key = keyLine(new TextDecoder().decode(plaintext));
  plaintext.fill(0);
  if (header.contentType !== keyFileContentType || key === undefined) throw notAKeyFile(path);
  return importEcdhPrivateKey(key).catch(renameInvalid(path));
}

/** Reads the public key that a key file names in its comment, or derives it from the key. */
export async function readKeyFile(path: string, args: Arguments): Promise<EcdhPrivateKey> {
  const fd = args.integer('key-passphrase-fd', 0);
  return parsePrivateKey(path, readText(path), fd === undefined ? undefined : await readLineOf(fd));
}

/** The text of a key file, protected where there is a passphrase. */
export async function formatKeyFile(
  publicKey: string,
  privateKey: string,
  created: Date,
  passphrase: string | undefined,
): Promise<string> {
  const comment = [
    `# private key of bulla, created ${created.toISOString()}: keep it secret`,
    `# public key: ${publicKey}`,
  ];
  if (passphrase === undefined) return [...comment, privateKey, ''].join('\n');
  const keyring = passphraseKeyring({ passphrase });
  const message = await encrypt(privateKey, { keyring, contentType: keyFileContentType });
  return [...comment, '# protected by a passphrase', toText(message), ''].join('\n');
}

/** The passphrase that the options `name` and `name-fd` ask for, or `undefined`. */
export async function readPassphrase(
  args: Arguments,
  name: string,
  asked: 'once' | 'twice',
): Promise<string | undefined> {
  const fd = args.integer(`${name}-fd`, 0);
  if (fd !== undefined && args.has(name)) throw new UsageError(`--${name} and --${name}-fd exclude each other`);
  if (fd !== undefined) return nonEmpty(await readLineOf(fd));
  if (!args.has(name)) return undefined;
  const what = name === 'passphrase' ? 'Passphrase' : 'New passphrase';
  const typed = nonEmpty(await askHidden(`${what}: `));
  if (asked === 'twice' && (await askHidden(`${what} again: `)) !== typed) {
    throw new UsageError('The two passphrases differ');
  }
  return typed;
}

function nonEmpty(passphrase: string): string {
  if (passphrase === '') throw new UsageError('The passphrase is empty');
  return passphrase;
}

/** The first line that a descriptor gives. */
async function readLineOf(fd: number): Promise<string> {
  let text = '';
  try {
    for await (const chunk of createReadStream('', { fd, autoClose: false, encoding: 'utf8' })) {
      text += chunk;
      if (text.includes('\n') || text.length > maxPassphraseLength) break;
    }
  } catch (error) {
    const { code = 'ERR_UNEXPECTED' } = error as NodeJS.ErrnoException;
    throw new FileError(code, `File descriptor ${fd} could not be read`);
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line.length > maxPassphraseLength) throw new UsageError('The passphrase is too long');
  return line;
}

function keyLine(text: string): string | undefined {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  return lines.length === 1 ? lines[0] : undefined;
}

/** A small text file, or what a pipe gives (`/dev/fd/3`). */
function readText(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(maxKeyFileLength + 1);
    let filled = 0;
    for (let read = -1; read !== 0; filled += read)
      read = readSync(file, bytes, filled, bytes.byteLength - filled, null);
    if (filled > maxKeyFileLength) throw notAKeyFile(path);
    return new TextDecoder().decode(bytes.subarray(0, filled));
  } finally {
    closeSync(file);
  }
}

function notAKeyFile(path: string): KeyError {
  return new KeyError('ERR_INVALID_KEY', `${path} is no key file`);
}

function renameInvalid(path: string): (error: unknown) => never {
  return (error) => {
    throw isBullaError(error) ? notAKeyFile(path) : error;
  };
}
