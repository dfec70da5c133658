/** Which code points Unicode 15.0 assigns. Their normal forms never change (UAX #15 §3), and every runtime knows them. */

import { assignedRuns } from './generated/assigned.ts';

/** Where runs of assigned and unassigned code points begin, alternately: at even places assigned ones do. */
let starts: Uint32Array | undefined;

const ascii = /^\p{ASCII}*$/u;

/** Whether Unicode 15.0 assigns every code point of a text. An unpaired surrogate counts as assigned. */
export function isAssigned(text: string): boolean {
  if (ascii.test(text)) return true;
  starts ??= readRuns();
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

/** Where each run begins. */
function readRuns(): Uint32Array {
  const found: number[] = [];
  let start = 0;
  let high = 0;
  for (const digit of assignedRuns) {
    const code = digit.charCodeAt(0);
    if (code > 92) {
      high = high * 34 + code - 92;
    } else {
      found.push(start);
      start += high * 52 + code - 39;
      high = 0;
    }
  }
  return Uint32Array.from(found);
}
