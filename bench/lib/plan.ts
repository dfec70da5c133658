// What a run measures, as main.ts hands it to a Node or a page, and the candidates of one or two builds of bulla side by side.

import type { Build } from './build.ts';
import type { Candidate } from './rounds.ts';

/** The candidates of one build. */
export type Candidates = typeof import('../sections/bulla.ts');

/** What is to be measured. It passes through JSON. */
export interface Plan {
  readonly sections: readonly string[];
  /** Less of everything. */
  readonly quick: boolean;
  /** Whether other libraries take part. */
  readonly peers: boolean;
  /** Whether processor time counts, which only Node can tell. */
  readonly processorTime?: boolean | undefined;
  /** Where the candidates of this build are, and those of another build, where it is compared with one. */
  readonly own: string;
  readonly baseline?: string | undefined;
}

/** Candidates both ways. */
export interface BothWays {
  readonly encrypt: readonly Candidate[];
  readonly decrypt: readonly Candidate[];
}

/** The candidates of the own build, with those of the baseline that it is compared with behind them. */
export async function candidatesOf(
  plan: Plan,
  make: (build: Candidates, name: Build['name']) => BothWays | Promise<BothWays>,
): Promise<{ encrypt: Candidate[]; decrypt: Candidate[] }> {
  const own = await make((await import(plan.own)) as Candidates, 'own');
  const both = { encrypt: [...own.encrypt], decrypt: [...own.decrypt] };
  if (plan.baseline === undefined) return both;
  const before = await make((await import(plan.baseline)) as Candidates, 'baseline');
  both.encrypt.push(...before.encrypt.map(asBaseline));
  both.decrypt.push(...before.decrypt.map(asBaseline));
  return both;
}

function asBaseline(candidate: Candidate): Candidate {
  const { name } = candidate;
  return { ...candidate, name: `${name} (baseline)`, kind: 'baseline', against: name };
}
