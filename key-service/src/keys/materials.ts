/** The material of key versions: making it, sealing it, and keeping opened material in memory. */

import { randomBytes } from 'node:crypto';
import { generatePair, importPair, scalarLength } from '../crypto/p384.ts';
import { type Bytes, concat } from '../lib/bytes.ts';
import { LruMap } from '../lib/lru.ts';
import type { RootKey, SecretName } from '../root-key/root-key.ts';
import type { KeyRecord, VersionRecord } from './model.ts';

/** What a version wraps and unwraps with. */
export interface Material {
  /** 32 bytes. */
  readonly symmetric: Bytes;
  readonly point: Bytes;
  /** For data keys that were wrapped offline. */
  privateKey(): Promise<CryptoKey>;
}

const symmetricLength = 32;

export class Materials {
  readonly #rootKey: RootKey;
  readonly #opened = new LruMap<string, Promise<Material>>(10_000);

  constructor(rootKey: RootKey) {
    this.#rootKey = rootKey;
  }

  /** A new version of a key, active. `symmetric` is given for an import, and overwritten. */
  async create(
    key: { id: string; tenant: string },
    version: number,
    now: number,
    symmetric?: Bytes,
  ): Promise<VersionRecord> {
    const secret = symmetric ?? new Uint8Array(randomBytes(symmetricLength));
    const { point, scalar } = await generatePair();
    const both = concat(secret, scalar);
    const material = await this.#rootKey.seal(secretName(key, version), both);
    for (const bytes of [secret, scalar, both]) bytes.fill(0);
    return { version, state: 'active', priorState: null, created: now, uses: 0, material, point };
  }

  /** The opened material of a version that has some. */
  open(key: KeyRecord, version: VersionRecord): Promise<Material> {
    const id = `${key.id}/${version.version}`;
    const known = this.#opened.get(id);
    if (known !== undefined) return known;
    const opening = this.#open(key, version);
    this.#opened.set(id, opening);
    opening.catch(() => this.#opened.delete(id));
    return opening;
  }

  /** Forgets a version, after it was destroyed. */
  forget(keyId: string, version: number): void {
    this.#opened.delete(`${keyId}/${version}`);
  }

  async #open(key: KeyRecord, { version, material, point }: VersionRecord): Promise<Material> {
    if (material === null) throw new TypeError('The version is destroyed');
    const both = await this.#rootKey.open(secretName(key, version), material);
    if (both.byteLength !== symmetricLength + scalarLength) throw new TypeError('The material has another length');
    const scalar = both.slice(symmetricLength);
    let privateKey: Promise<CryptoKey> | undefined;
    return {
      symmetric: both.slice(0, symmetricLength),
      point,
      privateKey: () => {
        privateKey ??= importPair({ point, scalar });
        return privateKey;
      },
    };
  }
}

function secretName({ id, tenant }: { id: string; tenant: string }, version: number): SecretName {
  return { kind: 'kek', name: `${tenant}/${id}/${version}` };
}
