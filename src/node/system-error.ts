/** Errors of the file system, told by the name that the caller knows. */

import { constants } from 'node:os';
import { type PlainPath, shownPath } from './paths.ts';

type Code = 'EEXIST' | 'EISDIR' | 'EINVAL';

/** An error as `node:fs` makes them. */
export function systemError(code: Code, reason: string, path: PlainPath): NodeJS.ErrnoException {
  const shown = shownPath(path);
  const text = `${code}: ${reason}, open '${shown}'`;
  return Object.assign(new Error(text), { code, errno: -constants.errno[code], syscall: 'open', path: shown });
}

/** What the system said about a temporary file, said about its target: nobody has heard of the temporary file. */
export function aboutTarget(error: unknown, path: PlainPath): unknown {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof code !== 'string' || typeof syscall !== 'string') return error;
  const shown = shownPath(path);
  const reason = reasonOf(error);
  return Object.assign(error, {
    message: `${code}: ${reason}, ${syscall} '${shown}'`,
    path: shown,
    dest: undefined,
  });
}

/** What is between the code and the call in a message such as `EBUSY: resource busy or locked, rename 'a' -> 'b'`. */
export function reasonOf({ message }: Error): string {
  return /^\w+: ([^,]*)/.exec(message)?.[1] ?? message;
}

/** Passes over an error with this code. */
export function ignoring(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
  };
}
