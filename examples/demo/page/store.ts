// The ciphertext store, and what is done with it: encrypt and put, list, open names, get and decrypt.

import { decrypt, detach, encrypt, type Inspection, inspect, open, toText } from 'bulla';
import { decryptBlob, encryptBlob } from 'bulla/files';
import { serviceKeyring } from 'bulla/keyrings/service';
import { createWorkerPool } from 'bulla/workers';
import type { Account } from './account.ts';

/** A message in the store. */
export interface StoredFile {
  readonly id: string;
  /** Bytes of the message. */
  readonly size: number;
  readonly created: Date;
  /** The detached envelope. */
  readonly envelope: Uint8Array;
  /** The encrypted name. */
  readonly name: string;
  /** What the envelope says, which nobody has verified. */
  readonly inspection: Inspection;
}

interface ListedFile {
  readonly id: string;
  readonly size: number;
  readonly created: number;
  readonly front: string;
  readonly name: string;
}

/** Files are large, and the page is to answer meanwhile. */
const workers = createWorkerPool();

/** What a file is encrypted for, besides the key: a message in the place of another one does not open. */
const fileContext = (id: string) => ({ file: id });
const nameContext = (id: string) => ({ file: id, field: 'name' });

/** All files of the store, of every tenant: it does not ask who lists them. */
export async function listFiles(): Promise<StoredFile[]> {
  const response = await ask('/store');
  const { files } = (await response.json()) as { files: ListedFile[] };
  return files.map(({ id, size, created, front, name }) => {
    const bytes = decodeBase64url(front);
    const inspection = inspect(bytes, { messageLength: size });
    return { id, size, created: new Date(created), envelope: detach(bytes).envelope, name, inspection };
  });
}

/** Encrypts a file, name and all, and stores it. Resolves to its id. */
export async function storeFile(
  { keyring, names }: Account,
  file: File,
  onProgress: (encrypted: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const id = crypto.randomUUID();
  const name = toText(await encrypt(file.name, { keyring: names, context: nameContext(id), signal }));
  const message = await encryptBlob(file, { keyring, context: fileContext(id), onProgress, workers, signal });
  await ask(`/store/${id}`, { method: 'PUT', headers: { 'X-Name': name }, body: message, signal });
  return id;
}

/** Decrypts the name of a file. */
export async function openName({ names }: Account, { id, name }: StoredFile): Promise<string> {
  const { plaintext } = await decrypt(name, { keyring: names, context: nameContext(id) });
  return new TextDecoder().decode(plaintext);
}

/** Gets and decrypts a file. The blob has a type that no browser opens as a page of this origin. */
export async function fetchFile(
  { keyring }: Account,
  { id }: StoredFile,
  onProgress: (decrypted: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const { body } = await ask(`/store/${id}`, { signal });
  const message = body as ReadableStream<Uint8Array<ArrayBuffer>>;
  return (await decryptBlob(message, { keyring, context: fileContext(id), onProgress, workers, signal })).plaintext;
}

/** Asks the key service for the data key of somebody else's file, as its envelope names it. Rejects, unless tenants are not apart. */
export async function tryToOpen({ client }: Account, { id, inspection }: StoredFile): Promise<void> {
  const [wrapped] = inspection.wrappedKeys;
  if (wrapped === undefined) throw new Error('there is no wrapped key');
  const keyring = serviceKeyring({ client, keyId: wrapped.keyId, keyContext: wrapped.keyContext });
  await open(new URL(`/store/${id}`, location.origin), { keyring, context: fileContext(id) });
}

/** Puts a re-wrapped envelope in its place. */
export async function putEnvelope(id: string, envelope: Uint8Array): Promise<void> {
  await ask(`/store/${id}/envelope`, { method: 'PUT', body: envelope as Uint8Array<ArrayBuffer> });
}

/** Puts a re-wrapped name in its place. */
export async function putName(id: string, name: string): Promise<void> {
  await ask(`/store/${id}/name`, { method: 'PUT', body: name });
}

/** Removes a file. */
export async function deleteFile(id: string): Promise<void> {
  await ask(`/store/${id}`, { method: 'DELETE' });
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, init);
  if (!response.ok) throw new Error(`the store answers ${response.status}: ${(await response.text()).trim()}`);
  return response;
}

function decodeBase64url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}
