// Measures bulla, its peers and the limits of this machine, interleaved in one run: `npm run bench`, `npm run bench -- --quick --only streams,messages`.
// Prints tables and writes all figures to bench/results.json, or where `--json` says. With `--baseline` another build of bulla takes the place of the peers;
// with `--guard` the ratios to the bare calls are compared with the recorded ones.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Build, bundleForNode, ownBuild } from './lib/build.ts';
import { overRuns, type Ratios, type Recorded, ratiosToBaseline, ratiosToLimits, slower } from './lib/guard.ts';
import type { Plan } from './lib/plan.ts';
import { type Section, table } from './lib/table.ts';

const here = import.meta.dirname;
const recordedFile = join(here, 'recorded.json');
const inProcess = ['streams', 'one-shot', 'messages', 'recipients'];
const { values } = parseArgs({
  options: {
    /** Less of everything: says whether it works, and roughly how fast. */
    quick: { type: 'boolean', default: false },
    /** Some of the sections. */
    only: { type: 'string' },
    /** Some of the versions of Node; `none` for none. */
    node: { type: 'string', default: '20,24' },
    /** Counts processor time in Node: for ratios on a machine that is not quiet. */
    'processor-time': { type: 'boolean', default: false },
    json: { type: 'string', default: join(here, 'results.json') },
    /** A checkout of bulla with its dependencies, which is built where it has no dist/: what this build is compared with. */
    baseline: { type: 'string' },
    /** Runs, of whose ratios the median counts. Default: 5 with `--baseline`, 3 with `--guard` and `--record`, else 1. */
    runs: { type: 'string' },
    /** Fails where a ratio to the bare calls is below the recorded one by more than the noise. */
    guard: { type: 'boolean', default: false },
    /** Records the ratios that `--guard` compares with. */
    record: { type: 'boolean', default: false },
  },
});
const { quick, 'processor-time': processorTime } = values;
const keepsRatios = values.guard || values.record;
const compares = keepsRatios || values.baseline !== undefined;
const everything = compares
  ? [...inProcess, 'chromium']
  : [...inProcess, 'files', 'import', 'service', 'fields', 'chromium'];
const sections = values.only?.split(',') ?? everything;
if (values.guard && !existsSync(recordedFile)) {
  console.error(
    'There is nothing to compare with: bench/recorded.json is missing. Write it by --record on a quiet machine.',
  );
  process.exit(1);
}
const runs = Number(values.runs ?? (values.baseline !== undefined ? 5 : keepsRatios ? 3 : 1));

for (const cwd of [here, join(here, 'aws-browser')]) {
  if (existsSync(join(cwd, 'node_modules'))) continue;
  console.error('installing the peers');
  execFileSync('npm', ['ci', '--silent'], { cwd, stdio: 'inherit' });
}
const nodes: Record<string, string> = { 20: join(here, 'node_modules', 'node20', 'bin', 'node'), 24: process.execPath };
const builds: Build[] = [ownBuild];
if (values.baseline !== undefined) builds.push(baselineBuild(resolve(values.baseline)));

const found: Section[] = [];
const [toBaseline, toLimits]: [Ratios[], Ratios[]] = [[], []];
for (let run = 1; run <= runs; run++) {
  if (runs > 1) console.error(`run ${run} of ${runs}`);
  const measured = await measure();
  found.push(...measured);
  toBaseline.push(ratiosToBaseline(measured));
  toLimits.push(ratiosToLimits(measured));
}
const limits = overRuns('limits', `To the bare calls, median of ${runs} runs`, toLimits);
if (values.baseline === undefined && !keepsRatios) for (const section of found) console.log(table(section));
if (values.baseline !== undefined)
  console.log(table(overRuns('baseline', `To the baseline, median of ${runs} runs`, toBaseline)));
if (keepsRatios) console.log(table(limits));

const machine = {
  processor: cpus()[0]?.model,
  cores: cpus().length,
  system: `Linux ${release()}`,
  node: process.version,
};
console.log(JSON.stringify(machine));
writeFileSync(values.json, `${JSON.stringify({ machine, quick, sections: found }, undefined, 2)}\n`);
if (keepsRatios) judge(Object.fromEntries(limits.rows.map(({ name, median }) => [name, Number(median.toFixed(2))])));

/** One run of everything that is asked for. */
async function measure(): Promise<Section[]> {
  const measured: Section[] = [];
  const versions = values.node === 'none' ? [] : values.node.split(',');
  for (const version of versions) measured.push(...(await inNode(nodes[version] as string)));
  if (sections.includes('import')) {
    const { coldImports } = await import('./sections/imports.ts');
    measured.push(...coldImports(nodes, quick));
  }
  if (sections.includes('files')) {
    const { files } = await import('./sections/files.ts');
    measured.push(...(await files(process.execPath, quick)));
  }
  if (sections.includes('service')) {
    const { unwraps } = await import('./sections/service.ts');
    measured.push(...(await unwraps(quick)));
  }
  if (sections.includes('fields')) {
    const { fields } = await import('./sections/fields.ts');
    measured.push(...(await fields(quick)));
  }
  if (sections.includes('chromium')) {
    const { inChromium } = await import('./sections/chromium.ts');
    const chosen = inProcess.filter((name) => sections.includes(name));
    measured.push(
      ...(await inChromium({ sections: chosen.length > 0 ? chosen : inProcess, quick, peers: !compares }, builds)),
    );
  }
  return measured;
}

/** What is measured inside a Node, each section in a process of its own: what one leaves behind is no burden to the next. */
async function inNode(node: string): Promise<Section[]> {
  const measured: Section[] = [];
  const script = await bundleForNode('node');
  const [own, baseline] = await Promise.all(builds.map((build) => bundleForNode('bulla', build)));
  for (const section of inProcess.filter((name) => sections.includes(name))) {
    const plan: Plan = { sections: [section], quick, peers: !compares, own: own as string, baseline, processorTime };
    const child = spawn(node, ['--expose-gc', script, JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) output += chunk;
    measured.push(...(JSON.parse(output) as Section[]));
  }
  return measured;
}

function baselineBuild(checkout: string): Build {
  if (!existsSync(join(checkout, 'dist', 'index.js'))) {
    execFileSync('npm', ['run', 'build', '--silent'], { cwd: checkout, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return { name: 'baseline', checkout };
}

function judge(ratios: Ratios): void {
  const before: Recorded = existsSync(recordedFile)
    ? JSON.parse(readFileSync(recordedFile, 'utf8'))
    : { noise: 0.25, ratios: {} };
  if (values.guard) {
    const worse = slower(before, ratios);
    for (const line of worse) console.error(line);
    if (worse.length > 0) process.exitCode = 1;
  }
  if (!values.record) return;
  const recorded: Recorded = { noise: before.noise, ratios: { ...before.ratios, ...ratios } };
  writeFileSync(recordedFile, `${JSON.stringify(recorded, undefined, 2)}\n`);
}
