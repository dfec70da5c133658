// Lists numbered clauses of docs/format.md that no test names, and names that no clause has: `npm run test:clauses`.

import { globSync, readFileSync } from 'node:fs';

const specification = readFileSync('docs/format.md', 'utf8');
const clauses = [...specification.matchAll(/^\*\*(\d+\.\d+)\*\*/gm)].map(([, clause]) => clause as string);

// Titles of tests, and the clauses that vectors name, which become titles.
const named = new Set<string>();
// The tests of the service's client name clauses of docs/key-service.md.
for (const path of globSync('test/**/*.test.ts').filter((name) => !/service/.test(name))) {
  for (const [, clause] of readFileSync(path, 'utf8').matchAll(/§(\d+\.\d+)/g)) named.add(clause as string);
}
for (const path of globSync('test/vectors/*.json')) {
  for (const [, clause] of readFileSync(path, 'utf8').matchAll(/"§?(\d+\.\d+)[a-h]?"/g)) named.add(clause as string);
}

const untested = clauses.filter((clause) => !named.has(clause));
const unknown = [...named].filter((clause) => !clauses.includes(clause) && Number(clause.split('.')[0]) <= 9);
console.log(
  `${clauses.length} clauses, ${untested.length} without a test${untested.length > 0 ? `: ${untested.join(', ')}` : ''}`,
);
if (clauses.length < 40 || untested.length > 0) process.exitCode = 1;
if (unknown.length > 0) console.log(`named in tests, but no clause: ${unknown.join(', ')}`);
