/** The files that a call reads besides its inputs, none of which may be an output. */

import { dirname, resolve } from 'node:path';
import type { Arguments } from './arguments.ts';
import { UsageError } from './failure.ts';
import { descriptorOptions } from './passphrases.ts';
import { fileBehind, identityOf, lookAt } from './same-file.ts';
import { readText } from './text-file.ts';

/** What identifies them, whether they are named, behind a descriptor, or named by a configuration. */
export async function filesRead(args: Arguments): Promise<string[]> {
  const named = ['key', 'recipients-file'].flatMap((name) => args.all(name));
  const configuration = args.get('key-service');
  const configured = configuration === undefined ? [] : [configuration, ...(await filesOf(configuration))];
  const descriptors = descriptorOptions.flatMap((name) => fileBehind(args.integer(name, 0)) ?? []);
  return [...[...named, ...configured].map(identityOf), ...descriptors];
}

/** Rejects with a {@link UsageError} where something would be written to one of them. */
export async function assertNotRead(args: Arguments, path: string, shown: string): Promise<void> {
  if (!(await filesRead(args)).includes(identityOf(path))) return;
  throw new UsageError(`${shown} is read, and would be written to as well`);
}

/** Keys, certificates, and what the command that prints tokens is given. What is wrong with the configuration is told when it is used. */
async function filesOf(configuration: string): Promise<string[]> {
  const { tls, token } = await contentOf(configuration);
  const { clientCredentials, serviceAccount, command } = membersOf(token);
  const beside = [membersOf(tls)['ca'], membersOf(clientCredentials)['keyFile'], membersOf(serviceAccount)['keyFile']];
  const named = beside.filter((name) => typeof name === 'string').map((name) => resolve(dirname(configuration), name));
  const words = Array.isArray(command) ? command.filter((word) => typeof word === 'string' && isFile(word)) : [];
  return [...named, ...words];
}

async function contentOf(path: string): Promise<Record<string, unknown>> {
  // A FIFO can be read once, and not here.
  if (!isFile(path)) return {};
  try {
    return membersOf(JSON.parse(await readText(path)));
  } catch {
    return {};
  }
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isFile(path: string): boolean {
  return lookAt(path)?.isFile() === true;
}
