/** `bulla keygen` */

import { exportEcdhPrivateKey, exportEcdhPublicKey, generateEcdhKey } from '../keyrings/ecdh.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { writeAtomically } from '../node/atomic-file.ts';
import { writeFully } from '../node/file-io.ts';
import { folderOf } from '../node/paths.ts';
import { findTarget } from '../node/replaced-file.ts';
import { removeTemporaries } from '../node/temporary-files.ts';
import type { Command } from './actions.ts';
import type { Arguments, Option } from './arguments.ts';
import { exitCodes, UsageError } from './failure.ts';
import { holding } from './interruption.ts';
import { formatKeyFile, keyOptions, readKeyFile } from './keys.ts';
import { passphraseOptions, readPassphrase } from './passphrases.ts';
import { assertFolder } from './plan.ts';
import { assertNotRead } from './read-files.ts';
import { commonOptions } from './run.ts';
import { pipe } from './same-file.ts';
import { assertStandardOutput, printJson, say, standardOutput } from './standard-streams.ts';
import { words } from './words.ts';

const generateOptions: readonly Option[] = [
  { name: 'output', short: 'o', value: 'FILE', help: 'where to write the private key; - is standard output' },
  { name: 'force', short: 'f', help: 'replaces a file that exists; what was encrypted for its key is lost' },
  ...passphraseOptions,
  ...commonOptions,
];

const publicOptions: readonly Option[] = [
  { name: 'public', help: 'prints the public key of the file given with --key' },
  ...keyOptions.map((option) => ({ ...option, multiple: false })),
  ...commonOptions,
];

/** Makes key pairs. */
export const keygenCommand: Command = {
  name: 'keygen',
  summary: 'makes a key pair, or prints the public key of one',
  synopsis: '--output FILE [OPTIONS], or keygen --public --key FILE',
  details: `Writes the private key to FILE, which its owner alone may read, and prints the public key, which may be given to anybody.`,
  actions: [
    { name: '', options: generateOptions, run: (args) => withoutFiles(args, generate) },
    { name: '--public', options: publicOptions, run: (args) => withoutFiles(args, printPublicKey) },
  ],
};

async function withoutFiles(args: Arguments, work: (args: Arguments) => Promise<void>): Promise<number> {
  if (args.files.length > 0) throw new UsageError('keygen takes no files but those of its options');
  await work(args);
  return exitCodes.success;
}

async function printPublicKey(args: Arguments): Promise<void> {
  const path = args.get('key');
  if (path === undefined) throw new UsageError('--public needs a --key');
  const { publicKey } = await readKeyFile(path, args);
  await printPublic(args, exportEcdhPublicKey(publicKey), publicKey.keyId);
}

async function generate(args: Arguments): Promise<void> {
  const path = args.get('output');
  if (path === undefined) throw new UsageError('Say where to write the private key with --output');
  if (path === pipe && args.has('json')) throw new UsageError('--json needs an --output that is a file');
  await assertNotRead(args, path, path === pipe ? 'Standard output' : path);
  if (path === pipe) assertStandardOutput();
  else {
    assertFolder(folderOf(path));
    // Before anybody types a passphrase.
    await findTarget(path, args.has('force'));
  }
  const passphrase = await readPassphrase(args, 'passphrase', 'twice');
  const key = await generateEcdhKey({ extractable: true });
  const publicKey = exportEcdhPublicKey(key.publicKey);
  const text = await formatKeyFile(publicKey, await exportEcdhPrivateKey(key), new Date(), passphrase);
  const content = encodeUtf8(text, 'key file');
  if (path === pipe) {
    // What is encrypted for a key that was not written is lost.
    await standardOutput.write(content);
    if (!args.has('quiet')) await say(words`public key: ${publicKey}`);
    return;
  }
  const options = { overwrite: args.has('force'), mode: 0o600 };
  await holding(removeTemporaries, () =>
    writeAtomically(path, options, async (file) => {
      await writeFully(file, [content], 0);
      return {};
    }),
  );
  await printPublic(args, publicKey, key.publicKey.keyId, path);
}

async function printPublic(args: Arguments, publicKey: string, keyId: string, output?: string): Promise<void> {
  if (args.has('json')) await printJson({ publicKey, keyId, ...(output !== undefined && { output }) });
  else await standardOutput.write(words`${publicKey}\n`);
}
