/** Who runs a command on the host: as what logs and requests know them; `docs/key-service.md` §12.11. */

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { OperatorError } from '../errors.ts';

const uidMap = '/proc/self/uid_map';
const allNumbers = 2 ** 32 - 1;

/** The account by its number: what tells operators apart. */
export function operatorId(): string {
  return `uid ${process.getuid?.() ?? 'unknown'}`;
}

/** The account with its name, where the host has a plain one for it. `find` is for tests. Default: what the system says. */
export function operatorName(find: () => { readonly username: string } = userInfo): string {
  try {
    const { username } = find();
    if (/^[\w.-]{1,64}$/.test(username)) return `${operatorId()} (${username})`;
  } catch {
    // As in many containers: the number says who it is.
  }
  return operatorId();
}

/** Whether this tells an operator apart: requests of earlier versions have a name alone. */
export function isOperatorId(text: string): boolean {
  return /^operator\|uid \d+$/.test(text);
}

/** Throws `OperatorError` where one account may have several numbers: in a user namespace. `read` is for tests. Default: what the system says. */
export function assertHostNumbers(read: () => string = () => readFileSync(uidMap, 'utf8')): void {
  if (process.platform !== 'linux' || isIdentity(read)) return;
  throw new OperatorError('Accounts have other numbers here than on the host: run this on the host itself');
}

function isIdentity(read: () => string): boolean {
  try {
    const [inside, outside, length, ...more] = read().trim().split(/\s+/).map(Number);
    return inside === 0 && outside === 0 && length === allNumbers && more.length === 0;
  } catch {
    return false;
  }
}
