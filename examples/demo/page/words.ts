// Errors in words, by their codes, and sizes.

import { isBullaError } from 'bulla';

const words: Record<string, string> = {
  ERR_NOT_ALLOWED: 'The key service refuses: this user may not use that key, or there is none. It does not say which.',
  ERR_NO_MATCHING_KEY: 'This file is sealed under a key that is not yours.',
  ERR_DECRYPTION_FAILED:
    'It does not open. It was changed or cut short after it was encrypted. Nothing of it was kept.',
  ERR_SERVICE_UNREACHABLE: 'The key service cannot be reached. Is it running?',
  ERR_SERVICE_TIMEOUT: 'The key service does not answer.',
  ERR_SERVICE_UNAVAILABLE: 'The key service cannot work at the moment. Try again.',
  ERR_SERVICE_IDENTITY:
    'This is not the key service that this page was told to trust. Reload the page if the service was set up again.',
  ERR_SERVICE_CONFLICT: 'Somebody else changed the key at the same time. Try again.',
  ERR_THROTTLED: 'The key service is asked too often. Wait a little.',
  ERR_KEY_DISABLED: 'The key is disabled.',
  ERR_KEY_VERSION_UNAVAILABLE: 'That version of the key is no longer in use.',
  ERR_DATA_KEY_REVOKED: 'The key of this message was revoked: nobody can open it any more.',
  ERR_SOURCE_UNAVAILABLE: 'The store cannot be reached, or its answer broke off. Try again.',
  ERR_SOURCE_NOT_FOUND: 'This file is no longer in the store.',
  ERR_SOURCE_CHANGED: 'The file changed while it was read. Open it again.',
  ERR_CRYPTO_UNAVAILABLE: 'This page has no WebCrypto: open it over HTTPS or from localhost, in a current browser.',
};

/** What an error code says, for example one in an answer of the service worker. */
export function codeWords(code: string): string {
  return `${words[code] ?? 'It did not work.'} (${code})`;
}

/** What went wrong, in a sentence or two, and the code that says it to programs. */
export function errorWords(error: unknown): string {
  if (isBullaError(error)) return words[error.code] ? codeWords(error.code) : `${error.message}. (${error.code})`;
  // What fetch says of a server that is not there differs in every browser.
  if (error instanceof TypeError) return 'The store cannot be reached. Is it running? Try again.';
  if (error instanceof DOMException && ['NotReadableError', 'NotFoundError'].includes(error.name)) {
    return 'The file could not be read: it is a folder, or it was moved or changed since you chose it.';
  }
  return `It did not work: ${error instanceof Error ? error.message : String(error)}.`;
}

/** `versions 1 to 3: decrypt-only · version 4: active` */
export function versionWords(versions: readonly { readonly version: number; readonly state: string }[]): string {
  const runs: { first: number; last: number; state: string }[] = [];
  for (const { version, state } of versions) {
    const run = runs.at(-1);
    if (run?.state === state) run.last = version;
    else runs.push({ first: version, last: version, state });
  }
  const which = (first: number, last: number) => (first === last ? `version ${first}` : `versions ${first} to ${last}`);
  return runs.map(({ first, last, state }) => `${which(first, last)}: ${state}`).join(' · ');
}

const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** A size as people say it. */
export function sizeWords(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const number = bytes / 1000 ** power;
  if (power === 0) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return `${number.toFixed(number < 10 ? 1 : 0)} ${units[power]}`;
}

/** `1 file`, `2 files` */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
