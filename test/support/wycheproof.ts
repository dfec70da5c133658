// Reads Wycheproof's vectors and gives them to tests, also in browsers. They are no part of the project: absent vectors are an error.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

/** A test case: hex strings for bytes, JWKs for keys. */
export interface Case {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly flags: readonly string[];
  readonly [field: string]: unknown;
}

/** Cases that share parameters. */
export interface Group {
  readonly tests: readonly Case[];
  readonly [parameter: string]: unknown;
}

const files = {
  aesGcm: 'aes_gcm_test.json',
  hkdf: 'hkdf_sha384_test.json',
  ecdh: 'ecdh_secp384r1_webcrypto_test.json',
  pbkdf2: 'pbkdf2_hmacsha512_test.json',
} as const;

declare module 'vitest' {
  export interface ProvidedContext {
    wycheproof: Record<keyof typeof files, Group[]>;
  }
}

/** Provides the groups of every file. */
export default function setup(project: TestProject): void {
  const folder = process.env['BULLA_VECTORS'] ?? join('..', 'shared', 'vectors');
  const groups = Object.entries(files).map(([name, file]) => {
    const { testGroups } = JSON.parse(readFileSync(join(folder, 'wycheproof', file), 'utf8')) as {
      testGroups: Group[];
    };
    return [name, testGroups];
  });
  project.provide('wycheproof', Object.fromEntries(groups));
}
