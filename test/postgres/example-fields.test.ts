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
    /^revoker@north asks for patient 7: requested, data keys: 1, rev-/m,
    /^shredded: 2 rows replaced, their wrapped keys erased$/m,
    /^a program reads the visits of patient 7: ERR_FIELD_SHREDDED$/m,
    /^and those of patient 8: the diagnosis of visit 2$/m,
    /^receipt: leaf \d+ of \d+ of the signed log, proved to be in it: approve-revocation by revocations@north$/m,
  ]) {
    expect(shown).toMatch(line);
  }
  const [, before, after] = /before: (\S+), after: (\S+)$/m.exec(shown) ?? [];
  expect(before).not.toBe(after);
});
