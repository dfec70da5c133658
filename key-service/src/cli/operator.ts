/** Who runs a command on the host: under this name logs and requests know them. */

import { userInfo } from 'node:os';

/** The account, or its number where the host has no name for it, as in many containers. `find` is for tests. Default: what the system says. */
export function operatorName(find: () => { readonly username: string } = userInfo): string {
  try {
    return find().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
