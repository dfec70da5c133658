/** Policy files: reading and checking them before they are loaded. */

import { readFileSync } from 'node:fs';
import { checkParsePolicySet, type DetailedError, validate } from '@cedar-policy/cedar-wasm/nodejs';
import { OperatorError } from '../errors.ts';

/** The schema that policies are checked against. */
export const policySchema = readHere('schema.cedarschema');
/** The roles that the service ships. */
export const shippedRoles = readHere('roles.cedar');
const guards = readHere('guards.cedar');

/** The text of a policy file. Throws `OperatorError`. */
export function readPolicies(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError(`The policy file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** The policies of a file with the guards that always hold. Throws `OperatorError` for what does not parse or fit the schema. */
export function loadPolicies(text: string): string {
  const faults = policyFaults(text);
  if (faults.length > 0) throw new OperatorError(`The policies are wrong:\n${faults.join('\n')}`);
  return `${guards}\n${text}`;
}

/** What is wrong with a policy file, a line each; empty for nothing. */
export function policyFaults(text: string): string[] {
  const parsed = checkParsePolicySet({ staticPolicies: text });
  if (parsed.type === 'failure') return parsed.errors.map(describe);
  const answer = validate({ schema: policySchema, policies: { staticPolicies: text } });
  if (answer.type === 'failure') return answer.errors.map(describe);
  const found = [...answer.validationErrors, ...answer.validationWarnings];
  return found.map(({ policyId, error }) => `${policyId}: ${describe(error)}`);
}

function describe({ message, help }: DetailedError): string {
  return help ? `${message} (${help})` : message;
}

function readHere(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
