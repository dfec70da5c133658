// 100,000 data keys unwrapped by one client in batches: the processor time of the client against that of the key service. The bare calls of a data key (one AES-GCM call) are the limit of the client.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createKeyServiceClient, developmentToken, type KeyServiceClient, keyManagement } from 'bulla/service';
import { processorTime } from '../lib/processes.ts';
import { summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

const root = dirname(dirname(import.meta.dirname));
const batch = 1_000;

/** Starts the development service, and measures against it. */
export async function unwraps(quick: boolean): Promise<Section[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-bench-'));
  const { child, url, pin } = await startService(folder);
  try {
    const signIn = (user: string) => createKeyServiceClient({ url, pin, tokenSource: developmentToken(user) });
    const keyId = (await keyManagement(signIn('admin@north')).create()).key_id;
    const client = signIn('alice@north');
    const unwrap = await unwrapper(client, keyId);
    const calls = quick ? 20 : 100;
    await unwrap(5);
    const seen = { client: [] as number[], service: [] as number[], rate: [] as number[] };
    for (let round = 0; round < (quick ? 3 : 5); round++) {
      const before = { own: processorTime(process.pid), service: processorTime(child.pid as number) };
      const begun = performance.now();
      await unwrap(calls);
      const thousands = (calls * batch) / 1000;
      seen.rate.push((calls * batch) / ((performance.now() - begun) / 1000));
      seen.client.push((processorTime(process.pid) - before.own) / thousands);
      seen.service.push((processorTime(child.pid as number) - before.service) / thousands);
    }
    const title = `Node ${process.versions.node}: ${calls * batch} data keys unwrapped by one client, ${batch} at once`;
    return [
      {
        id: 'service/processor-time',
        title: `${title}: processor time for 1,000`,
        unit: 'ms',
        lessIsBetter: true,
        rows: [
          { name: 'bulla, the client', kind: 'bulla', ...summary(seen.client) },
          { name: 'the key service', kind: 'limit', ...summary(seen.service) },
        ],
      },
      {
        id: 'service/unwraps',
        title,
        unit: 'data keys/s',
        rows: [{ name: 'bulla', kind: 'bulla', ...summary(seen.rate) }],
      },
    ];
  } finally {
    const stopped = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await stopped;
    rmSync(folder, { recursive: true });
  }
}

/** Unwraps the same thousand data keys so many times, each time with one call. */
async function unwrapper(client: KeyServiceClient, key: string): Promise<(calls: number) => Promise<void>> {
  const keyContext = { tenant: 'north', purpose: 'bench' };
  const made = await Promise.all(Array.from({ length: batch }, () => client.generateDataKey({ key, keyContext })));
  const items = made.map(({ keyId, version, wrappedKey }) => {
    return { method: 'service', keyId, version, keyContext, wrappedKey } as const;
  });
  return async (calls) => {
    for (let i = 0; i < calls; i++) await Promise.all(items.map((item) => client.unwrapDataKey(item)));
  };
}

async function startService(folder: string): Promise<{ child: ChildProcess; url: string; pin: string }> {
  const child = spawn(
    process.execPath,
    [join(root, 'key-service/bin/bulla-key-service.js'), 'dev', '--port', '0', '--data', folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    const [, url] = /url +(http:\S+)/.exec(text) ?? [];
    const [, pin] = /identity +([\w-]{43})/.exec(text) ?? [];
    if (url === undefined || pin === undefined) continue;
    child.stdout.resume();
    return { child, url, pin };
  }
  throw new Error(`the key service did not start: ${text}`);
}
