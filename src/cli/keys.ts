/** Where the command line's keys come from: public keys, private key files, passphrases; and the keyrings that they make. */

import { toText } from '../envelope/framing.ts';
import { isBullaError, KeyError } from '../errors.ts';
import { anyOf } from '../keyrings/any-of.ts';
import { type EcdhPrivateKey, ecdhKeyring, importEcdhPrivateKey, importEcdhPublicKey } from '../keyrings/ecdh.ts';
import type { Keyring } from '../keyrings/keyring.ts';
import { passphraseKeyring } from '../keyrings/passphrase.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import { decrypt } from '../message/decrypt.ts';
import { encrypt } from '../message/encrypt.ts';
import type { Arguments, Option } from './arguments.ts';
import { LockedKeyError, UsageError } from './failure.ts';
import { askPassphrase, passphraseFrom, readPassphrase } from './passphrases.ts';
import { readText } from './text-file.ts';
import { words } from './words.ts';

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
  {
    name: 'key-passphrase-fd',
    value: 'N',
    needs: 'key',
    help: 'reads the passphrase of protected key files from file descriptor N',
  },
];

/** How to use a key service. */
export const serviceOptions: readonly Option[] = [
  { name: 'key-service', short: 's', value: 'FILE', help: 'a configuration file that names a key service' },
  { name: 'service-key', value: 'KEY', needs: 'key-service', help: 'the key of the service: its id, or alias:NAME' },
  {
    name: 'key-context',
    value: 'NAME=VALUE',
    multiple: true,
    needs: 'key-service',
    help: 'what the service decides by; may be repeated',
  },
];

/** For those who encrypt. */
export const offlineOption: Option = {
  name: 'offline',
  needs: 'key-service',
  help: 'wraps to the public key that the service publishes, which needs no permission to decrypt',
};

const keyFileContentType = 'application/vnd.bulla.private-key';

/** The keyring that encrypts for all recipients, and for a passphrase. Rejects with a {@link UsageError} where there is none of either. */
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

/** The keyring that decrypts with all private keys that were given, a passphrase, and a key service. */
export async function decryptionKeyring(args: Arguments): Promise<Keyring> {
  return combine([...(await localKeyrings(args)), ...(await serviceKeyrings(args))], nothingToDecryptWith);
}

/**
 * The keyring that opens what is re-wrapped. A key of the service may also be the one that its configuration names, where options name another one to encrypt with.
 */
export async function rewrappingKeyring(args: Arguments): Promise<Keyring> {
  const local = await localKeyrings(args);
  return combine([...local, ...(await serviceKeyrings(args, 'also as configured'))], nothingToDecryptWith);
}

const nothingToDecryptWith = 'There is nothing to decrypt with: give a --key, a passphrase or a --key-service';

async function localKeyrings(args: Arguments): Promise<Keyring[]> {
  const passphrase = await readPassphrase(args, 'passphrase', 'once');
  const privateKeys = await readPrivateKeys(args);
  return [
    ...(privateKeys.length > 0 ? [ecdhKeyring({ privateKeys })] : []),
    ...(passphrase === undefined ? [] : [passphraseKeyring({ passphrase })]),
  ];
}

/** The one of `--key-service`, if it is given. */
async function serviceKeyrings(args: Arguments, also?: 'also as configured'): Promise<Keyring[]> {
  if (args.get('key-service') === undefined) return [];
  // jose and ky are loaded only when needed.
  const { openKeyService } = await import('./key-service.ts');
  const { keyring, configuredKeyring } = await openKeyService(args);
  return [keyring(), ...(also === undefined ? [] : configuredKeyring())];
}

function combine(keyrings: Keyring[], missing: string): Keyring {
  const [first, ...more] = keyrings;
  if (first === undefined) throw new UsageError(missing);
  return more.length === 0 ? first : anyOf(first, ...more);
}

async function readRecipients(args: Arguments) {
  const given = args.all('recipient').map((text) => ({ text, where: '--recipient' }));
  const listed: typeof given = [];
  for (const path of args.all('recipients-file')) {
    const lines = (await readText(path)).split('\n');
    const named = lines.map((line, i) => ({ text: line.trim(), where: `${path}, line ${i + 1}` }));
    listed.push(...named.filter(({ text }) => text !== '' && !text.startsWith('#')));
  }
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
  const files: { path: string; text: string }[] = [];
  for (const path of args.all('key')) files.push({ path, text: await readText(path, notAKeyFile) });
  const fromFd = await readKeyPassphrase(args);
  const keys: EcdhPrivateKey[] = [];
  // One after the other: there is one terminal to ask on.
  for (const { path, text } of files) keys.push(await parsePrivateKey(path, text, fromFd));
  return keys;
}

async function readKeyPassphrase(args: Arguments): Promise<string | undefined> {
  const fd = args.integer('key-passphrase-fd', 0);
  return fd === undefined ? undefined : passphraseFrom(args, fd);
}

async function parsePrivateKey(path: string, text: string, passphrase: string | undefined): Promise<EcdhPrivateKey> {
  const line = keyLine(text);
  if (line?.startsWith('bullask1.')) return importEcdhPrivateKey(line).catch(renameInvalid(path));
  if (!line?.startsWith('bulla1.')) throw notAKeyFile(path);
  const given = passphrase ?? (await askPassphrase(words`Passphrase of ${path}: `));
  const { plaintext, header } = await decrypt(line, { keyring: passphraseKeyring({ passphrase: given }) }).catch(
    (error: unknown) => {
      if (!isBullaError(error) || error.code !== 'ERR_DECRYPTION_FAILED') throw error;
      throw new LockedKeyError(`${path}: a wrong passphrase of this key file, or the file was changed`);
    },
  );
  const key = keyLine(decodeUtf8(plaintext) ?? '');
  plaintext.fill(0);
  if (header.contentType !== keyFileContentType || key === undefined) throw notAKeyFile(path);
  return importEcdhPrivateKey(key).catch(renameInvalid(path));
}

/** Reads the public key that a key file names in its comment, or derives it from the key. */
export async function readKeyFile(path: string, args: Arguments): Promise<EcdhPrivateKey> {
  const text = await readText(path, notAKeyFile);
  return parsePrivateKey(path, text, await readKeyPassphrase(args));
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

/** What stands in a key file besides comments: one key or message, which may be folded. */
function keyLine(text: string): string | undefined {
  const lines = linesOf(text).filter((line) => !line.startsWith('#'));
  return lines.length === 0 ? undefined : lines.join('');
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function notAKeyFile(path: string): KeyError {
  return new KeyError('ERR_INVALID_KEY', `${path} is no key file`);
}

function renameInvalid(path: string): (error: unknown) => never {
  return (error) => {
    throw isBullaError(error) ? notAKeyFile(path) : error;
  };
}
