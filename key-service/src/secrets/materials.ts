/** The material of key versions: making it, sealing it, and keeping opened material in memory. */

import { randomBytes } from 'node:crypto';
import { generatePair, importPair, scalarLength } from '../crypto/p384.ts';
import { type Bytes, concat, equalBytes } from '../lib/bytes.ts';
import { LruMap } from '../lib/lru.ts';
import type { KeyRecord, VersionRecord, VersionUse } from '../model/keys.ts';
import type { RootKey, SecretName } from '../seals/root-key.ts';
import { StoreError } from '../store/errors.ts';

/** What a version wraps and unwraps with. Both throw `StoreError` once it was erased: who holds it decides again. */
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
  // What is forgotten is overwritten: an opened key leaves nothing of ours behind.
  readonly #opened = new LruMap<string, Opening>(10_000, ({ material }) => {
    material.then((opened) => opened.erase()).catch(() => undefined);
  });

  constructor(rootKey: RootKey) {
    this.#rootKey = rootKey;
  }

  /** A new version of a key, active. `symmetric` is given for an import; the caller overwrites it. */
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
    // What the caller gave is needed again where the transaction is.
    for (const bytes of symmetric ? [scalar, both] : [secret, scalar, both]) bytes.fill(0);
    return { version, state: 'active', priorState: null, created: now, uses: 0, material, point };
  }

  /** The opened material of a version that has some. */
  open(key: KeyRecord, version: VersionRecord): Promise<Material> {
    const id = `${key.id}/${version.version}`;
    const known = this.#opened.get(id);
    // After a rollback that an operator accepted, a version of the same number is another one.
    if (known !== undefined && equalBytes(known.point, version.point)) return known.material;
    const opening = { point: version.point, material: this.#open(key, version) };
    this.#opened.set(id, opening);
    opening.material.catch(() => this.#opened.get(id) === opening && this.#opened.delete(id));
    return opening.material;
  }

  /** Forgets a version, after it was destroyed. */
  forget(keyId: string, version: number): void {
    this.#opened.delete(`${keyId}/${version}`);
  }

  /** Forgets everything. */
  forgetAll(): void {
    this.#opened.clear();
  }

  /** The ids of keys with opened versions. */
  openedKeys(): string[] {
    return [...new Set(this.#opened.keys().map((id) => id.split('/')[0] ?? ''))];
  }

  /** Keeps what may be used, and forgets all else. */
  retain(versions: readonly VersionUse[]): void {
    const usable = new Set(versions.filter((one) => one.usable).map(({ keyId, version }) => `${keyId}/${version}`));
    for (const id of this.#opened.keys()) if (!usable.has(id)) this.#opened.delete(id);
  }

  async #open(key: KeyRecord, { version, material, point }: VersionRecord): Promise<OpenedMaterial> {
    if (material === null) throw new TypeError('The version is destroyed');
    const both = await this.#rootKey.open(secretName(key, version), material);
    if (both.byteLength !== symmetricLength + scalarLength) throw new TypeError('The material has another length');
    return new OpenedMaterial(both, point);
  }
}

/** Material that is opened, or about to be. */
interface Opening {
  /** The public key of the version, which no other version has. */
  readonly point: Bytes;
  readonly material: Promise<OpenedMaterial>;
}

class OpenedMaterial implements Material {
  readonly point: Bytes;
  readonly #both: Bytes;
  #privateKey: Promise<CryptoKey> | undefined;
  #erased = false;

  constructor(both: Bytes, point: Bytes) {
    this.#both = both;
    this.point = point;
  }

  get symmetric(): Bytes {
    this.#assertThere();
    return this.#both.subarray(0, symmetricLength);
  }

  privateKey(): Promise<CryptoKey> {
    this.#assertThere();
    this.#privateKey ??= importPair({ point: this.point, scalar: this.#both.subarray(symmetricLength) });
    return this.#privateKey;
  }

  erase(): void {
    this.#erased = true;
    this.#both.fill(0);
    this.#privateKey = undefined;
  }

  // Wrapping under zeros would be worse than not at all.
  #assertThere(): void {
    if (this.#erased) throw new StoreError('The material was erased in the meantime');
  }
}

function secretName({ id, tenant }: { id: string; tenant: string }, version: number): SecretName {
  return { kind: 'kek', name: `${tenant}/${id}/${version}` };
}
