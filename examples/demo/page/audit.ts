// The audit log, believed only as far as it is proved: a checkpoint signed by the key that the pinned identity names, which continues the one that this browser
// kept, and a proof for each entry that it is a leaf of that tree; docs/key-service.md §8.

import type { JsonObject, KeyServiceClient } from 'bulla/service';
import { continues, isIncluded, leafHash, type Tree } from './merkle.ts';

/** An entry whose place in the log was proved. */
export interface AuditEntry {
  readonly index: number;
  readonly time: Date;
  readonly principal: string;
  readonly operation: string;
  readonly status: number;
  /** How many data keys with which outcome, such as `2 ok`. */
  readonly items: readonly string[];
  readonly denied: boolean;
}

/** What was verified. */
export interface AuditView {
  readonly size: number;
  /** The size of the log when this browser last saw it, of which the log of now was proved to be a continuation. */
  readonly continued: number | undefined;
  /** Newest first. */
  readonly entries: readonly AuditEntry[];
}

const shown = 12;

/** Reads the end of the tenant's log and verifies it. Rejects with what is wrong where anything is. */
export async function readAudit(
  client: KeyServiceClient,
  tenant: string,
  kept: Storage = localStorage,
): Promise<AuditView> {
  const get = (path: string) => client.request({ method: 'GET', path: `/v1/audit/${path}` });
  const { auditVerifierKey, identity, serviceId } = await client.connect();
  if (auditVerifierKey === undefined) throw new Error('the service names no key for its log');
  const { checkpoint } = await get('checkpoint');
  const tree = await openCheckpoint(String(checkpoint), auditVerifierKey, tenant);
  const place = `checkpoint ${serviceId} ${identity.x} ${tenant}`;
  const older = parseTree(kept.getItem(place));
  if (older !== undefined) await assertContinued(get, older, tree);
  kept.setItem(place, JSON.stringify({ size: tree.size, root: btoa(String.fromCharCode(...tree.root)) }));
  const entries = await readEntries(get, tree);
  return { size: tree.size, continued: older?.size, entries };
}

type Get = (path: string) => Promise<JsonObject>;

async function assertContinued(get: Get, older: Tree, tree: Tree): Promise<void> {
  if (tree.size < older.size) throw new Error(`the log was cut: it had ${older.size} entries and has ${tree.size}`);
  const { proof } = tree.size === older.size ? { proof: [] } : await get(`consistency/${older.size}/${tree.size}`);
  if (!(await continues(older, tree, hashes(proof)))) {
    throw new Error('the log is not a continuation of the one that this browser saw before');
  }
}

async function readEntries(get: Get, tree: Tree): Promise<AuditEntry[]> {
  const { entries } = await get(`entries/${Math.max(0, tree.size - 200)}/${tree.size}`);
  const listed = entries as { index: number; leaf_hash: string; entry?: string }[];
  const own = listed.filter(({ entry }) => entry !== undefined).slice(-shown);
  const proved = own.map(async ({ index, entry }) => {
    const bytes = decode(entry as string);
    const { proof } = tree.size === 1 ? { proof: [] } : await get(`inclusion/${index}/${tree.size}`);
    if (!(await isIncluded(await leafHash(bytes), index, tree.size, hashes(proof), tree.root))) {
      throw new Error(`entry ${index} is not in the log`);
    }
    return parseEntry(index, bytes);
  });
  return (await Promise.all(proved)).reverse();
}

function parseEntry(index: number, bytes: Uint8Array): AuditEntry {
  const {
    time,
    principal,
    operation,
    status,
    items = [],
  } = JSON.parse(new TextDecoder().decode(bytes)) as {
    time: number;
    principal?: string;
    operation: string;
    status: number;
    items?: { n: number; outcome: string; version?: number }[];
  };
  return {
    index,
    time: new Date(time),
    principal: principal?.split('|').at(-1) ?? 'the service',
    operation,
    status,
    items: items.map(
      ({ n, outcome, version }) =>
        `${n} ${outcome}${version === undefined ? '' : `, ${operation === 'rewrap' ? 'from ' : ''}version ${version}`}`,
    ),
    denied: status >= 400 || items.some(({ outcome }) => outcome !== 'ok'),
  };
}

/** A signed note (C2SP tlog-checkpoint): origin, size and root, signed with Ed25519. §8.3, §8.5 */
async function openCheckpoint(note: string, verifier: string, tenant: string): Promise<Tree> {
  const [service = '', , ...encoded] = verifier.split('+');
  const origin = `${service}/${tenant}`;
  const publicKey = decode(encoded.join('+')).subarray(1);
  const [text = '', signatures = ''] = note.split('\n\n');
  const [name, size, root = '', ...rest] = text.split('\n');
  if (name !== origin || rest.length > 0 || !/^\d{1,15}$/.test(size ?? ''))
    throw new Error('the checkpoint is of another log');
  const key = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
  const signed = new TextEncoder().encode(`${text}\n`);
  for (const line of signatures.split('\n').filter((one) => one.startsWith(`— ${origin} `))) {
    const signature = decode(line.slice(origin.length + 3)).subarray(4);
    if (await crypto.subtle.verify('Ed25519', key, signature, signed))
      return { size: Number(size), root: decode(root) };
  }
  throw new Error('the checkpoint is not signed by the service');
}

function parseTree(text: string | null): Tree | undefined {
  if (text === null) return undefined;
  const { size, root } = JSON.parse(text) as { size: number; root: string };
  return { size, root: decode(root) };
}

function hashes(proof: unknown): Uint8Array<ArrayBuffer>[] {
  const list = Array.isArray(proof) ? proof.map((text) => decode(String(text))) : [];
  if (list.some((one) => one.length !== 32)) throw new Error('the proof is malformed');
  return list;
}

/** base64 or base64url */
function decode(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
