// 100,000 messages re-wrapped through the service by a process that is killed twice: nothing lost, nothing twice, payloads as they were, and never faster than its rate.
// `node -C bulla-source test/service/node/rewrap-many.ts [messages]`; with `--worker` it is the process that is killed.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { rewrapAll } from '../../../src/bulk.ts';
import { decrypt, detach, encrypt, inspect } from '../../../src/index.ts';
import { serviceKeyring } from '../../../src/keyrings/service.ts';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../../src/service.ts';

const keyContext = { tenant: 'north', purpose: 'rewrap-many' };
/** Messages begun in a second, at most. */
const perSecond = 5_000;

interface Job {
  readonly url: string;
  readonly pin: string;
  readonly keyId: string;
  readonly file: string;
}

function keyringOf({ url, pin, keyId }: Job) {
  const client = createKeyServiceClient({ url, pin, tokenSource: developmentToken('alice@north') });
  return serviceKeyring({ client, keyId, keyContext });
}

function openStore(file: string): DatabaseSync {
  const store = new DatabaseSync(file);
  store.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 10000');
  return store;
}

async function work(job: Job): Promise<void> {
  const store = openStore(job.file);
  const update = store.prepare('update messages set message = ?, writes = writes + 1 where id = ?');
  const setToken = store.prepare('update progress set token = ?');
  const { token } = store.prepare('select token from progress').get() as { token: string | null };
  const select = store.prepare('select id, message from messages where id > ? order by id limit 1000');
  // The token is an id, so what comes before it need not even be read: the query starts behind it.
  function* rows() {
    for (let after = token ?? ''; ; ) {
      const page = select.all(after) as { id: string; message: Uint8Array }[];
      if (page.length === 0) return;
      yield* page;
      after = page.at(-1)?.id as string;
    }
  }
  const keyring = keyringOf(job);
  const begun: number[] = [];
  const report = await rewrapAll(rows(), {
    from: keyring,
    to: keyring,
    concurrency: 2_000,
    perSecond,
    skip: ({ wrappedKeys }) => {
      begun.push(performance.now());
      return wrappedKeys[0]?.version === 2;
    },
    write: async (result, { id }) => void update.run(result as Uint8Array, id),
    onProgress: ({ done, skipped, resumeToken }) => {
      if ((done + skipped) % 500 === 0) setToken.run(resumeToken ?? token);
    },
  });
  console.log(`  ${report.done} re-wrapped, ${report.skipped} done already, ${report.failed} failed`);
  // Timers may be early by a millisecond.
  const hurried = begun.filter((time, i) => time - (begun[i - perSecond] ?? Number.NEGATIVE_INFINITY) < 999);
  if (hurried.length > 0) throw new Error(`${hurried.length} messages beyond ${perSecond} in a second`);
  if (!report.complete || report.failed > 0) throw report.stoppedBy ?? report.failures[0]?.error;
}

async function startService(folder: string) {
  const args = ['key-service/bin/bulla-key-service.js', 'dev', '--port', '0', '--data', join(folder, 'service')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    const url = /url +(http:\S+)/.exec(text)?.[1];
    const pin = /identity +([\w-]{43})/.exec(text)?.[1];
    if (url !== undefined && pin !== undefined) {
      child.stdout.resume();
      return { child, url, pin };
    }
  }
  throw new Error(`the service did not start: ${text}`);
}

/** Runs the worker; kills it when `count` messages are re-wrapped. */
async function runWorker(job: Job, count: number): Promise<void> {
  const child = spawn(process.execPath, ['-C', 'bulla-source', import.meta.filename, '--worker', JSON.stringify(job)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const store = openStore(job.file);
  const written = store.prepare('select count(*) as n from messages where writes > 0');
  const timer = setInterval(() => {
    if ((written.get() as { n: number }).n >= count) child.kill('SIGKILL');
  }, 50);
  const code = await ended;
  clearInterval(timer);
  console.log(`  ended with ${code ?? 'SIGKILL'}, ${(written.get() as { n: number }).n} messages re-wrapped`);
  store.close();
}

const bodyDigest = (message: Uint8Array) => createHash('sha256').update(detach(message).body).digest('hex');

async function main(total: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-rewrap-'));
  const { child, url, pin } = await startService(folder);
  try {
    const admin = keyManagement(createKeyServiceClient({ url, pin, tokenSource: developmentToken('admin@north') }));
    const { key_id: keyId } = await admin.create();
    const job = { url, pin, keyId, file: join(folder, 'messages.sqlite') };
    const store = openStore(job.file);
    store.exec('create table messages (id text primary key, message blob, body text, writes integer default 0)');
    store.exec('create table progress (token text); insert into progress values (null)');
    const insert = store.prepare('insert into messages (id, message, body) values (?, ?, ?)');
    const keyring = keyringOf(job);
    for (let first = 0; first < total; first += 2_000) {
      const ids = Array.from({ length: Math.min(2_000, total - first) }, (_, i) => `${first + i}`.padStart(9, '0'));
      const made = await Promise.all(ids.map((id) => encrypt(id, { keyring, context: { id } })));
      store.exec('begin');
      for (const [i, message] of made.entries()) insert.run(ids[i] as string, message, bodyDigest(message));
      store.exec('commit');
    }
    await admin.rotate(keyId, 1);
    console.log(`${total} messages, rotated`);
    const begun = performance.now();
    for (const count of [total * 0.3, total * 0.7, Number.POSITIVE_INFINITY]) await runWorker(job, count);
    const seconds = (performance.now() - begun) / 1000;

    const rows = store.prepare('select id, message, body, writes from messages').all() as {
      id: string;
      message: Uint8Array;
      body: string;
      writes: number;
    }[];
    const wrong = rows.filter(
      ({ message, body, writes }) =>
        writes !== 1 || inspect(message).wrappedKeys[0]?.version !== 2 || bodyDigest(message) !== body,
    );
    const opened = await Promise.all(
      rows.slice(0, 1_000).map(({ id, message }) => decrypt(message, { keyring, context: { id } })),
    );
    console.log(
      `${rows.length} messages in ${seconds.toFixed(1)} s, ${wrong.length} wrong, ${opened.length} decrypted`,
    );
    if (rows.length !== total || wrong.length > 0) process.exitCode = 1;
    store.close();
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

const [first, second] = process.argv.slice(2);
if (first === '--worker') await work(JSON.parse(second as string) as Job);
else await main(Number(first ?? 100_000));
