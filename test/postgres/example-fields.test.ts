// The example runs to its end, and what it shows is so.

import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { outcomeOf } from '../cli/command.ts';

test('npm run example:fields', async () => {
  const child = spawn(process.execPath, ['--conditions=bulla-source', 'examples/fields/main.ts']);
  const { exitCode, stdout, stderr } = await outcomeOf(child);
  expect([exitCode, stderr]).toEqual([0, '']);
  const shown = stdout.toString();
  expect(shown.match(/Alice@Example.org|asthma/g)).toHaveLength(4);
  for (const line of [
    /^ {2}email +\\xf9010/m,
    /^Drizzle, eq: \[{"id":2}\]$/m,
    /^What a blind index cannot answer is refused: .*patient.email/m,
    /^A second Alice is refused by the unique index: P2002$/m,
    /^and the program reads: ERR_FIELD_OPEN$/m,
    /^backfill again: 1 sealed; verify: 2000 rows opened and compared, 0 faults$/m,
    /^reencrypt patient.phone: 2000 cells$/m,
    /^and Alice is still Alice@Example.org$/m,
  ]) {
    expect(shown).toMatch(line);
  }
  const [, before, after] = /before: (\S+), after: (\S+)$/m.exec(shown) ?? [];
  expect(before).not.toBe(after);
});
