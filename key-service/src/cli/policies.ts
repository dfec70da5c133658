/** `policies check`. */

import { OperatorError } from '../errors.ts';
import { policyFaults, readPolicies } from '../policies/policy-set.ts';
import { UsageError } from './options.ts';

export async function policiesCommand([verb, file, ...rest]: string[]): Promise<void> {
  if (verb !== 'check' || file === undefined || rest.length > 0) throw new UsageError('policies check <file>');
  const faults = policyFaults(readPolicies(file));
  if (faults.length > 0) throw new OperatorError(faults.join('\n'));
  process.stdout.write('the policies parse and fit the schema\n');
}
