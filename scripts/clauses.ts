// Lists numbered clauses of docs/format.md, docs/fields.md and docs/key-service.md that no test names, and names that no clause has: `npm run test:clauses`.

import { globSync, readFileSync } from 'node:fs';

/** Reads the clauses that files name. */
function namedIn(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, clause]) => clause as string),
  );
}

/** Prints what is missing of a specification with so many clauses at least. */
function check(specification: string, names: readonly string[], least: number): void {
  const clauses = [...readFileSync(specification, 'utf8').matchAll(/^\*\*(\d+\.\d+)\*\*/gm)].map(
    ([, clause]) => clause as string,
  );
  const named = new Set(names);
  const untested = clauses.filter((clause) => !named.has(clause));
  const missing = untested.length > 0 ? `: ${untested.join(', ')}` : '';
  console.log(`${specification}: ${clauses.length} clauses, ${untested.length} without a test${missing}`);
  if (clauses.length < least || untested.length > 0) process.exitCode = 1;
  const last = Number(clauses.at(-1)?.split('.')[0]);
  const unknown = [...named].filter((clause) => !clauses.includes(clause) && Number(clause.split('.')[0]) <= last);
  if (unknown.length > 0) console.log(`named in tests, but no clause of ${specification}: ${unknown.join(', ')}`);
}

const clause = /§(\d+\.\d+)/g;
// The tests of the service's client name clauses of docs/key-service.md; clauses that vectors name become titles of tests.
const isOfService = (path: string): boolean => /service/.test(path);
const isOfFields = (path: string): boolean => /fields|postgres/.test(path);
const tests = globSync('test/**/*.test.ts');
const inTests = namedIn(
  tests.filter((path) => !isOfService(path) && !isOfFields(path)),
  clause,
);
const vectors = globSync('test/vectors/*.json');
const inVectors = namedIn(
  vectors.filter((path) => !isOfFields(path)),
  /"§?(\d+\.\d+)[a-h]?"/g,
);
check('docs/format.md', [...inTests, ...inVectors], 40);

const ofFields = namedIn(tests.filter(isOfFields), clause);
const inFieldVectors = namedIn(vectors.filter(isOfFields), /"§?(\d+\.\d+)"/g);
check('docs/fields.md', [...ofFields, ...inFieldVectors], 30);

const ofService = [...tests.filter(isOfService), ...globSync('key-service/test/**/*.test.ts')];
check('docs/key-service.md', namedIn(ofService, clause), 60);
