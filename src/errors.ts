/** Typed errors with stable codes: what failed, for whom to act on it, and nothing that depends on a secret. */

const brand = Symbol.for('bulla.error');

/** What every error of this package has in common: a stable `code`. Recognized by {@link isBullaError} across copies and realms. */
export class BullaError<Code extends string = string> extends Error {
  override readonly name: string = 'BullaError';
  /** Stable across versions, `ERR_` and upper case: what programs decide by. Messages may change. */
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** The codes of a {@link MessageFormatError}, with the clause of `docs/format.md` that each stands for. */
export type MessageFormatErrorCode =
  /** §1.1: the input does not start like a message */
  | 'ERR_NOT_A_MESSAGE'
  /** §1.2 */
  | 'ERR_UNSUPPORTED_VERSION'
  /** §4.1 */
  | 'ERR_UNSUPPORTED_SUITE'
  /** §2.3: the message needs something that this version does not know */
  | 'ERR_UNSUPPORTED_FEATURE'
  /** §1.3: the input ends before the envelope does */
  | 'ERR_TRUNCATED'
  /** §2.2 and others: the input is not the one encoding of anything */
  | 'ERR_MALFORMED'
  /** §2.4: the input, or what it was to become, is larger than the format allows */
  | 'ERR_LIMIT_EXCEEDED';

/** The input is no message that this version can read, or the output would be none. Found without any key. */
export class MessageFormatError extends BullaError<MessageFormatErrorCode> {
  override readonly name = 'MessageFormatError';
}

/**
 * The message did not decrypt: a wrong key, a changed or cut message, or a wrong context value. It deliberately does not
 * say which, and has no cause (`docs/format.md` §5.5, §6.4, §7.5).
 */
export class DecryptionError extends BullaError<'ERR_DECRYPTION_FAILED'> {
  override readonly name = 'DecryptionError';

  constructor() {
    super('ERR_DECRYPTION_FAILED', 'The message could not be decrypted');
  }
}

/** The names in the given context are not those that the message was encrypted with (`docs/format.md` §3.7), or re-wrapping needs the context (§7.7b). */
export class ContextMismatchError extends BullaError<'ERR_CONTEXT_MISMATCH'> {
  override readonly name = 'ContextMismatchError';
  /** Names that the message asks for and the given context lacks. */
  readonly missing: readonly string[];
  /** Names that the given context has and the message does not know. */
  readonly unexpected: readonly string[];

  constructor(
    missing: readonly string[],
    unexpected: readonly string[],
    what = 'The context has other names than the message',
  ) {
    const parts = [
      missing.length > 0 ? `missing ${missing.map((name) => JSON.stringify(name)).join(', ')}` : '',
      unexpected.length > 0 ? `unexpected ${unexpected.map((name) => JSON.stringify(name)).join(', ')}` : '',
    ];
    super('ERR_CONTEXT_MISMATCH', `${what}: ${parts.filter(Boolean).join('; ')}`);
    this.missing = missing;
    this.unexpected = unexpected;
  }
}

/** The codes of a {@link KeyError}. */
export type KeyErrorCode =
  /** none of the message's wrapped keys is for the given keyring (`docs/format.md` §7.5) */
  | 'ERR_NO_MATCHING_KEY'
  /** a key that was given is not of the required kind, size or form */
  | 'ERR_INVALID_KEY'
  /** the data key is shared by several messages, and a new recipient would open all of them: re-encrypt instead (§7.7) */
  | 'ERR_SHARED_DATA_KEY'
  /** the keyring that was given cannot do what it was asked for, for example encrypt with a private key only */
  | 'ERR_KEYRING_CANNOT';

/** A key is missing, unusable, or must not be used as asked. */
export class KeyError extends BullaError<KeyErrorCode> {
  override readonly name = 'KeyError';
}

/** The codes of a {@link SourceError}. */
export type SourceErrorCode =
  /** the source could not be read, or gave other bytes than it was asked for */
  | 'ERR_SOURCE_UNREADABLE'
  /** the source changed between two reads */
  | 'ERR_SOURCE_CHANGED'
  /** the server of a URL wants credentials, or other ones (401) */
  | 'ERR_SOURCE_UNAUTHORIZED'
  /** the server of a URL refuses the caller (403), as storages do when a signature has expired */
  | 'ERR_SOURCE_FORBIDDEN'
  /** there is nothing behind the URL (404, 410) */
  | 'ERR_SOURCE_NOT_FOUND'
  /** no connection, one that broke off or stalled, or a server that cannot answer at the moment (408, 429, 5xx), after all repetitions */
  | 'ERR_SOURCE_UNAVAILABLE'
  /** the server of a URL redirects a request that has headers or credentials, which follow no redirect */
  | 'ERR_SOURCE_REDIRECTED';

/** What a {@link SourceError} knows besides its code. */
export interface SourceErrorDetails {
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  /** Seconds after which the server says to try again. */
  readonly retryAfter?: number | undefined;
  /** What was thrown below. */
  readonly cause?: unknown;
}

/** A source of random access failed. */
export class SourceError extends BullaError<SourceErrorCode> {
  override readonly name = 'SourceError';
  /** See {@link SourceErrorDetails.status}. */
  readonly status: number | undefined;
  /** See {@link SourceErrorDetails.retryAfter}. */
  readonly retryAfter: number | undefined;

