/** Who runs a command, `docs/key-service.md` §12.11. */

import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { assertHostNumbers, isOperatorId, operatorId, operatorName } from '../../src/cli/operator.ts';

describe('§12.11 an operator', () => {
  it('is the number of an account, whatever its name; a plain name stands beside it', () => {
    const id = `uid ${process.getuid?.()}`;
    expect([operatorId(), operatorName()]).toEqual([id, `${id} (${userInfo().username})`]);
    const nobody = (): never => {
      throw new Error('ENOENT: no such file or directory, uv_os_get_passwd');
    };
    expect(operatorName(nobody)).toBe(id);
    expect(operatorName(() => ({ username: 'alice.b-c_1' }))).toBe(`${id} (alice.b-c_1)`);
    for (const username of ['', 'a b', 'x) (uid 0', 'a\n', '\u202eecila', 'a'.repeat(65)]) {
      expect(operatorName(() => ({ username }))).toBe(id);
    }
    expect(isOperatorId(`operator|${operatorId()}`)).toBe(true);
    for (const text of ['operator|alice', 'operator|uid unknown', 'operator|uid 1 (alice)', 'x|operator|uid 1', '']) {
      expect(isOperatorId(text)).toBe(false);
    }
  });

  it.runIf(process.platform === 'linux')(
    'is told apart only where accounts have the numbers that the host gives',
    () => {
      assertHostNumbers(() => '         0          0 4294967295\n');
      const others = [
        ...['', '0 0', '0 1000 1', '1000 1000 1', '0 231072 65536', '0 0 65536', '0 0 1000\n1000 0 1'],
        '0 0 4294967295\n0 1 1',
      ];
      for (const map of others) expect(() => assertHostNumbers(() => map)).toThrow(/on the host/);
      const hidden = (): never => {
        throw new Error('ENOENT');
      };
      expect(() => assertHostNumbers(hidden)).toThrow(/on the host/);
    },
  );
});
