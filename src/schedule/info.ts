/** The labels of the key schedule and the `info` strings that HKDF takes, `docs/format.md` §4.3. No label exists anywhere else. */

import { sha384 } from '../crypto/digest.ts';
import type { Suite } from '../crypto/suites.ts';
import { concat, concatPooled, concatPrefixed } from '../lib/bytes.ts';
import type { Awaitable, Bytes } from '../types.ts';

const ascii = new TextEncoder();
/** `label || 0x00` of the few labels there are. */
const prefixes = new Map<string, Bytes>();

/** What a suite derives from the data key of a message: §5.4 and §5.5. */
interface MessageLabels {
  readonly messageKey: string;
  readonly commitment: string;
}

// Joined for each message again, they would be hashed again to find their bytes.
const messageLabels = new Map<Suite, MessageLabels>();

/** §5.4, §5.5 */
export function labelsOf(suite: Suite): MessageLabels {
  let labels = messageLabels.get(suite);
  if (labels === undefined) {
    labels = {
      messageKey: `bulla/v1/suite${suite.id} message key`,
      commitment: `bulla/v1/suite${suite.id} commitment`,
    };
    messageLabels.set(suite, labels);
  }
  return labels;
}

/** §8.1, §8.2, §8.3 */
export const wrappingLabels = {
  ecdh: 'bulla/v1 ecdh',
  'service-ecdh': 'bulla/v1 service-ecdh',
  aes: 'bulla/v1 aes',
} as const;

/** The digest of fields that `info` strings end with; computed once where several labels share it. */
export function digestFields(...fields: readonly Bytes[]): Awaitable<Bytes> {
  return sha384(concatPrefixed(...fields));
}

/** `label || 0x00 || digest` */
export function info(label: string, digest: Bytes): Bytes {
  return concatPooled(prefixOf(label), digest);
}

/** The same for two labels: views of one piece of memory. */
export function twoInfos(first: string, second: string, digest: Bytes): [Bytes, Bytes] {
  const prefix = prefixOf(first);
  const both = concatPooled(prefix, digest, prefixOf(second), digest);
  const end = prefix.byteLength + digest.byteLength;
  return [both.subarray(0, end), both.subarray(end)];
}

function prefixOf(label: string): Bytes {
  let prefix = prefixes.get(label);
  if (prefix === undefined) {
    prefix = concat(ascii.encode(label), Uint8Array.of(0));
    prefixes.set(label, prefix);
  }
  return prefix;
}
