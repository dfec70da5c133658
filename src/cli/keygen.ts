/** `bulla keygen` */

import { dirname } from 'node:path';
import { exportEcdhPrivateKey, exportEcdhPublicKey, generateEcdhKey } from '../keyrings/ecdh.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { writeAtomically } from '../node/atomic-file.ts';
import { writeFully } from '../node/file-io.ts';
import type { Arguments } from './arguments.ts';
import { exitCodes, UsageError } from './failure.ts';
import { assertFolder, pipe } from './files.ts';
import { formatKeyFile, keyOptions, passphraseOptions, readKeyFile, readPassphrase } from './keys.ts';
import { type Command, commonOptions, printJson } from './run.ts';
import { say } from './terminal.ts';

/** Makes key pairs. */
export const keygenCommand: Command = {
  name: 'keygen',
  summary: 'makes a key pair, or prints the public key of one',
  synopsis: '--output FILE [OPTIONS], or keygen --public --key FILE',
  details: `Writes the private key to FILE, which its owner alone may read, and prints the public key, which may be given to anybody.`,
  options: [
    { name: 'output', short: 'o', value: 'FILE', help: 'where to write the private key; - is standard output' },
    { name: 'force', short: 'f', help: 'replaces a file that exists; what was encrypted for its key is lost' },
    ...passphraseOptions,
    { name: 'public', help: 'prints the public key of the file given with --key' },
    ...keyOptions.map((option) => ({ ...option, multiple: false })),
    ...commonOptions,
  ],

  async run(args) {
    if (args.files.length > 0) throw new UsageError('keygen takes no files but --output');
    if (args.has('public')) await printPublicKey(args);
    else await generate(args);
    return exitCodes.success;
  },
};

async function printPublicKey(args: Arguments): Promise<void> {
  const path = args.get('key');
  if (path === undefined) throw new UsageError('--public needs a --key');
  const { publicKey } = await readKeyFile(path, args);
  printPublic(args, exportEcdhPublicKey(publicKey), publicKey.keyId);
}

async function generate(args: Arguments): Promise<void> {
  const path = args.get('output');
  if (path === undefined) throw new UsageError('Say where to write the private key with --output');
  if (path === pipe && args.has('json')) throw new UsageError('--json needs an --output that is a file');
  if (args.get('key') !== undefined) throw new UsageError('--key goes with --public');
  if (path !== pipe) assertFolder(dirname(path));
  const passphrase = await readPassphrase(args, 'passphrase', 'twice');
  const key = await generateEcdhKey({ extractable: true });
  const publicKey = exportEcdhPublicKey(key.publicKey);
  const text = await formatKeyFile(publicKey, await exportEcdhPrivateKey(key), new Date(), passphrase);
  if (path === pipe) {
    process.stdout.write(text);
    if (!args.has('quiet')) say(`public key: ${publicKey}`);
    return;
  }
  const content = encodeUtf8(text, 'key file');
  await writeAtomically(path, { overwrite: args.has('force'), mode: 0o600 }, (file) => writeFully(file, [content], 0));
  printPublic(args, publicKey, key.publicKey.keyId, path);
}

function printPublic(args: Arguments, publicKey: string, keyId: string, output?: string): void {
  if (args.has('json')) printJson({ publicKey, keyId, ...(output !== undefined && { output }) });
  else process.stdout.write(`${publicKey}\n`);
}
