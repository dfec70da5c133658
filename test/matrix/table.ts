// What each environment cannot do, and how the portable suite sees that. What is not named here must work. The table
// of docs/runtimes.md is made of it.

/** The error code, or part of the message, by case of the suite. */
export type Lacks = Readonly<Record<string, string>>;

/** An environment of the matrix. */
export interface Environment {
  readonly name: string;
  /** How it is run; see `run.ts`. */
  readonly kind: 'node' | 'node-require' | 'bun' | 'deno' | 'workerd' | 'browser' | 'jest';
  /** Which one of its kind: a package of test/runtimes/nodes, a browser, a compatibility date. */
  readonly version?: string;
  readonly flags?: readonly string[];
  readonly lacks?: Lacks;
}

/** Streams need no workers where AES does not block the thread, and cannot have them where there are none. */
const noWorkers: Lacks = { 'streams by workers': 'ERR_WORKER_FAILED' };

const nodes = [
  ['Node 20.0', 'node20-0'],
  ['Node 20.18', 'node20-18'],
  ['Node 20', 'node20'],
  ['Node 22.11', 'node22-11'],
  ['Node 22', 'node22'],
  ['Node 24', 'node24'],
  ['Node 26', 'node26'],
] as const;

/** The environments that `npm test` runs. */
export const environments: readonly Environment[] = [
  ...nodes.map(([name, version]) => ({ name, kind: 'node' as const, version, lacks: noWorkers })),
  ...nodes.map(([name, version]) => ({
    name: `${name}, require`,
    kind: 'node-require' as const,
    version,
    lacks: noWorkers,
  })),
  { name: 'Bun', kind: 'bun', lacks: noWorkers },
  { name: 'Deno', kind: 'deno', lacks: noWorkers },
  { name: 'workerd, 2026-05-01', kind: 'workerd', version: '2026-05-01', lacks: noWorkers },
  { name: 'workerd, 2024-09-23', kind: 'workerd', version: '2024-09-23', lacks: noWorkers },
  {
    name: 'workerd, 2026-05-01, nodejs_compat',
    kind: 'workerd',
    version: '2026-05-01',
    flags: ['nodejs_compat'],
    lacks: noWorkers,
  },
  { name: 'Chromium', kind: 'browser', version: 'chromium' },
  { name: 'Firefox', kind: 'browser', version: 'firefox' },
  { name: 'Jest, CommonJS, Node 20.0', kind: 'jest', version: 'node20-0', lacks: noWorkers },
  { name: 'Jest, CommonJS, Node 22.11', kind: 'jest', version: 'node22-11', lacks: noWorkers },
  { name: 'Jest, CommonJS, Node 24', kind: 'jest', version: 'node24', lacks: noWorkers },
];

/** The table of docs/runtimes.md. */
export function markdown(): string {
  const rows = environments.map(({ name, lacks = {} }) => {
    const refusals = Object.entries(lacks).map(([what, error]) => `${what}: \`${error}\``);
    return [name, refusals.length === 0 ? 'nothing' : refusals.join('; ')];
  });
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [line(['tested', 'what does not work there, and its error']), rule, ...rows.map(line)].join('\n');
}
