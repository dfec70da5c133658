// Ratios that outlive a run: to the bare calls, which `--guard` holds against the recorded ones, and to another build.

import { type Measured, summary } from './rounds.ts';
import type { Section } from './table.ts';

/** A ratio of medians for each pair of rows, by a name that other runs share. */
export type Ratios = Readonly<Record<string, number>>;

/** What is committed in `recorded.json`. */
export interface Recorded {
  /** A ratio may be lower by this share before it counts as slower: what runs of the same code differ by on a machine with other work. */
  readonly noise: number;
  readonly ratios: Ratios;
}

/** How many times as fast as the bare calls of its section each row of bulla's is. */
export function ratiosToLimits(sections: readonly Section[]): Ratios {
  return ratios(sections, ({ kind }, rows) => {
    if (kind !== 'bulla') return undefined;
    return rows.find((row) => row.kind === 'limit');
  });
}

/** How many times as fast as the same row of the baseline each row of bulla's is. */
export function ratiosToBaseline(sections: readonly Section[]): Ratios {
  return ratios(sections, ({ kind, name }, rows) =>
    kind === 'bulla' ? rows.find((row) => row.kind === 'baseline' && row.against === name) : undefined,
  );
}

function ratios(
  sections: readonly Section[],
  otherOf: (row: Measured, rows: readonly Measured[]) => Measured | undefined,
): Ratios {
  const found: Record<string, number> = {};
  for (const { id, rows, lessIsBetter = false } of sections) {
    for (const row of rows) {
      const other = otherOf(row, rows);
      if (other === undefined) continue;
      const ratio = lessIsBetter ? other.median / row.median : row.median / other.median;
      found[`${id}: ${row.name}`] = Number(ratio.toFixed(3));
    }
  }
  return found;
}

/** The median over several runs of each ratio, as a section. */
export function overRuns(id: string, title: string, runs: readonly Ratios[]): Section {
  const names = Object.keys(runs[0] ?? {});
  const rows = names.map((name) => ({
    name,
    kind: 'bulla' as const,
    ...summary(runs.flatMap((ratiosOfRun) => ratiosOfRun[name] ?? [])),
  }));
  return { id, title, unit: 'ratio', rows };
}

/** What is slower than recorded by more than the noise, in words. What was recorded and not measured now is not judged. */
export function slower({ noise, ratios: recorded }: Recorded, now: Ratios): string[] {
  return Object.entries(recorded).flatMap(([name, before]) => {
    const ratio = now[name];
    if (ratio === undefined || ratio >= before * (1 - noise)) return [];
    return [`${name}: ${ratio} of the bare calls, recorded ${before}`];
  });
}
