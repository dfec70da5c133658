// What AWS KMS decrypts for nobody any more is overwritten; the rest is in node/aws-kms.test.ts, with the real SDK.

import { expect, test } from 'vitest';
import { type AwsSdk, awsCalls } from '../../src/keyrings/aws-calls.ts';
import { awsKey } from '../../src/keyrings/aws-references.ts';
import type { Bound } from '../../src/keyrings/provider-keyring.ts';
import { takeRetry } from '../../src/lib/retry.ts';
import { pattern, rejection } from '../support/data.ts';

const region = 'eu-central-1';
const arn = (id: string) => `arn:aws:kms:${region}:111122223333:key/${id}`;
const own = arn('1234abcd-12ab-34cd-56ef-1234567890ab');
const other = arn('1234abcd-12ab-34cd-56ef-1234567890ff');

/** Calls whose answers the test gives. */
function held() {
  const letGo: ((output: object) => void)[] = [];
  class KMSClient {
    send = () => new Promise((resolve) => letGo.push(resolve));
  }
  class Command {}
  const sdk = { KMSClient, EncryptCommand: Command, DecryptCommand: Command } as unknown as AwsSdk;
  const settings = { retry: takeRetry({ limit: 0 }), timeout: 60_000, onEvent: undefined, endpoint: undefined };
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  return { letGo, calls: awsCalls(sdk, [region], { ...settings, credentials }) };
}

const task = () => new Promise((resolve) => setTimeout(resolve));
const bound: Bound = { keyContext: {}, digest: pattern(48) };

test.each([
  ['late, after an abort', own, true, 'enough'],
  ['by another key', other, false, /another key/],
])('a plaintext that comes %s', async (_, KeyId, aborts, message) => {
  const { letGo, calls } = held();
  const controller = new AbortController();
  const key = awsKey(own, [region], 'keyId');
  const decrypting = rejection(calls.decrypt(key, pattern(200), bound, controller.signal));
  while (letGo.length === 0) await task();
  if (aborts) {
    controller.abort(new Error('enough'));
    await decrypting;
  }
  const plaintext = pattern(80);
  letGo[0]?.({ KeyId, Plaintext: plaintext });
  expect((await decrypting).message).toMatch(message);
  await task();
  expect(plaintext).toEqual(new Uint8Array(80));
});
