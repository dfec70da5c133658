// Errors in words, by their codes, and sizes.

import { displayName, isBullaError } from './bulla.min.js';

/** What somebody should read who pasted a wrong public key, and where it stands. */
export function keyWords(text, line) {
  if (text.startsWith('bullask1.')) {
    return `Line ${line} is a private key. Never give one away; paste the public key, which begins with bullapk1.`;
  }
  return `Line ${line} is no public key. One begins with bullapk1. and has 139 characters; bulla keygen prints it.`;
}

/**
 * What went wrong, why, and what to do, in a sentence or two.
 *
 * @param {unknown} error
 * @param {{ passphrase: boolean, context: boolean }} used - what was given besides keys, which may be what is wrong
 */
export function errorWords(error, used) {
  if (isBullaError(error)) return bullaWords(error, used);
  if (error instanceof DOMException && ['NotReadableError', 'NotFoundError'].includes(error.name)) {
    return 'The file could not be read: it is a folder, or it was moved or changed since you chose it.';
  }
  return `It did not work: ${displayName(error instanceof Error ? error.message : String(error))}`;
}

function bullaWords(error, used) {
  switch (error.code) {
    case 'ERR_NO_MATCHING_KEY':
      return used.passphrase
        ? 'This message is for somebody else: neither your key nor the passphrase is among those that open it.'
        : 'This message is for somebody else: your key is not among those that open it. If there is a passphrase, enter it and try again.';
    case 'ERR_DECRYPTION_FAILED':
      return failedWords(used);
    case 'ERR_CONTEXT_MISMATCH':
      return contextWords(error);
    case 'ERR_NOT_A_MESSAGE':
      return 'This is no bulla message, whatever its name says.';
    case 'ERR_TRUNCATED':
      return 'This message ends too early: the rest of the file is missing. Get it again.';
    case 'ERR_MALFORMED':
      return 'This message is damaged: it is not as any program writes it.';
    case 'ERR_UNSUPPORTED_VERSION':
    case 'ERR_UNSUPPORTED_SUITE':
    case 'ERR_UNSUPPORTED_FEATURE':
      return 'This message was written by a newer version of bulla, which this page does not know.';
    case 'ERR_LIMIT_EXCEEDED':
      return 'This is larger than a bulla message may be.';
    case 'ERR_INVALID_KEY':
      return 'One of the public keys is not valid. Ask for it again.';
    case 'ERR_CRYPTO_UNAVAILABLE':
      return cryptoWords();
    default:
      return `It did not work: ${error.message}.`;
  }
}

// The error says no more on purpose; which inputs there were is no secret.
function failedWords({ passphrase, context }) {
  const causes = ['the message was changed or cut short after it was encrypted'];
  if (passphrase) causes.push('the passphrase is wrong');
  if (context) causes.push('a value of the context is wrong');
  const either = causes.length > 1 ? 'One of these is so: ' : '';
  return `It does not open. ${either}${causes.join(', or ').replace(/^t/, either === '' ? 'T' : 't')}. Nothing of it was kept.`;
}

function contextWords({ missing, unexpected }) {
  const sentences = [];
  if (missing.length > 0) sentences.push(`This message needs values for ${list(missing)}: enter them under Context.`);
  if (unexpected.length > 0)
    sentences.push(`It was encrypted without ${list(unexpected)}: remove that from the context.`);
  return `${sentences.join(' ')} Then try again.`;
}

function list(names) {
  return names.map((name) => `“${displayName(name)}”`).join(', ');
}

function cryptoWords() {
  return globalThis.isSecureContext
    ? 'This browser has no WebCrypto, so nothing can be encrypted here. Use a current one.'
    : `This page came over plain HTTP from ${location.hostname}, and browsers allow encryption only on pages that came over HTTPS or from localhost. Open it in one of these ways.`;
}

const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** A size as people say it. */
export function sizeWords(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const number = bytes / 1000 ** power;
  if (power === 0) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return `${number.toFixed(number < 10 ? 1 : 0)} ${units[power]}`;
}
