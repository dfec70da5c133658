// What is measured inside a page: streams on the main thread with their long tasks, small messages, and a stream for ever for the page's memory.

import { encryptStream } from 'bulla';
import { aesKeyring } from 'bulla/keyrings/aes';
import { bareLoops } from '../lib/bare.ts';
import { bareSubtle } from '../lib/bare-message.ts';
import { chunksOf, drain, joined, makeNoise, streamOf } from '../lib/payload.ts';
import { type Candidate, interleave } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';
import { awsInPage } from '../peers/aws-browser.ts';
import { portablePeers } from '../peers/portable.ts';
import { bullaMessages, bullaStreams, repeat } from './bulla.ts';

Object.assign(globalThis, { streams, messages, through });

/** Both ways, and the tasks over 50 ms that bulla's runs had. */
async function streams(quick: boolean): Promise<Section[]> {
  const bytes = quick ? 2 ** 26 : 2 ** 28;
  const rounds = quick ? 3 : 7;
  const chunks = chunksOf(bytes);
  const own = [await bullaStreams(chunks), await bareLoops(chunks, 1)];
  const [encrypts, decrypts] = [own.map(({ encrypt }) => encrypt), own.map(({ decrypt }) => decrypt)];
  const whole = joined(chunksOf(2 ** 26));
  for (const frame of [2 ** 16, 2 ** 18, 2 ** 20]) {
    const aws = await awsInPage(frame);
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
  const tasks = await longTasks([encrypts[0] as Candidate, decrypts[0] as Candidate]);
  const notes = [`Tasks over 50 ms while bulla encrypted and decrypted once: ${tasks.length} (${tasks.join(', ')} ms)`];
  const title = `${bytes / 2 ** 20} MiB through a stream on the main thread`;
  return [
    { title: `${title}, encrypt`, unit: 'MB/s', rows: megabytes(await interleave(encrypts, rounds)), notes },
    { title: `${title}, decrypt`, unit: 'MB/s', rows: megabytes(await interleave(decrypts, rounds)) },
  ];
}

async function longTasks(candidates: readonly Candidate[]): Promise<number[]> {
  const found: number[] = [];
  const observer = new PerformanceObserver((list) => found.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: 'longtask' });
  // What came before is not meant.
  await new Promise((resolve) => setTimeout(resolve, 300));
  found.length = 0;
  for (const { run } of candidates) await run();
  await new Promise((resolve) => setTimeout(resolve, 300));
  observer.disconnect();
  return found;
}

function megabytes<Row extends { median: number; least: number; most: number }>(rows: Row[]): Row[] {
  return rows.map((row) => ({ ...row, median: row.median / 1e6, least: row.least / 1e6, most: row.most / 1e6 }));
}

async function messages(quick: boolean): Promise<Section[]> {
  const plaintext = makeNoise(100);
  const count = quick ? 2_048 : 8_192;
  const own = await bullaMessages(plaintext, count);
  const subtle = await bareSubtle(plaintext);
  const aws = await awsInPage(4096);
  const sealed = await aws.encrypt(plaintext);
  const limit = 'the bare calls of crypto.subtle';
  const name = 'AWS, unsigned';
  const few = Math.ceil(count / 4);
  const encrypts = [
    ...own.encrypt,
    repeat(limit, 'limit', count, 1, subtle),
    repeat(`${limit}, 64 at once`, 'limit', count, 64, subtle),
    repeat(name, 'peer', few, 1, () => aws.encrypt(plaintext)),
    repeat(`${name}, 64 at once`, 'peer', few, 64, () => aws.encrypt(plaintext)),
  ];
  const decrypts = [
    ...own.decrypt,
    repeat(name, 'peer', few, 1, () => aws.decrypt(sealed)),
    repeat(`${name}, 64 at once`, 'peer', few, 64, () => aws.decrypt(sealed)),
  ];
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

/** So many bytes through a stream, nothing kept. */
async function through(bytes: number): Promise<number> {
  const keyring = aesKeyring({ keyId: 'bench', key: makeNoise(32) });
  return drain(streamOf(chunksOf(bytes)).pipeThrough(encryptStream({ keyring })));
}
