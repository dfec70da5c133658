// Results as a table: the median, the spread, and the ratio to each candidate that bulla is compared with.

import type { Measured } from './rounds.ts';

/** A finished section. */
export interface Section {
  /** A name that other versions of the runtime share, such as `node20/one-shot/1 MiB/encrypt`. */
  readonly id: string;
  /** Such as `Node 20.20.2: 256 MiB stream, encrypt`. */
  readonly title: string;
  /** What the figures are: `MB/s`, `messages/s`, `ms`. */
  readonly unit: string;
  readonly rows: readonly Measured[];
  /** For times and memory, where less is better. */
  readonly lessIsBetter?: boolean;
  readonly notes?: readonly string[];
}

/** The section as Markdown. */
export function table({ title, unit, rows, lessIsBetter = false, notes = [] }: Section): string {
  const lines = rows.map(({ name, kind, against, median, least, most }) => {
    const base = rows.find((row) => row.kind === 'bulla' && (against === undefined || row.name === against));
    const quotient = base === undefined || kind === 'bulla' ? undefined : base.median / median;
    const ratio = quotient === undefined ? '' : `${(lessIsBetter ? 1 / quotient : quotient).toFixed(2)}`;
    return `| ${name} | ${kind} | ${figure(median)} | ${figure(least)} – ${figure(most)} | ${ratio} |`;
  });
  const head = `| what | kind | ${unit}, median | least – most | bulla is … times as ${lessIsBetter ? 'good' : 'fast'} |`;
  return [`### ${title}`, '', head, '|---|---|---|---|---|', ...lines, ...notes.map((note) => `\n${note}`), ''].join(
    '\n',
  );
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
