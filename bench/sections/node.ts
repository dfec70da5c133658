// What is measured inside one Node. Started by main.ts for each version, with a JSON of a plan; prints a JSON of sections.

import { spawnSync } from 'node:child_process';
import nodeCrypto from 'node:crypto';
import { bareLoops } from '../lib/bare.ts';
import { bareAgreementNode, bareAgreementSubtle } from '../lib/bare-agreement.ts';
import { bareNode, bareSubtle } from '../lib/bare-message.ts';
import { bareOneShotNode } from '../lib/bare-one-shot.ts';
import { chunksOf, makeNoise, rechunked } from '../lib/payload.ts';
import { candidatesOf, type Plan } from '../lib/plan.ts';
import { type Candidate, countProcessorTime, interleave, type Measured, summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';
import { aws } from '../peers/aws.ts';
import { jose, portablePeers } from '../peers/portable.ts';
import { libsodium, libsodiumAead } from '../peers/sodium.ts';
import { repeat } from './bulla.ts';
import { type OneShotPeer, oneShot } from './one-shot.ts';
import { recipients } from './recipients.ts';

const plan = JSON.parse(process.argv[2] as string) as Plan;
const { sections, quick } = plan;
if (plan.processorTime) countProcessorTime();
const report = (text: string) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
const rounds = quick ? 3 : 7;
const title = `Node ${process.versions.node}`;
const runtime = `node${process.versions.node.split('.')[0]}`;
const results: Section[] = [];
if (sections.includes('streams')) results.push(...(await streams()));
if (sections.includes('one-shot')) results.push(...(await oneShots()));
if (sections.includes('messages')) results.push(...(await messages()));
if (sections.includes('recipients')) {
  const limits = {
    'node:crypto alone': bareAgreementNode(nodeCrypto),
    'crypto.subtle alone': await bareAgreementSubtle(),
  };
  const peers = plan.peers ? [await jose()] : [];
  results.push(...(await recipients(plan, { runtime, title, limits, peers }, report)));
}
report('');
process.stdout.write(JSON.stringify(results));

async function oneShots(): Promise<Section[]> {
  const peers: OneShotPeer[] = plan.peers ? [...awsFrames(), libsodiumAead()] : [];
  const bare = bareOneShotNode(nodeCrypto);
  return oneShot(plan, { runtime, title, limit: 'node:crypto alone, its result kept', bare, peers, report });
}

/** AWS without a signature and with its caching, at three frames: which is its best depends on the size. */
function awsFrames(): OneShotPeer[] {
  return [2 ** 16, 2 ** 18, 2 ** 20].map((frameLength) => ({
    name: `AWS, unsigned, its caching, frame ${frameLength / 1024} KiB`,
    ...aws({ signed: false, cached: true, frameLength }, makeNoise(32)),
  }));
}

async function streams(): Promise<Section[]> {
  const bytes = quick ? 2 ** 26 : 2 ** 28;
  const chunks = chunksOf(bytes);
  const own = await candidatesOf(plan, (build) => build.bullaStreams(chunks));
  const bare = [await bareLoops(chunks, 4), await bareLoops(chunks, 1)];
  const encrypts = [...own.encrypt, ...bare.map(({ encrypt }) => encrypt), syncLoop(chunks)];
  const decrypts = [...own.decrypt, ...bare.map(({ decrypt }) => decrypt)];
  if (plan.peers) await addStreamPeers(encrypts, decrypts, chunks, bytes);
  const size = `${bytes / 2 ** 20} MiB through a stream in memory`;
  const [sealing, opening] = [await interleave(encrypts, rounds, report), await interleave(decrypts, rounds, report)];
  const limit = plan.peers ? opensslSpeed(rounds) : [];
  const id = `${runtime}/streams`;
  return [
    {
      id: `${id}/encrypt`,
      title: `${title}: ${size}, encrypt`,
      unit: 'MB/s',
      rows: inMegabytes([...sealing, ...limit]),
    },
    { id: `${id}/decrypt`, title: `${title}: ${size}, decrypt`, unit: 'MB/s', rows: inMegabytes(opening) },
  ];
}

async function addStreamPeers(
  encrypts: Candidate[],
  decrypts: Candidate[],
  chunks: readonly Uint8Array[],
  bytes: number,
): Promise<void> {
  const best = await bestFrame();
  const variants = [
    { name: `AWS, unsigned, frame ${best / 1024} KiB (its best)`, client: awsClient(false, best), bytes },
    { name: 'AWS, defaults', client: awsClient(true), bytes: bytes / 8 },
  ];
  for (const { name, client, bytes: most } of variants) {
    const part = chunksOf(most);
    const sealed: Uint8Array[] = [];
    await client.encryptChunks(part, (chunk) => sealed.push(chunk));
    const message = rechunked(sealed);
    encrypts.push(peer(name, most, () => client.encryptChunks(part, () => {})));
    decrypts.push(peer(name, most, () => client.decryptChunks(message, () => {})));
  }
  const sodium = libsodium();
  const box: Uint8Array[] = [];
  sodium.encryptChunks(chunks, (chunk) => box.push(chunk));
  encrypts.push(peer(sodium.name, bytes, async () => sodium.encryptChunks(chunks, () => {})));
  decrypts.push(peer(sodium.name, bytes, async () => sodium.decryptChunks(box)));
  for (const portable of await portablePeers()) {
    const most = Math.min(bytes, quick ? portable.most / 2 : portable.most);
    const part = chunksOf(most);
    const sealed = await portable.seal(part);
    encrypts.push(peer(portable.name, most, () => portable.encryptChunks(part)));
    decrypts.push(peer(portable.name, most, () => portable.decryptSealed(sealed as never)));
  }
}

/** What AES-256-GCM alone does with one piece of memory over and over, by the command of OpenSSL; nothing where there is none. */
function opensslSpeed(times: number): Measured[] {
  const args = ['speed', '-elapsed', '-seconds', '1', '-bytes', '262144', '-evp', 'aes-256-gcm', '-mr'];
  const rates = Array.from({ length: times }, () => {
    const { stdout } = spawnSync('openssl', args, { encoding: 'utf8' });
    return Number(/^\+F:\d+:AES-256-GCM:([\d.]+)$/m.exec(stdout ?? '')?.[1]);
  });
  if (rates.some(Number.isNaN)) {
    console.error('there is no openssl command here that measures AES-256-GCM');
    return [];
  }
  return [{ name: 'openssl speed', kind: 'limit', ...summary(rates) }];
}

function inMegabytes<Row extends { median: number; least: number; most: number; rounds: readonly number[] }>(
  rows: Row[],
): Row[] {
  const million = (value: number) => value / 1e6;
  return rows.map((row) => ({
    ...row,
    ...{ median: million(row.median), least: million(row.least), most: million(row.most) },
    rounds: row.rounds.map(million),
  }));
}

function peer(name: string, bytes: number, run: () => Promise<unknown>): Candidate {
  return { name, kind: 'peer', run: () => run().then(() => bytes) };
}

function awsClient(signed: boolean, frameLength?: number) {
  return aws({ signed, ...(frameLength === undefined ? {} : { frameLength }) }, makeNoise(32));
}

/** The frame with which AWS encrypts fastest here and now. */
async function bestFrame(): Promise<number> {
  const chunks = chunksOf(2 ** 26);
  const candidates = [2 ** 16, 2 ** 18, 2 ** 20].map((frame) =>
    peer(String(frame), 2 ** 26, () => awsClient(false, frame).encryptChunks(chunks, () => {})),
  );
  const measured = await interleave(candidates, 3, report);
  return Number(measured.sort((a, b) => b.median - a.median)[0]?.name);
}

function syncLoop(chunks: readonly Uint8Array[]): Candidate {
  const key = nodeCrypto.createSecretKey(makeNoise(32));
  const run = async () => {
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.byteLength; at += 2 ** 18) {
        const cipher = nodeCrypto.createCipheriv('aes-256-gcm', key, new Uint8Array(12));
        cipher.update(chunk.subarray(at, at + 2 ** 18));
        cipher.final();
        cipher.getAuthTag();
      }
    }
    return chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  };
  return { name: 'node:crypto, synchronous', kind: 'limit', run };
}

