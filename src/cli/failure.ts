/** What the command line says when something fails, and which exit code it ends with; `docs/cli.md`. */

import { isBullaError } from '../errors.ts';
import { reasonOf } from '../node/system-error.ts';

/** Exit codes by kind of error. */
export const exitCodes = {
  success: 0,
  /** Something that nobody foresaw, or faults that a job on database fields found. */
  unexpected: 1,
  /** The command line itself is wrong; nothing was read or written. */
  usage: 2,
  /** The input is no message, or none that this version can read. */
  format: 3,
  /** The message did not decrypt. */
  decryption: 4,
  /** A key is missing, unusable, or must not be used as asked. */
  key: 5,
  /** The context has other names than the message. */
  context: 6,
  /** A file, a pipe or the terminal. */
  file: 7,
  /** The key service: unreachable, refusing, or not the one that was pinned. */
  service: 8,
  /** What was asked for waits for another person to approve it. */
  waiting: 9,
} as const;

/** The command line is wrong: exit code 2, and a hint where to read on. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE';
  /** What to do about it, where the message does not say. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A file, or the terminal, is not as it has to be. */
export class FileError extends Error {
  readonly code: string;
  /** What to do about it, where the code alone does not say. */
  readonly hint: string | undefined;

  constructor(code: string, message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** What was given is not of the form that it has to be. */
export class FormatError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** `--drop` names a wrapped key that is not there. */
export class DropError extends Error {
  readonly code = 'ERR_NOTHING_TO_DROP';
}

/** A passphrase does not open a key file. There is no message yet that could be changed or cut. */
export class LockedKeyError extends Error {
  readonly code = 'ERR_DECRYPTION_FAILED';
}

/** A failure in words, for people and for programs. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** What to do about it, where that can be said. */
  readonly hint: string | undefined;
  readonly exitCode: number;
}

/** Which options a command was given. */
interface GivenOptions {
  given(name: string): boolean;
}

const bullaExitCodes: Record<string, number> = {
  MessageFormatError: exitCodes.format,
  DecryptionError: exitCodes.decryption,
  ContextMismatchError: exitCodes.context,
  KeyError: exitCodes.key,
  SourceError: exitCodes.file,
  KeyServiceError: exitCodes.service,
  FieldError: exitCodes.key,
};

const hints: Record<string, string> = {
  ERR_NO_MATCHING_KEY:
    'bulla inspect shows which keys open it: give one with --key, --passphrase, or --key-service and its --key-context',
  ERR_CONTEXT_MISMATCH: 'give each name with --context name=value',
  ERR_KEYRING_CANNOT: 'encrypting takes a --recipient or a passphrase',
  ERR_SHARED_DATA_KEY: 'decrypt it and encrypt the result',
  ERR_SERVICE_IDENTITY: 'if it is the service that you mean, compare its identity with "pin" in the configuration',
  ERR_NOT_ALLOWED: 'your role, the key, its alias, or --key-context',
  ERR_KEY_VERSION_UNAVAILABLE: 'an administrator of keys can say more: bulla keys show',
  ERR_NOTHING_TO_DROP: 'bulla inspect shows the ids of its wrapped keys',
  EEXIST: '--force replaces it',
  EBUSY: 'a file that is mounted by itself cannot be replaced: write to another with --output, and copy that over it',
};

const words: Record<string, string> = {
  ENOENT: 'No such file or folder',
  EEXIST: 'The file exists already',
  EACCES: 'Permission denied',
  EPERM: 'Not permitted',
  EISDIR: 'It is a folder',
  EINVAL: 'It is not a regular file',
  EBUSY: 'It is in use by the system, and cannot be replaced',
  ELOOP: 'The links go in a circle',
  ENAMETOOLONG: 'The name is too long',
  ENOTDIR: 'A part of the path is no folder',
  ENOSPC: 'No space left on the device',
  EROFS: 'The file system is read-only',
  EPIPE: 'The output was closed before everything was written',
  EMFILE: 'Too many open files',
  EFBIG: 'The file would be too large',
  EDQUOT: 'The quota is used up',
};

/** What to say about something that was thrown; `args` are those of the command, where they are known. */
export function describeFailure(error: unknown, args?: GivenOptions): Failure {
  const found = failureOf(error);
  return found.code === 'ERR_DECRYPTION_FAILED' && !(error instanceof LockedKeyError)
    ? { ...found, hint: decryptionHint(args) }
    : found;
}

/** Why a message did not decrypt, of what was used: nothing tells more. */
function decryptionHint(args: GivenOptions | undefined): string {
  const used = (...names: string[]) => args === undefined || names.some((name) => args.given(name));
  return [
    ...(used('passphrase', 'passphrase-fd') ? ['a wrong passphrase'] : []),
    ...(used('context') ? ['a wrong --context value'] : []),
    'a message that was changed or cut',
  ].join(', or ');
}

function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) return failure(error.code, error.message, exitCodes.usage, error.hint);
  if (error instanceof FileError) return failure(error.code, error.message, exitCodes.file, error.hint);
  if (error instanceof LockedKeyError) return failure(error.code, error.message, exitCodes.decryption);
  if (error instanceof FormatError) return failure(error.code, error.message, exitCodes.format);
  if (error instanceof DropError) return failure(error.code, error.message, exitCodes.key);
  if (isBullaError(error)) {
    // The words of a source of ours, which are for the author of the configuration.
    if (error.cause instanceof FileError) return failure(error.code, error.cause.message, exitCodes.service);
    return failure(error.code, error.message, bullaExitCodes[error.name] ?? exitCodes.unexpected);
  }
  // From an option's value that the SDK refuses: limits of context and metadata, for example.
  if (error instanceof TypeError && !('code' in error)) return failure('ERR_USAGE', error.message, exitCodes.usage);
  const { code, path, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  // What the system refuses, whatever it is: `words` has better ones for some.
  if (error instanceof Error && typeof code === 'string' && typeof syscall === 'string') {
    const reason = words[code] ?? sentence(reasonOf(error));
    return failure(code, `${reason}${path === undefined ? '' : `: ${path}`}`, exitCodes.file);
  }
  const text = error instanceof Error ? error.message : String(error);
  return failure(code ?? 'ERR_UNEXPECTED', text, exitCodes.unexpected);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function failure(code: string, message: string, exitCode: number, hint = hints[code]): Failure {
  return { code, message, hint, exitCode };
}
