/** What encrypts all secrets at rest, `docs/key-service.md` §11.1. An HSM or a cloud KMS implements the same interface. */

import type { Bytes } from '../lib/bytes.ts';

/** What a sealed secret is; bound to it, so that no secret can take the place of another. */
export interface SecretName {
  readonly kind: 'kek' | 'identity' | 'transport' | 'log' | 'token' | 'mac' | 'dev';
  readonly name: string;
}

/** A root key. It never gives itself away; both calls may go over a network. */
export interface RootKey {
  /** Eight bytes that tell it from others, in hex. */
  readonly id: string;
  /** Of all root keys that it opens secrets of: its own first, and then its predecessors'. */
  readonly ids: readonly string[];
  /** Seals a secret under this name. */
  seal(name: SecretName, secret: Uint8Array): Promise<Bytes>;
  /** Opens what `seal` made under the same name, by this key or one of its predecessors. Throws `OperatorError`. */
  open(name: SecretName, sealed: Uint8Array): Promise<Bytes>;
}