async function messages(): Promise<Section[]> {
  const plaintext = makeNoise(100);
  const count = quick ? 4_000 : 10_000;
  const own = await candidatesOf(plan, (build) => build.bullaMessages(plaintext, count));
  const subtle = await bareSubtle(plaintext);
  const limits = [
    repeat('the bare calls of node:crypto', 'limit', count, 1, bareNode(nodeCrypto, plaintext)),
    repeat('the bare calls of crypto.subtle', 'limit', count, 1, subtle),
    repeat('the bare calls of crypto.subtle, 64 at once', 'limit', count, 64, subtle),
  ];
  // The same calls both ways: a digest, two derivations, one call of AES-GCM.
  const encrypts: Candidate[] = [...own.encrypt, ...limits];
  const decrypts: Candidate[] = [...own.decrypt, ...limits];
  if (plan.peers) await addMessagePeers(encrypts, decrypts, plaintext, count);
  const what = `${title}: messages of 100 B`;
  const section = async (way: string, candidates: Candidate[]): Promise<Section> => ({
    id: `${runtime}/messages/${way}`,
    title: `${what}, ${way}`,
    unit: 'messages/s',
    rows: await interleave(candidates, 2 * rounds, report),
  });
  return [await section('encrypt', encrypts), await section('decrypt', decrypts)];
}

async function addMessagePeers(
  encrypts: Candidate[],
  decrypts: Candidate[],
  plaintext: Uint8Array,
  count: number,
): Promise<void> {
  const variants = [
    { name: 'AWS, its caching', options: { signed: false, cached: true }, share: 5 },
    { name: 'AWS, unsigned', options: { signed: false }, share: 5 },
    { name: 'AWS, defaults', options: { signed: true }, share: 50 },
  ];
  const peers = [
    ...variants.map(({ name, options, share }) => ({ name, share, ...aws(options, makeNoise(32)) })),
    ...(await portablePeers()).map((portable) => ({ share: 50, ...portable })),
    { share: 10, ...libsodium() },
  ];
  for (const { name, share, encrypt, decrypt } of peers) {
    const sealed = (await encrypt(plaintext)) as never;
    const few = Math.ceil(count / share);
    encrypts.push(repeat(name, 'peer', few, 1, () => encrypt(plaintext)));
    decrypts.push(repeat(name, 'peer', few, 1, () => decrypt(sealed)));
    if (!name.includes('caching')) continue;
    encrypts.push(repeat(`${name}, 64 at once`, 'peer', few, 64, () => encrypt(plaintext)));
    decrypts.push(repeat(`${name}, 64 at once`, 'peer', few, 64, () => decrypt(sealed)));
  }
}
