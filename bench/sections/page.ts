// What is measured inside a page: streams on the main thread with their long tasks, by workers, and small messages.

import { bareLoops } from '../lib/bare.ts';
import { bareAgreementSubtle } from '../lib/bare-agreement.ts';
import { bareSubtle } from '../lib/bare-message.ts';
import { bareOneShotSubtle } from '../lib/bare-one-shot.ts';
import { chunksOf, joined, makeNoise, messageContext } from '../lib/payload.ts';
import { candidatesOf, type Plan } from '../lib/plan.ts';
import { type Candidate, collectGarbage, interleave } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';
import { awsInPage } from '../peers/aws-browser.ts';
import { jose, portablePeers } from '../peers/portable.ts';
import { libsodiumWasm } from '../peers/sodium-wasm.ts';
import { repeat } from './bulla.ts';
import { type OneShotPeer, oneShot } from './one-shot.ts';
import { recipients } from './recipients.ts';

Object.assign(globalThis, { measure });

const runtime = 'chromium';

/** Milliseconds that the main thread of this page has worked, as the browser tells whoever drives it. */
declare function mainThreadTime(): Promise<number>;

/** The sections of a plan. */
async function measure(plan: Plan): Promise<Section[]> {
  const results: Section[] = [];
  for (const section of plan.sections) {
    if (section === 'streams') results.push(...(await streams(plan)));
    if (section === 'one-shot') results.push(...(await oneShots(plan)));
    if (section === 'messages') results.push(...(await messages(plan)));
    if (section !== 'recipients') continue;
    const limits = { 'crypto.subtle alone': await bareAgreementSubtle() };
    const peers = plan.peers ? [await jose()] : [];
    results.push(...(await recipients(plan, { runtime, title: 'in memory', limits, peers })));
  }
  return results;
}

async function oneShots(plan: Plan): Promise<Section[]> {
  const peers: OneShotPeer[] = [];
  for (const frameLength of plan.peers ? [2 ** 16, 2 ** 18, 2 ** 20] : []) {
    const name = `AWS, unsigned, its caching, frame ${frameLength / 1024} KiB`;
    peers.push({ name, ...(await awsInPage({ frameLength, cached: true })) });
  }
  if (plan.peers) peers.push(await libsodiumWasm());
  const bare = await bareOneShotSubtle();
  return oneShot(plan, { runtime, title: 'one shot', limit: 'crypto.subtle alone, its result kept', bare, peers });
}

/** Both ways, on the main thread and by workers, with what both ask of the main thread. */
async function streams(plan: Plan): Promise<Section[]> {
  const { quick } = plan;
  const bytes = quick ? 2 ** 26 : 2 ** 28;
  const rounds = quick ? 3 : 7;
  const chunks = chunksOf(bytes);
  const main = await candidatesOf(plan, (build) => build.bullaStreams(chunks));
  const byWorkers = await candidatesOf(plan, (build, name) => build.bullaStreams(chunks, `${name}-worker.js`));
  const bare = await bareLoops(chunks, 1);
  const encrypts = [...main.encrypt, ...byWorkers.encrypt, bare.encrypt];
  const decrypts = [...main.decrypt, ...byWorkers.decrypt, bare.decrypt];
  if (plan.peers) await addStreamPeers(encrypts, decrypts, bytes);
  const notes = [];
  for (const candidate of encrypts.filter(({ kind }) => kind === 'bulla'))
    notes.push(await mainThread(`${candidate.name}, encrypt`, candidate));
  for (const candidate of decrypts.filter(({ kind }) => kind === 'bulla'))
    notes.push(await mainThread(`${candidate.name}, decrypt`, candidate));
  const title = `${bytes / 2 ** 20} MiB through a stream in memory`;
  const [sealing, opening] = [
    megabytes(await interleave(encrypts, rounds)),
    megabytes(await interleave(decrypts, rounds)),
  ];
  const id = `${runtime}/streams`;
  return [
    {
      ...{ id: `${id}/encrypt`, title: `${title}, encrypt`, unit: 'MB/s', rows: sealing },
      notes: [workersNote(sealing), ...notes],
    },
    { id: `${id}/decrypt`, title: `${title}, decrypt`, unit: 'MB/s', rows: opening, notes: [workersNote(opening)] },
  ];
}

