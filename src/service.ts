/** The client of a key service: pinned identity, bound tokens, data keys as handles; `docs/key-service.md`. */

export type { RetryOptions } from './lib/retry.ts';
export type { JsonObject } from './service/answer.ts';
export {
  type Caller,
  type CallOptions,
  createKeyServiceClient,
  type KeyServiceClient,
  type ServiceRequest,
} from './service/client.ts';
export type { ServiceDataKey, WrapTarget } from './service/data-plane.ts';
export type { Fetch } from './service/http.ts';
export type { IdentityKey, KeyDocument, ServiceDocument, TransportKey } from './service/identity.ts';
export type { KeyVersion, ServiceMethod, ServiceWrappedKey, WrappedItem } from './service/items.ts';
export type { KeyListener } from './service/key-changes.ts';
export type { KeyDocumentOptions, SignedKeyDocument, VerifiedKeyDocument } from './service/key-documents.ts';
// Administration
export {
  type ApprovedDeletion,
  type ChangeKeyOptions,
  type CreateKeyOptions,
  type KeyDeletion,
  type KeyDescription,
  type KeyManagement,
  keyManagement,
  type RotationPolicy,
  type VersionState,
} from './service/management.ts';
export type { KeyServiceClientOptions } from './service/options.ts';
// Proof keys
export { generateProofKey, type ProofAlgorithm, type ProofClaims, proofKeyThumbprint } from './service/proof.ts';
export { deleteDpopKey, dpopKeyFromIndexedDB, type StoredProofKeyOptions } from './service/proof-key-store.ts';
export {
  type DataKeyRevocations,
  dataKeyRevocations,
  type ListRevocationsOptions,
  type Revocation,
} from './service/revocations.ts';
// Tokens
export type { Token, TokenRequest, TokenSource } from './service/token.ts';
export { type ClientCredentialsOptions, clientCredentialsToken } from './service/tokens/client-credentials.ts';
export { developmentToken, type ExchangedTokenOptions, exchangedToken } from './service/tokens/exchange.ts';
export type { SigningKey } from './service/tokens/jwt.ts';
export { refreshingToken } from './service/tokens/refreshing.ts';
export { type ServiceAccountOptions, serviceAccountToken } from './service/tokens/service-account.ts';
export type { KeyChange } from './types.ts';