  constructor(code: SourceErrorCode, message: string, details: SourceErrorDetails = {}) {
    super(code, message, 'cause' in details ? { cause: details.cause } : {});
    this.status = details.status;
    this.retryAfter = details.retryAfter;
  }
}

/** The codes of a {@link KeyServiceError}, with the clause of `docs/key-service.md` that each stands for. */
export type KeyServiceErrorCode =
  /** no connection, or one that broke before the answer was complete */
  | 'ERR_SERVICE_UNREACHABLE'
  /** no complete answer within the time that the client waits */
  | 'ERR_SERVICE_TIMEOUT'
  /** a redirect, which a key service never sends and this client never follows */
  | 'ERR_SERVICE_REDIRECTED'
  /** §10: the service cannot do its work at the moment (500, 502, 503, 504) */
  | 'ERR_SERVICE_UNAVAILABLE'
  /** §2.4: the service is not the pinned one, or its signed documents are forged, expired or older than what was seen before */
  | 'ERR_SERVICE_IDENTITY'
  /** §4.3, §6.1: the answer is not authentic, or not what the protocol says; nothing in it is believed */
  | 'ERR_SERVICE_ANSWER'
  /** §10: the service does not take the request (400, 404, 405, 413, 422) */
  | 'ERR_SERVICE_REQUEST'
  /** §7.2: the state that the request started from is no longer that of the key (409, 412) */
  | 'ERR_SERVICE_CONFLICT'
  /** the source of access tokens gave none */
  | 'ERR_TOKEN_UNAVAILABLE'
  /** §3.7: the access token has expired, and the source of tokens gave no newer one */
  | 'ERR_TOKEN_EXPIRED'
  /** §3.7: the service does not take the access token */
  | 'ERR_TOKEN_REFUSED'
  /** §3.7: the service does not take the proof of the client's key; a wrong clock is the usual reason */
  | 'ERR_PROOF_REFUSED'
  /** §6.4: not allowed, or no such key: the service does not say which */
  | 'ERR_NOT_ALLOWED'
  /** §10: the key is disabled */
  | 'ERR_KEY_DISABLED'
  /** the provider of a key is about to delete it, unless somebody calls that off (`docs/format.md` §8.13) */
  | 'ERR_KEY_PENDING_DELETION'
  /** §5.2: the version of the key is compromised, disabled, destroyed or below the floor */
  | 'ERR_KEY_VERSION_UNAVAILABLE'
  /** §7.6: the data key was revoked: nobody unwraps it any more */
  | 'ERR_DATA_KEY_REVOKED'
  /** §10: too many requests; `retryAfter` says how long to wait */
  | 'ERR_THROTTLED';

/** What a {@link KeyServiceError} knows besides its code. */
export interface KeyServiceErrorDetails {
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  /** The code of the service (`docs/key-service.md` §10), or the provider's name of the error, where it gave one. */
  readonly problem?: string | undefined;
  /** Which check of token or proof failed (§3.7). */
  readonly check?: string | undefined;
  /** Seconds after which to try again. */
  readonly retryAfter?: number | undefined;
  /** The id of the request in the logs of the service. */
  readonly requestId?: string | undefined;
  /** What was thrown below. */
  readonly cause?: unknown;
}

/** The key service, or a provider of keys such as a cloud KMS, could not be asked, did not answer as it must, or refused. */
export class KeyServiceError extends BullaError<KeyServiceErrorCode> {
  override readonly name = 'KeyServiceError';
  /** See {@link KeyServiceErrorDetails.status}. */
  readonly status: number | undefined;
  /** See {@link KeyServiceErrorDetails.problem}. */
  readonly problem: string | undefined;
  /** See {@link KeyServiceErrorDetails.check}. */
  readonly check: string | undefined;
  /** See {@link KeyServiceErrorDetails.retryAfter}. */
  readonly retryAfter: number | undefined;
  /** See {@link KeyServiceErrorDetails.requestId}. */
  readonly requestId: string | undefined;

