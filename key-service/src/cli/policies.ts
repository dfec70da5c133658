/** `policies check`. */

import { readFileSync } from 'node:fs';
import { OperatorError } from '../errors.ts';
import { policyFaults } from '../policies/policy-set.ts';

export async function policiesCommand([verb, file, ...rest]: string[]): Promise<void> {
  if (verb !== 'check' || file === undefined || rest.length > 0) throw new OperatorError('policies check <file>');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError(`The policy file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const faults = policyFaults(text);
  if (faults.length > 0) throw new OperatorError(faults.join('\n'));
  process.stdout.write('the policies parse and fit the schema\n');
}
