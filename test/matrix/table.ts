// What each environment cannot do, and how the portable suite sees that. What is not named here must work. The table
// of docs/runtimes.md is made of it and of what the last complete run recorded.

import type { Bundler } from './bundlers.ts';
import recorded from './results.json' with { type: 'json' };

/** The error code, or part of the message, by case of the suite. */
export type Lacks = Readonly<Record<string, string>>;

/** An environment of the matrix. */
export interface Environment {
  readonly name: string;
  /** How it is run; see `run.ts`. */
  readonly kind:
    | 'node'
    | 'node-require'
    | 'node-bundle'
    | 'bun'
    | 'deno'
    | 'workerd'
    | 'jest'
    | 'jest-esm'
    | 'vitest'
    | 'page'
    | 'next'
    | 'service';
  /** Which one of its kind: a package of test/runtimes/nodes, a browser, a compatibility date. */
  readonly version?: string;
  /** Default: esbuild. */
  readonly bundler?: Bundler;
  readonly flags?: readonly string[];
  readonly lacks?: Lacks;
  /** What a tool says that cannot build for it: part of its message. The docs say what to do. */
  readonly refuses?: string;
  /** Whether it is one of those that `npm test` runs. */
  readonly isShort?: boolean;
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

const lacks = noWorkers;
const permissions = ['--permission', '--allow-fs-read=*', '--allow-fs-write=.'];

/** All environments, in the order of the table. */
export const environments: readonly Environment[] = [
  ...nodes.map(([name, version]) => ({ name, kind: 'node' as const, version, lacks, isShort: version === 'node26' })),
  ...nodes.map(([name, version]) => ({
    name: `${name}, require`,
    kind: 'node-require' as const,
    version,
    lacks,
    isShort: version === 'node20-0',
  })),
  { name: 'Node 24, --permission', kind: 'node', version: 'node24', flags: permissions, lacks },
  { name: 'Node 26, --permission', kind: 'node', version: 'node26', flags: [...permissions, '--allow-net'], lacks },
  { name: 'Bun', kind: 'bun', lacks, isShort: true },
  { name: 'Deno', kind: 'deno', flags: ['import.mjs'], lacks, isShort: true },
  { name: 'Deno, timed', kind: 'deno', flags: ['timed.mjs'], lacks },
  { name: 'workerd, 2026-05-01', kind: 'workerd', version: '2026-05-01', lacks },
  {
    name: 'workerd, 2026-05-01, nodejs_compat',
    kind: 'workerd',
    version: '2026-05-01',
    flags: ['nodejs_compat'],
    lacks,
  },
  { name: 'workerd, 2024-09-23', kind: 'workerd', version: '2024-09-23', lacks, isShort: true },
  {
    name: 'workerd, 2024-09-23, nodejs_compat',
    kind: 'workerd',
    version: '2024-09-23',
    flags: ['nodejs_compat'],
    lacks,
  },
  { name: 'Chromium', kind: 'page', version: 'chromium', isShort: true },
  { name: 'Firefox', kind: 'page', version: 'firefox', isShort: true },
  { name: 'WebKitGTK', kind: 'page', version: 'webkit' },
  { name: 'Chromium, webpack', kind: 'page', version: 'chromium', bundler: 'webpack' },
  { name: 'Chromium, rspack', kind: 'page', version: 'chromium', bundler: 'rspack' },
  { name: 'Chromium, Rollup', kind: 'page', version: 'chromium', bundler: 'Rollup' },
  { name: 'Chromium, Vite', kind: 'page', version: 'chromium', bundler: 'Vite' },
  { name: 'Chromium, Parcel', kind: 'page', version: 'chromium', bundler: 'Parcel' },
  {
    name: 'Parcel without packageExports',
    kind: 'page',
    version: 'chromium',
    bundler: 'Parcel without packageExports',
    refuses: "@parcel/resolver-default: Cannot load file './keyrings/",
  },
  { name: 'Chromium, Bun', kind: 'page', version: 'chromium', bundler: 'Bun' },
  { name: 'Next, page', kind: 'next', version: 'chromium' },
  { name: 'Next, route in Node', kind: 'next', version: 'nodejs', lacks },
  { name: 'Next, route in the edge runtime', kind: 'next', version: 'edge', lacks },
  { name: 'Next with webpack, page', kind: 'next', version: 'chromium', flags: ['--webpack'] },
  { name: 'Next with webpack, route in Node', kind: 'next', version: 'nodejs', flags: ['--webpack'], lacks },
  {
    name: 'Next with webpack, route in the edge runtime',
    kind: 'next',
    version: 'edge',
    flags: ['--webpack'],
    lacks,
  },
  {
    name: 'Node 24, esbuild',
    kind: 'node-bundle',
    version: 'node24',
    bundler: 'esbuild, for Node',
    flags: ['main.mjs'],
    lacks,
  },
  {
    name: 'Node 20.18, esbuild, CommonJS',
    kind: 'node-bundle',
    version: 'node20-18',
    bundler: 'esbuild, for Node, CommonJS',
    flags: ['main.cjs'],
    lacks,
  },
  { name: 'Metro', kind: 'node-bundle', bundler: 'Metro', flags: ['main.cjs'], lacks },
  {
    name: 'Metro, require',
    kind: 'node-bundle',
    bundler: 'Metro, require',
    flags: ['main.cjs'],
    lacks,
  },
  {
    name: 'Metro without package exports',
    kind: 'node-bundle',
    bundler: 'Metro without package exports',
    flags: ['main.cjs'],
    refuses: 'could not be found within the project',
  },
  { name: 'Jest, CommonJS, Node 20.0', kind: 'jest', version: 'node20-0', lacks },
  { name: 'Jest, CommonJS, Node 22.11', kind: 'jest', version: 'node22-11', lacks, isShort: true },
  { name: 'Jest, CommonJS, Node 24', kind: 'jest', version: 'node24', lacks },
  { name: 'Jest, ES modules, Node 20.18', kind: 'jest-esm', version: 'node20-18', lacks },
  { name: 'Jest, ES modules, Node 24', kind: 'jest-esm', version: 'node24', lacks },
  { name: 'key service on Node 26', kind: 'service', version: 'node26', lacks },
  { name: 'Vitest', kind: 'vitest', lacks },
  { name: 'Vitest, jsdom', kind: 'vitest', version: 'jsdom', lacks },
  { name: 'Vitest, happy-dom', kind: 'vitest', version: 'happy-dom', lacks },
];

/** What a run found in an environment, or a compiler said. */
export interface Row {
  readonly name: string;
  readonly version: string;
  readonly passed: string;
  readonly asserted: string;
}

/** The totals and the table of docs/runtimes.md. Throws where an environment was never run, or was run and is none any more. */
export function markdown(): string {
  const rows: readonly Row[] = recorded;
  const lacking = new Map(environments.map((environment) => [environment.name, refusalsOf(environment)]));
  const compilers = rows.filter(({ name }) => name.startsWith('TypeScript '));
  const wrong = [
    ...environments.filter(({ name }) => !rows.some((row) => row.name === name)),
    ...rows.filter((row) => !lacking.has(row.name) && !compilers.includes(row)),
  ];
  if (wrong.length > 0 || compilers.length === 0) {
    const names = wrong.map(({ name }) => name).join('; ');
    throw new Error(`not recorded, or no longer in the table: ${names}: npm run test:matrix -- --record`);
  }
  const cells = rows.map(({ name, version, passed, asserted }) => {
    return [name, version, passed, asserted, lacking.get(name) ?? 'nothing'];
  });
  const sum = (member: 'passed' | 'asserted') =>
    rows.reduce((total, row) => total + (Number.parseInt(row[member], 10) || 0), 0);
  const totals = [
    `The last complete run: ${rows.length - compilers.length} environments and ${compilers.length} compilers in their modes`,
    `${sum('passed').toLocaleString('en')} cases passed`,
    `${sum('asserted')} refusals asserted`,
    'none failed',
  ];
  const header = ['tested', 'version', 'cases passed', 'refusals asserted', 'what does not work there, and its error'];
  return `${totals.join(', ')}.\n\n${ruled(header, cells)}`;
}

function refusalsOf({ lacks = {}, refuses }: Environment): string {
  const refusals = Object.entries(lacks).map(([what, error]) => `${what}: \`${error}\``);
  if (refuses !== undefined) refusals.push(`the build: \`${refuses}\``);
  return refusals.length === 0 ? 'nothing' : refusals.join('; ');
}

/** A table in Markdown. */
export function ruled(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [line(header), rule, ...rows.map(line)].join('\n');
}
