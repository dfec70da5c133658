// Interleaved measuring: every round runs every candidate once, so that what else the machine does meets all of them alike.

/** One thing to measure: does its work and resolves to how much it did (bytes, messages, 1). */
export interface Candidate {
  readonly name: string;
  /** `bulla`, another build of it, a `peer`, or a `limit` of the machine. */
  readonly kind: 'bulla' | 'baseline' | 'peer' | 'limit';
  /** The row of bulla's that it is compared with; by default the first. */
  readonly against?: string | undefined;
  /** Makes ready what a run uses up; not timed. */
  prepare?(): void;
  run(): Promise<number>;
}

/** What was measured of one candidate: work per second in each round. */
export interface Measured {
  readonly name: string;
  readonly kind: Candidate['kind'];
  readonly against?: string | undefined;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly rounds: readonly number[];
}

/** Milliseconds that go by. */
let clock = () => performance.now();

/**
 * From now on counts processor time, of all threads of this Node and of the system for it, instead of time that goes by. On a machine with other work it says more about code that works on
 * one thread, and nothing about waiting.
 */
export function countProcessorTime(): void {
  clock = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
}

/** Runs all candidates twice without counting, then `rounds` times, each time from another beginning. */
export async function interleave(
  candidates: readonly Candidate[],
  rounds: number,
  report: (text: string) => void = () => {},
): Promise<Measured[]> {
  const rates = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
  for (let round = -2; round < rounds; round++) {
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[(i + round + 2) % candidates.length] as Candidate;
      candidate.prepare?.();
      collectGarbage();
      const begun = clock();
      const work = await candidate.run();
      const seconds = (clock() - begun) / 1000;
      if (round >= 0) rates.get(candidate.name)?.push(work / seconds);
      report(`${round < 0 ? 'warm-up' : `round ${round + 1}`}: ${candidate.name} ${seconds.toFixed(2)} s`);
    }
  }
  return candidates.map(({ name, kind, against }) => ({ name, kind, against, ...summary(rates.get(name) ?? []) }));
}

/** Median, least and most. */
export function summary(rounds: readonly number[]): Omit<Measured, 'name' | 'kind' | 'against'> {
  const sorted = [...rounds].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1
      ? (sorted[middle] as number)
      : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { median, least: sorted[0] as number, most: sorted.at(-1) as number, rounds };
}

/** With `--expose-gc`: what one candidate left behind is not the next one's to clear away. */
export function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}
