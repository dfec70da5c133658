/** Who calls, once token and proof have been checked. */

/** The roles that the shipped policies know. */
export const roles = [
  'encryptor',
  'decryptor',
  'rewrapper',
  'recoverer',
  'key-administrator',
  'key-importer',
  'alias-mover',
  'deletion-approver',
  'data-key-revoker',
  'revocation-approver',
  'auditor',
  'metrics-reader',
] as const;

/** A principal that acts for a tenant. */
export interface Caller {
  /** `<iss>|<sub>` */
  readonly principal: string;
  /** Who that is: one person behind principals of several issuers, where these are configured so; else the principal. */
  readonly identity: string;
  readonly issuer: string;
  readonly subject: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  /** Thumbprint of the proof key. */
  readonly proofKey: string;
}