  constructor(code: KeyServiceErrorCode, message: string, details: KeyServiceErrorDetails = {}) {
    super(code, message, 'cause' in details ? { cause: details.cause } : {});
    this.status = details.status;
    this.problem = details.problem;
    this.check = details.check;
    this.retryAfter = details.retryAfter;
    this.requestId = details.requestId;
  }
}

/** The codes of a {@link FieldError}, with the clause of `docs/fields.md` that each stands for. */
export type FieldErrorCode =
  /** §1.1: a cell that should be a record is plaintext */
  | 'ERR_FIELD_PLAINTEXT'
  /** §1.2, §1.3: the record needs flags or a schema version that this configuration does not know */
  | 'ERR_FIELD_UNSUPPORTED'
  /** §1.8: the record does not open: changed, cut, or of another row, field, tenant, subject or version */
  | 'ERR_FIELD_OPEN'
  /** §2.2: no tenant, or another one than that of the row */
  | 'ERR_FIELD_TENANT'
  /** §2.4, §6.1: the identity of a row is missing or has no text */
  | 'ERR_FIELD_ROW_UNKNOWN'
  /** §3.2, §3.3: a value is not of the field's type */
  | 'ERR_FIELD_VALUE'
  /** §4.3, §4.4, §4.8: the row of a data key is missing, forged or changed */
  | 'ERR_FIELD_KEY'
  /** §1.4: a value or a call is too large */
  | 'ERR_FIELD_LIMIT'
  /** §5.6: the definition of a schema version was changed under the same number */
  | 'ERR_FIELD_SCHEMA'
  /** §5.8: a record was found by a tag that it does not hold */
  | 'ERR_FIELD_TAG'
  /** §6.3: a record stands in a result where it belongs to no field */
  | 'ERR_FIELD_OPAQUE'
  /** §7.2, §7.6: the subject was shredded, or the key service refuses its data keys */
  | 'ERR_FIELD_SHREDDED'
  /** a statement that encrypted columns cannot answer; the message says what to do instead */
  | 'ERR_FIELD_QUERY';

/** Which cell a {@link FieldError} is about, as far as that is known. */
export interface FieldErrorDetails {
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  /** The row's identity, in the text that PostgreSQL prints. */
  readonly row?: readonly string[] | undefined;
  /** What was thrown below. */
  readonly cause?: unknown;
}

/** A cell could not be sealed or opened, or a statement not be answered. It names the place, never a value. */
export class FieldError extends BullaError<FieldErrorCode> {
  override readonly name = 'FieldError';
  /** See {@link FieldErrorDetails.table}. */
  readonly table: string | undefined;
  /** See {@link FieldErrorDetails.column}. */
  readonly column: string | undefined;
  /** See {@link FieldErrorDetails.row}. */
  readonly row: readonly string[] | undefined;

  constructor(code: FieldErrorCode, message: string, details: FieldErrorDetails = {}) {
    super(code, message, 'cause' in details ? { cause: details.cause } : {});
    this.table = details.table;
    this.column = details.column;
    this.row = details.row;
  }
}

/**
 * There is no WebCrypto here: a page outside a secure context, or a Node without it and without its fallback. Or it refuses what the format needs, and
 * `cause` is what it said: Cloudflare Workers cap the iterations of PBKDF2.
 */
export class CryptoUnavailableError extends BullaError<'ERR_CRYPTO_UNAVAILABLE'> {
  override readonly name = 'CryptoUnavailableError';

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_CRYPTO_UNAVAILABLE', message, options);
  }
}

/** A worker could not be started, broke down, or was closed, with what the runtime says of it in the message. */
export class WorkerError extends BullaError<'ERR_WORKER_FAILED'> {
  override readonly name = 'WorkerError';

  constructor(message: string) {
    super('ERR_WORKER_FAILED', message);
  }
}

/** Every error that this package throws, told apart by `code`. Wrong arguments are `TypeError`s; an abort throws the signal's reason. */
export type AnyBullaError =
  | MessageFormatError
  | DecryptionError
  | ContextMismatchError
  | KeyError
  | SourceError
  | KeyServiceError
  | FieldError
  | CryptoUnavailableError
  | WorkerError;

/**
 * Whether something that was caught comes from bulla; narrows to the union that `switch (error.code)` takes apart. Works without
 * `instanceof`, so also where two copies of this package are loaded.
 *
 * @example
 * try {
 *   await decrypt(message, { keyring });
 * } catch (error) {
 *   if (isBullaError(error) && error.code === 'ERR_CONTEXT_MISMATCH') console.log(error.missing);
 *   else throw error;
 * }
 */
export function isBullaError(error: unknown): error is AnyBullaError {
  return typeof error === 'object' && error !== null && brand in error;
}