async function addStreamPeers(encrypts: Candidate[], decrypts: Candidate[], bytes: number): Promise<void> {
  const whole = joined(chunksOf(2 ** 26));
  for (const frame of [2 ** 16, 2 ** 18, 2 ** 20]) {
    const aws = await awsInPage({ frameLength: frame });
    const sealed = await aws.encrypt(whole);
    const name = `AWS, unsigned, frame ${frame / 1024} KiB`;
    encrypts.push({ name, kind: 'peer', run: async () => (await aws.encrypt(whole)) && whole.byteLength });
    decrypts.push({ name, kind: 'peer', run: async () => (await aws.decrypt(sealed)) && whole.byteLength });
  }
  for (const { name, most, encryptChunks, seal, decryptSealed } of await portablePeers()) {
    const part = chunksOf(Math.min(most, bytes));
    const size = Math.min(most, bytes);
    const sealed = (await seal(part)) as never;
    encrypts.push({ name, kind: 'peer', run: () => encryptChunks(part).then(() => size) });
    decrypts.push({ name, kind: 'peer', run: () => decryptSealed(sealed).then(() => size) });
  }
}

function workersNote(rows: readonly { name: string; median: number }[]): string {
  const [main, byWorkers] = ['bulla', 'bulla, 2 workers'].map((name) => rows.find((row) => row.name === name));
  return `Two workers are ${((byWorkers?.median ?? 0) / (main?.median ?? 1)).toFixed(2)} times as fast as the main thread.`;
}

/** What five runs ask of the main thread: tasks over 50 ms, and the share of the time that it works. */
async function mainThread(what: string, { run }: Candidate): Promise<string> {
  const found: number[] = [];
  const observer = new PerformanceObserver((list) => found.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: 'longtask' });
  // What came before is not meant, and what the first run compiles is not either.
  await run();
  collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 300));
  found.length = 0;
  let [working, taken] = [0, 0];
  for (let i = 0; i < 5; i++) {
    const before = { working: await mainThreadTime(), now: performance.now() };
    await run();
    taken += performance.now() - before.now;
    working += (await mainThreadTime()) - before.working;
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  observer.disconnect();
  const longest = found.length === 0 ? '' : ` (${found.join(', ')} ms)`;
  return `${what}, 5 runs: ${found.length} tasks over 50 ms${longest}; the main thread works ${((working / taken) * 100).toFixed(0)} % of the time.`;
}

function megabytes<Row extends { median: number; least: number; most: number }>(rows: Row[]): Row[] {
  return rows.map((row) => ({ ...row, median: row.median / 1e6, least: row.least / 1e6, most: row.most / 1e6 }));
}

async function messages(plan: Plan): Promise<Section[]> {
  const { quick } = plan;
  const plaintext = makeNoise(100);
  const count = quick ? 2_048 : 8_192;
  const own = await candidatesOf(plan, (build) => build.bullaMessages(plaintext, count));
  const subtle = await bareSubtle(plaintext);
  const limit = 'the bare calls of crypto.subtle';
  const limits = [repeat(limit, 'limit', count, 1, subtle), repeat(`${limit}, 64 at once`, 'limit', count, 64, subtle)];
  const encrypts = [...own.encrypt, ...limits];
  const decrypts = [...own.decrypt, ...limits];
  if (plan.peers) await addMessagePeers(encrypts, decrypts, plaintext, Math.ceil(count / 4));
  const rounds = quick ? 5 : 11;
  const section = async (way: string, candidates: Candidate[]): Promise<Section> => ({
    id: `${runtime}/messages/${way}`,
    title: `messages of 100 B, ${way}`,
    unit: 'messages/s',
    rows: await interleave(candidates, rounds),
  });
  return [await section('encrypt', encrypts), await section('decrypt', decrypts)];
}

async function addMessagePeers(
  encrypts: Candidate[],
  decrypts: Candidate[],
  plaintext: Uint8Array,
  few: number,
): Promise<void> {
  for (const [name, cached] of [
    ['AWS, its caching', true],
    ['AWS, unsigned', false],
  ] as const) {
    const aws = await awsInPage({ frameLength: 4096, cached, encryptionContext: messageContext });
    const sealed = await aws.encrypt(plaintext);
    encrypts.push(repeat(name, 'peer', few, 1, () => aws.encrypt(plaintext)));
    encrypts.push(repeat(`${name}, 64 at once`, 'peer', few, 64, () => aws.encrypt(plaintext)));
    decrypts.push(repeat(name, 'peer', few, 1, () => aws.decrypt(sealed)));
    decrypts.push(repeat(`${name}, 64 at once`, 'peer', few, 64, () => aws.decrypt(sealed)));
  }
  for (const peer of await portablePeers()) {
    const message = await peer.encrypt(plaintext);
    encrypts.push(repeat(peer.name, 'peer', Math.ceil(few / 8), 1, () => peer.encrypt(plaintext)));
    decrypts.push(repeat(peer.name, 'peer', Math.ceil(few / 8), 1, () => peer.decrypt(message)));
  }
}
