/** The temporary files of this process, for a process that has to end at once. */

import { randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { type PlainPath, siblingOf } from './paths.ts';

const temporaries = new Set<PlainPath>();

/** A name beside `target` that nobody else has. It is known to {@link removeTemporaries} from now on. */
export function temporaryBeside(target: PlainPath): PlainPath {
  const path = siblingOf(target, `.bulla-${randomBytes(9).toString('hex')}.tmp`);
  temporaries.add(path);
  return path;
}

/** To be called when the file is gone, or has the name of its target. */
export function forgetTemporary(path: PlainPath): void {
  temporaries.delete(path);
}

/** Removes all of them without waiting for anything, for handlers of signals. Never throws. */
export function removeTemporaries(): void {
  for (const path of temporaries) {
    try {
      unlinkSync(path);
    } catch {
      // It was not there yet, or is not ours to remove: nothing more can be done at this point.
    }
  }
}
