/** All commands. */

import type { Command } from './actions.ts';
import { decryptCommand } from './decrypt.ts';
import { encryptCommand } from './encrypt.ts';
import { fieldsCommand } from './fields.ts';
import { inspectCommand } from './inspect.ts';
import { keygenCommand } from './keygen.ts';
import { revocationsCommand } from './revocations.ts';
import { rewrapCommand } from './rewrap.ts';
import { keysCommand } from './service-keys.ts';

/** In the order of the help text. */
export const commands: readonly Command[] = [
  keygenCommand,
  encryptCommand,
  decryptCommand,
  inspectCommand,
  rewrapCommand,
  keysCommand,
  revocationsCommand,
  fieldsCommand,
];
