/** Checkpoints as signed notes (C2SP signed-note, tlog-checkpoint), `docs/key-service.md` §8.3 and §8.5. */

import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { sha256 } from '../crypto/digest.ts';
import { OperatorError } from '../errors.ts';
import { type Bytes, concat, decodeBase64, encodeBase64, encodeUtf8, equalBytes } from '../lib/bytes.ts';

/** The head of a log. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Bytes;
}

const algorithm = Uint8Array.of(1);
const keyHashLength = 4;

/** The public key of a log as C2SP writes it. */
export function verifierKey(origin: string, key: KeyObject): string {
  return encodeVerifierKey(origin, rawPublicKey(key));
}

function encodeVerifierKey(origin: string, publicKey: Bytes): string {
  const hash = Buffer.from(keyHash(origin, publicKey)).toString('hex');
  return `${origin}+${hash}+${encodeBase64(concat(algorithm, publicKey))}`;
}

/** The same key under the name of another log of the service. */
export function renamedKey(verifier: string, origin: string): string {
  const { publicKey } = parseVerifierKey(verifier);
  return encodeVerifierKey(origin, publicKey);
}

/** The signed note of a checkpoint. */
export function signCheckpoint({ origin, size, root }: Checkpoint, key: KeyObject): string {
  const text = `${origin}\n${size}\n${encodeBase64(root)}\n`;
  const signature = sign(null, encodeUtf8(text), key);
  return `${text}\n— ${origin} ${encodeBase64(concat(keyHash(origin, rawPublicKey(key)), signature))}\n`;
}

/** Reads a signed note. Throws `OperatorError` where it is malformed or not signed by the key. */
export function openCheckpoint(note: string, verifier: string): Checkpoint {
  const { origin } = parseVerifierKey(verifier);
  const [text, signatures] = note.split('\n\n');
  if (text === undefined || signatures === undefined) throw new OperatorError('The checkpoint is no signed note');
  const [name, size, root, ...rest] = text.split('\n');
  const rootBytes = decodeBase64(root ?? '');
  if (name !== origin || !/^(0|[1-9]\d{0,14})$/.test(size ?? '') || rootBytes?.byteLength !== 32 || rest.length > 0) {
    throw new OperatorError('The checkpoint is malformed, or of another log');
  }
  if (!isSignedBy(note, verifier)) {
    throw new OperatorError('The checkpoint is not signed by the log');
  }
  return { origin, size: Number(size), root: rootBytes };
}

/** Whether a note has a signature by this key that verifies. */
export function isSignedBy(note: string, verifier: string): boolean {
  const { origin, publicKey } = parseVerifierKey(verifier);
  const [text, signatures = ''] = note.split('\n\n');
  return signatures.split('\n').some((line) => isSignature(line, origin, publicKey, `${text}\n`));
}

function isSignature(line: string, origin: string, publicKey: Bytes, text: string): boolean {
  const prefix = `— ${origin} `;
  const bytes = line.startsWith(prefix) ? decodeBase64(line.slice(prefix.length)) : undefined;
  if (bytes?.byteLength !== keyHashLength + 64) return false;
  if (!equalBytes(bytes.subarray(0, keyHashLength), keyHash(origin, publicKey))) return false;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return verify(null, encodeUtf8(text), key, bytes.subarray(keyHashLength));
}

function parseVerifierKey(verifier: string): { origin: string; publicKey: Bytes } {
  const [origin, hash, ...encoded] = verifier.trim().split('+');
  const bytes = decodeBase64(encoded.join('+'));
  if (!origin || bytes?.byteLength !== 33 || bytes[0] !== 1) throw new OperatorError('The verifier key is malformed');
  const publicKey = bytes.slice(1);
  if (Buffer.from(keyHash(origin, publicKey)).toString('hex') !== hash) {
    throw new OperatorError('The verifier key has another hash');
  }
  return { origin, publicKey };
}

function keyHash(origin: string, publicKey: Bytes): Bytes {
  return sha256(concat(encodeUtf8(`${origin}\n`), algorithm, publicKey)).slice(0, keyHashLength);
}

function rawPublicKey(key: KeyObject): Bytes {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
}
