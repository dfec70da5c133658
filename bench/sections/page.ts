// What is measured inside a page: streams on the main thread with their long tasks, by workers, and small messages.

import { createWorkerPool } from 'bulla/workers';
import { bareLoops } from '../lib/bare.ts';
import { bareSubtle } from '../lib/bare-message.ts';
import { chunksOf, joined, makeNoise, messageContext } from '../lib/payload.ts';
import { type Candidate, collectGarbage, interleave } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';
import { awsInPage } from '../peers/aws-browser.ts';
import { portablePeers } from '../peers/portable.ts';
import { bullaMessages, bullaStreams, repeat } from './bulla.ts';

Object.assign(globalThis, { streams, messages });

/** Milliseconds that the main thread of this page has worked, as the browser tells whoever drives it. */
declare function mainThreadTime(): Promise<number>;

const workers = createWorkerPool({ size: 2, createWorker: () => new Worker('segment-worker.js', { type: 'module' }) });

/** Both ways, on the main thread and by workers, with what both ask of the main thread. */
async function streams(quick: boolean): Promise<Section[]> {
  const bytes = quick ? 2 ** 26 : 2 ** 28;
  const rounds = quick ? 3 : 7;
  const chunks = chunksOf(bytes);
  const bulla = [await bullaStreams(chunks), await bullaStreams(chunks, workers)] as const;
  const own = [...bulla, await bareLoops(chunks, 1)];
  const [encrypts, decrypts] = [own.map(({ encrypt }) => encrypt), own.map(({ decrypt }) => decrypt)];
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
  const notes = [];
  for (const { encrypt, decrypt } of bulla) {
    notes.push(
      await mainThread(`${encrypt.name}, encrypt`, encrypt),
      await mainThread(`${decrypt.name}, decrypt`, decrypt),
    );
  }
  const title = `${bytes / 2 ** 20} MiB through a stream in memory`;
  const [sealing, opening] = [
    megabytes(await interleave(encrypts, rounds)),
    megabytes(await interleave(decrypts, rounds)),
  ];
  return [
    { title: `${title}, encrypt`, unit: 'MB/s', rows: sealing, notes: [workersNote(sealing), ...notes] },
    { title: `${title}, decrypt`, unit: 'MB/s', rows: opening, notes: [workersNote(opening)] },
  ];
}

function workersNote([main, byWorkers]: readonly { median: number }[]): string {
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

async function messages(quick: boolean): Promise<Section[]> {
  const plaintext = makeNoise(100);
  const count = quick ? 2_048 : 8_192;
  const own = await bullaMessages(plaintext, count);
  const subtle = await bareSubtle(plaintext);
  const limit = 'the bare calls of crypto.subtle';
  const few = Math.ceil(count / 4);
  const encrypts = [
    ...own.encrypt,
    repeat(limit, 'limit', count, 1, subtle),
    repeat(`${limit}, 64 at once`, 'limit', count, 64, subtle),
  ];
  const decrypts = [...own.decrypt];
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
  const rounds = quick ? 5 : 11;
  return [
    { title: 'messages of 100 B, encrypt', unit: 'messages/s', rows: await interleave(encrypts, rounds) },
    { title: 'messages of 100 B, decrypt', unit: 'messages/s', rows: await interleave(decrypts, rounds) },
  ];
}
