// Runs every test of the project, one suite after the other, and says at the end what each of them came to: `npm test`.
// All suites run even if one fails; the exit code is 0 only if none did.

import { spawnSync } from 'node:child_process';

const suites = [
  'build',
  'lint',
  'typecheck',
  'vectors:check',
  'test:clauses',
  'test:unit',
  'test:browsers',
  'test:fields',
  'test:client',
  'test:client:browsers',
  'test:cli',
  'test:large',
  'test:rewrap:short',
  'test:e2e',
  'test:runtimes',
  'test:matrix:short',
  'test:package',
  'test:docs',
  'test:service',
];

const results = suites.map((name) => {
  console.log(`\n=== npm run ${name}`);
  const begun = performance.now();
  const { status } = spawnSync('npm', ['run', '--silent', name], { stdio: ['ignore', 'inherit', 'inherit'] });
  return { name, passed: status === 0, seconds: (performance.now() - begun) / 1000 };
});

console.log('');
for (const { name, passed, seconds } of results) {
  console.log(`${passed ? 'passed' : 'FAILED'} ${seconds.toFixed(1).padStart(7)} s  ${name}`);
}
const failed = results.filter(({ passed }) => !passed);
console.log(`${results.length - failed.length} suites passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
