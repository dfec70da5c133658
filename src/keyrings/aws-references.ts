/** How keys of AWS KMS are named in a configuration: by id, by ARN and by alias, and what that is in each region. */

import { assert } from '../lib/assert.ts';
import { matching } from '../lib/options.ts';

/** A key as the configuration names it. */
export interface AwsKey {
  readonly reference: string;
  /** The `KeyId` of a request in a region. */
  readonly in: (region: string) => string;
  /** Whether the ARN of an answer is that of the key. Of an alias nobody can tell. */
  readonly is: (arn: string, region: string) => boolean;
}

const region = String.raw`[a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2}`;
const id = '(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})';
const alias = String.raw`alias\/[\w/-]{1,250}`;
const parts = new RegExp(
  String.raw`^(?:(arn:aws[a-z-]*:kms:)(${region})(:\d{12}:)(?:(key\/)(${id})|(${alias}))|(${id})|(${alias}))$`,
);

/** The reader of a region. */
export const takeRegion = matching(new RegExp(`^${region}$`), 'a region such as eu-central-1');

/** The reader of a key's id, its ARN, an alias, or the ARN of an alias. */
export const takeReference = matching(parts, 'the id or the ARN of a key, an alias, or the ARN of an alias');

/** A key by its reference. Throws a `TypeError` for one that cannot be in each of the regions. */
export function awsKey(reference: string, regions: readonly string[], name: string): AwsKey {
  const [, arn, arnRegion, account, prefix = '', idOfArn, aliasOfArn, bareId] = parts.exec(reference) ?? [];
  const keyId = idOfArn ?? bareId;
  assert(arnRegion === undefined || regions.includes(arnRegion), name, 'in one of the regions');
  const isEverywhere = keyId === undefined || keyId.startsWith('mrk-');
  assert(isEverywhere || regions.length === 1, name, 'a multi-Region key or an alias, where there are several regions');
  const inRegion = (each: string) =>
    arn === undefined ? reference : `${arn}${each}${account}${prefix}${idOfArn ?? aliasOfArn}`;
  return {
    reference,
    in: inRegion,
    is(answered, each) {
      if (keyId === undefined) return true;
      return arn === undefined ? answered.endsWith(`:key/${keyId}`) : answered === inRegion(each);
    },
  };
}
