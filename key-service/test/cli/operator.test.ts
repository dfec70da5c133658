/** Who runs a command, `docs/key-service.md` §12.11. */

import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { operatorName } from '../../src/cli/operator.ts';

describe('§12.11 an operator', () => {
  it('is the account, or its number where the host has no name for it', () => {
    expect(operatorName()).toBe(userInfo().username);
    const nobody = (): never => {
      throw new Error('ENOENT: no such file or directory, uv_os_get_passwd');
    };
    expect(operatorName(nobody)).toBe(`uid ${process.getuid?.()}`);
  });
});
