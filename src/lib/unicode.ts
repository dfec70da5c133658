/** Which code points Unicode 15.0 assigns. Their normal forms never change (UAX #15 §3), and every runtime knows them. */

import { assignedRuns } from './generated/assigned.ts';

/** Where runs of assigned and unassigned code points begin, alternately: at even places assigned ones do. */
let starts: Uint32Array | undefined;

const ascii = /^\p{ASCII}*$/u;

/** Whether Unicode 15.0 assigns every code point of a text. An unpaired surrogate counts as assigned. */
export function isAssigned(text: string): boolean {
  if (ascii.test(text)) return true;
  starts ??= readTable();
  for (const character of text) {
    if (!isAssignedPoint(starts, character.codePointAt(0) as number)) return false;
  }
  return true;
}

/** The number of the last run that begins at or before a code point is even for an assigned one. */
function isAssignedPoint(runs: Uint32Array, point: number): boolean {
  let low = 0;
  let high = runs.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((runs[middle] as number) <= point) low = middle;
    else high = middle;
  }
  return low % 2 === 0;
}

function readTable(): Uint32Array {
  let next = 0;
  return Uint32Array.from(assignedRuns.split(' '), (length) => {
    const start = next;
    next += Number.parseInt(length, 36);
    return start;
  });
}
