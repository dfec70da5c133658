// Overload: who gave up leaves nothing, tenants take turns, and nobody without a token uses up what callers need.

import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { remoteKeys } from '../../src/auth/issuer-keys.ts';
import type { Config } from '../../src/config.ts';
import { TrustedProxies } from '../../src/lib/addresses.ts';
import { Abandoned, Busy, Gate } from '../../src/lib/gate.ts';
import { jsonFault } from '../../src/lib/json-bounds.ts';
import { RoundRobin } from '../../src/lib/round-robin.ts';
import { Slices } from '../../src/lib/slices.ts';
import { Admission } from '../../src/operations/admission.ts';
import { startServer } from '../../src/server.ts';
import { CommitQueue } from '../../src/store/commit-queue.ts';
import { StoreError } from '../../src/store/errors.ts';
import type { Commit, CommitResult, Store } from '../../src/store/store.ts';
import { createProofKey, TestClient } from '../support/client.ts';
import { adminRoles, createTestIssuer, issuerConfig, startHarness, userRoles } from '../support/harness.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const commitOf = (tenant: string, uses = 0): Commit => ({
  epoch: undefined,
  proof: undefined,
  use: undefined,
  entry: { tenant, bytes: new Uint8Array(100) },
  uses: Array.from({ length: uses }, (_, version) => ({ keyId: 'k', version, count: 1 })),
});

/** A store that commits one batch after the other, when it is told to, and what it was given. */
function slowStore() {
  const batches: Commit[][] = [];
  const doors: (() => void)[] = [];
  const commit = async (_: string, batch: readonly Commit[]): Promise<CommitResult[]> => {
    batches.push([...batch]);
    await new Promise<void>((resolve) => doors.push(resolve));
    return batch.map(() => 'committed');
  };
  const open = async () => {
    while (doors.length === 0) await sleep(1);
    doors.shift()?.();
  };
  return { batches, open, store: { connections: 1, commit } as unknown as Store };
}

describe('§12.7 the commit queue', () => {
  it('who gave up is taken out before the transaction, and leaves no leaf', async () => {
    const { batches, open, store } = slowStore();
    const queue = new CommitQueue(store, { timeout: 50 });
    const first = queue.submit(commitOf('north'));
    while (batches.length === 0) await sleep(1);
    const gone = new AbortController();
    const given = [queue.submit(commitOf('north')), queue.submit(commitOf('north'), gone.signal)];
    gone.abort();
    await expect(given[1]).rejects.toBeInstanceOf(Abandoned);
    await expect(given[0]).rejects.toThrow('took too long');
    // What is under way is waited for, however long: its leaf says what happened.
    await open();
    expect(await first).toBe('committed');
    await queue.drained();
    expect(batches.flat()).toHaveLength(1);
  });

  it('does no work for callers that are gone, at a store that is too slow', async () => {
    let [work, answered] = [0, 0];
    const store = {
      connections: 1,
      async commit(_: string, batch: readonly Commit[]) {
        await sleep(400);
        work += batch.length;
        return batch.map(() => 'committed');
      },
    } as unknown as Store;
    const queue = new CommitQueue(store, { batch: 16, timeout: 500 });
    let running = true;
    const caller = async (tenant: string) => {
      while (running) {
        await queue.submit(commitOf(tenant)).then(
          () => {
            answered += 1;
          },
          () => sleep(10),
        );
      }
    };
    const callers = Array.from({ length: 64 }, (_, i) => caller(i % 2 ? 'north' : 'south'));
    while (work <= 50) await sleep(20);
    running = false;
    await Promise.all(callers);
    expect(answered).toBe(work);
  });

  it('takes tenants in turn, and bounds what one transaction does', async () => {
    const { batches, open, store } = slowStore();
    const queue = new CommitQueue(store, { batch: 4, uses: 1500 });
    const all = [queue.submit(commitOf('warm'))];
    while (batches.length === 0) await sleep(1);
    for (let i = 0; i < 10; i += 1) all.push(queue.submit(commitOf('south', 1000)));
    all.push(queue.submit(commitOf('north')));
    await open();
    // Two of south's are enough for one transaction, and then it is another tenant's turn.
    for (let i = 0; i < 6; i += 1) await open();
    await Promise.all(all);
    const tenants = batches.map((batch) => batch.map(({ entry }) => entry.tenant).join(' '));
    expect(tenants.slice(1, 4)).toEqual(['south south', 'north', 'south south']);
    expect(tenants).toHaveLength(7);
  });

  it('bounds items and bytes, for each tenant and for all: 429 for the tenant that has too much, 503 for all', async () => {
    const { store } = slowStore();
    const queue = new CommitQueue(store, { capacity: 8, bytes: 1e6 });
    const refused = (tenant: string) => {
      try {
        queue.submit(commitOf(tenant)).catch(() => undefined);
        return undefined;
      } catch (error) {
        return (error as { code?: string }).code ?? (error as Error).name;
      }
    };
    expect([refused('a'), refused('a'), refused('a')]).toEqual([undefined, undefined, 'rate-limited']);
    for (const tenant of ['b', 'c', 'd']) expect([refused(tenant), refused(tenant)]).toEqual([undefined, undefined]);
    expect(refused('e')).toBe('StoreError');
    const small = new CommitQueue(slowStore().store, { bytes: 600 });
    small.submit(commitOf('a')).catch(() => undefined);
    expect(() => small.submit(commitOf('a'))).toThrow(/too much/);
  });
});

describe('taking turns', () => {
  it('over owners, and out again', () => {
    const turns = new RoundRobin<number>();
    for (const item of [1, 2, 3]) turns.push('a', item);
    turns.push('b', 4);
    expect(turns.delete('a', 2)).toBe(true);
    expect(turns.delete('a', 2)).toBe(false);
    expect([turns.size, turns.sizeOf('a')]).toEqual([3, 2]);
    const order = [turns.shift(), turns.shift(), turns.shift(), turns.shift()];
    expect(order.map((one) => one?.item)).toEqual([1, 4, 3, undefined]);
  });

  it('a gate lets so many in of each, and others past who waits', async () => {
    const gate = new Gate({ total: 2, each: 1, waiting: 1, timeout: 100 });
    const doors: (() => void)[] = [];
    const hold = () => new Promise<void>((resolve) => doors.push(resolve));
    const first = gate.run('a', hold);
    const second = gate.run('a', async () => 'second');
    await expect(gate.run('a', hold)).rejects.toBeInstanceOf(Busy);
    expect(await gate.run('b', async () => 'b')).toBe('b');
    doors.shift()?.();
    await first;
    expect(await second).toBe('second');
    const third = gate.run('a', hold);
    const gone = new AbortController();
    const fourth = gate.run('a', hold, gone.signal);
    gone.abort();
    await expect(fourth).rejects.toBeInstanceOf(Abandoned);
    await expect(gate.run('a', hold)).rejects.toThrow('too long');
    doors.shift()?.();
    await third;
  });

  it('a gate lets so many in of all, and the next when one leaves', async () => {
    const gate = new Gate({ total: 2, each: 2, waiting: 4 });
    const inside: string[] = [];
    const doors: (() => void)[] = [];
    const hold = (owner: string) => () => {
      inside.push(owner);
      return new Promise<void>((resolve) => doors.push(resolve));
    };
    const work = ['a', 'a', 'b', 'c'].map((owner) => gate.run(owner, hold(owner)));
    await setImmediate();
    expect(inside).toEqual(['a', 'a']);
    for (const expected of [
      ['a', 'a', 'b'],
      ['a', 'a', 'b', 'c'],
      ['a', 'a', 'b', 'c'],
    ]) {
      doors.shift()?.();
      await setImmediate();
      expect(inside).toEqual(expected);
    }
    doors.shift()?.();
    await Promise.all(work);
  });

  it('long work waits for its turn after each slice, of its tenant', async () => {
    const slices = new Slices();
    const done: string[] = [];
    const work = async (tenant: string, pieces: number) => {
      const turn = slices.of(tenant);
      for (let i = 0; i < pieces; i += 1) {
        await turn();
        for (const end = performance.now() + 3; performance.now() < end; );
        done.push(tenant);
      }
    };
    await Promise.all([...Array.from({ length: 5 }, () => work('south', 4)), work('north', 4)]);
    // One of five of the other tenant, but every second turn.
    expect(done.lastIndexOf('north')).toBeLessThan(17);
  });
});

describe('§1.3 what JSON may hold', () => {
  const bounds = { depth: 3, members: 2, elements: 3 };
  const fault = (text: string) => jsonFault(Buffer.from(text), bounds);

  it.each(['{}', '[1,2,3]', '{"a":1,"b":"{[,,,,]}"}', '[[["\\",,,,,"]]]', 'no JSON', '}}}]]]', '"\\'])(
    '%s passes',
    (text) => expect(fault(text)).toBeUndefined(),
  );
  it.each(['{"a":1,"b":2,"c":3}', '[1,2,3,4]', '[[[[', '[{"a":1,"b":2,"c":3}]'])('%s does not', (text) =>
    expect(fault(text)).toBeDefined(),
  );
  it('takes linear time', () => {
    const started = performance.now();
    jsonFault(Buffer.from(`{"key_context":{${'"1":"",'.repeat(500_000)}"x":""}}`), { ...bounds, members: 1e9 });
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('§12.2 addresses behind proxies', () => {
  const of = (peer: string, header: string, kind: 'forwarded' | 'x-forwarded-for' = 'forwarded') =>
    new TrustedProxies(['10.0.0.0/8', '::1', 'fd00::/8'], kind).addressOf(peer, new Headers({ [kind]: header }));

  it.each([
    ['203.0.113.9', 'for=1.2.3.4', '203.0.113.9'],
    ['10.0.0.1', 'for=1.2.3.4', '1.2.3.4'],
    ['::ffff:10.0.0.1', 'for=1.2.3.4;proto=https', '1.2.3.4'],
    ['10.0.0.1', 'for=6.6.6.6, for=1.2.3.4, for=10.0.0.2', '1.2.3.4'],
    ['::1', 'by=x; For="[2001:db8::1]:4711"', '2001:db8::1'],
    ['10.0.0.1', 'for="1.2.3.4:80"', '1.2.3.4'],
    ['10.0.0.1', 'for=_hidden', '_hidden'],
    ['10.0.0.1', 'proto=https', 'unknown'],
  ])('%s with %s is %s', (peer, header, address) => expect(of(peer, header)).toBe(address));

  it('X-Forwarded-For where it is configured, and only then', () => {
    expect(of('10.0.0.1', '6.6.6.6, 1.2.3.4', 'x-forwarded-for')).toBe('1.2.3.4');
    const headers = new Headers({ 'x-forwarded-for': '1.2.3.4' });
    expect(new TrustedProxies(['10.0.0.1'], 'forwarded').addressOf('10.0.0.1', headers)).toBe('10.0.0.1');
  });
});

describe('§3.8 the keys of an issuer', () => {
  it('are good while they cannot be fetched, for a bounded time', async () => {
    const { jwk } = await createTestIssuer();
    let [answer, now, asked] = [JSON.stringify({ keys: [jwk] }), 0, 0];
    const fetch = (async () => {
      asked += 1;
      if (answer === '') throw new TypeError('unreachable');
      return new Response(answer);
    }) as typeof globalThis.fetch;
    const find = remoteKeys('https://issuer.test/jwks', { staleSeconds: 600, fetch, monotonic: () => now });
    const header = { alg: 'ES256', kid: 'test-1' };
    await find(header);
    answer = '';
    for (now = 0; now <= 600_000; now += 10_000) await find(header);
    expect(asked).toBeGreaterThan(10);
    now = 601_000;
    await expect(find(header)).rejects.toMatchObject({ code: 'issuer-unavailable' });
    answer = JSON.stringify({ keys: [jwk] });
    now += 5000;
    await find(header);
    // Another key: asked for at once, but not for each request.
    const before = asked;
    for (let i = 0; i < 20; i += 1) await expect(find({ alg: 'ES256', kid: 'other' })).rejects.toThrow();
    expect(asked - before).toBeLessThan(2);
  });

  it.each([
    ['too large', `{"keys":[],"x":"${'x'.repeat(300_000)}"}`],
    ['too many', JSON.stringify({ keys: Array.from({ length: 101 }, () => ({ kty: 'EC' })) })],
    ['no key set', '[]'],
  ])('%s are none', async (_, answer) => {
    const fetch = (async () => new Response(answer)) as typeof globalThis.fetch;
    const find = remoteKeys('https://issuer.test/jwks', { staleSeconds: 600, fetch });
    await expect(find({ alg: 'ES256', kid: 'a' })).rejects.toMatchObject({ code: 'issuer-unavailable' });
  });

  it('a key that is newer than the set is fetched when it is first used', async () => {
    const [before, after] = [await createTestIssuer(), await createTestIssuer()];
    let [answer, now] = [[before.jwk], 0];
    const fetch = (async () => Response.json({ keys: answer })) as typeof globalThis.fetch;
    const find = remoteKeys('https://issuer.test/jwks', { staleSeconds: 600, fetch, monotonic: () => now });
    await find({ alg: 'ES256', kid: 'test-1' });
    answer = [before.jwk, { ...after.jwk, kid: 'test-2' }];
    now = 6000;
    await find({ alg: 'ES256', kid: 'test-2' });
  });

  it.each(['/elsewhere', '/failed'])('what an issuer answers at %s is believed for nothing', async (path) => {
    const { jwk } = await createTestIssuer();
    const keys = createServer(({ url }, response) => {
      const status = { '/elsewhere': 302, '/failed': 500 }[url ?? ''] ?? 200;
      response.writeHead(status, { Location: '/keys' }).end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
    cleanUp.push(() => keys.close());
    const { port } = keys.address() as { port: number };
    const find = (at: string) =>
      remoteKeys(`http://127.0.0.1:${port}${at}`, { staleSeconds: 600 })({ alg: 'ES256', kid: 'test-1' });
    await expect(find(path)).rejects.toMatchObject({ code: 'issuer-unavailable' });
    await find('/keys');
  });

  it('a caller with a new token is served while the key set is unreachable', async () => {
    const issuer = await createTestIssuer();
    const keys = createServer((_, response) => response.end(JSON.stringify({ keys: [issuer.jwk] })));
    await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
    const { port } = keys.address() as { port: number };
    const { jwks: _, ...rest } = issuerConfig(issuer.jwk) as Record<string, unknown>;
    const harness = await startHarness({
      kind: 'sqlite',
      issuer,
      config: { issuers: [{ ...rest, jwks_uri: `http://127.0.0.1:${port}/jwks` }] },
    });
    cleanUp.push(() => harness.stop());
    expect((await (await harness.client(userRoles)).call('GET', '/v1/caller')).status).toBe(200);
    keys.closeAllConnections();
    await new Promise((resolve) => keys.close(resolve));
    expect((await (await harness.client(userRoles)).call('GET', '/v1/caller')).status).toBe(200);
  });
});

describe('§12.7 what each may do at once', () => {
  const limits = { requests_in_flight: 8, body_bytes_in_flight: 1e7, failed_authentications_per_minute: 60 };
  const most: [
    string,
    (admission: Admission) => (owner: string, work: () => Promise<void>) => Promise<void>,
    number,
    number?,
  ][] = [
    ['changes of keys, with 8 connections', (admission) => admission.change.bind(admission), 1],
    ['reads, with 8 connections', (admission) => admission.read.bind(admission), 1],
    ['reads, with 16 connections', (admission) => admission.read.bind(admission), 3, 16],
    ['checks of tokens and proofs', (admission) => admission.verify.bind(admission), 32],
    ['forms', (admission) => admission.form.bind(admission), 16],
  ];
  it.each(most)('%s', async (_, choose, each, connections = 8) => {
    const run = choose(new Admission(limits as Config['limits'], connections));
    const inside: string[] = [];
    const doors: (() => void)[] = [];
    const work = (owner: string) =>
      run(owner, () => {
        inside.push(owner);
        return new Promise<void>((resolve) => doors.push(resolve));
      });
    const mine = Array.from({ length: each + 1 }, () => work('south'));
    const theirs = work('north');
    await setImmediate();
    expect(inside).toEqual([...Array(each).fill('south'), 'north']);
    for (; inside.length < each + 2 || doors.length > 0; await setImmediate()) doors.shift()?.();
    await Promise.all([...mine, theirs]);
  });
});

describe('§12.7 callers without a token', () => {
  it('who send forms slowly use up nothing that others need', async () => {
    const harness = await startHarness({ kind: 'sqlite' });
    cleanUp.push(() => harness.stop());
    const anybody = new TestClient(harness.url, await createProofKey(), 'north');
    await anybody.discover();
    const { port } = new URL(harness.url);
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const { proof } = await anybody.makeProof('POST', '/v1/token', Buffer.from('xx'), { token: '' });
        const socket = connect(Number(port), '127.0.0.1');
        socket.on('error', () => undefined);
        socket.write(`POST /v1/token HTTP/1.1\r\nHost: x\r\nDPoP: ${proof}\r\nContent-Length: 2\r\n\r\nx`);
        return socket;
      }),
    );
    cleanUp.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    const user = await harness.client(userRoles);
    for (let i = 0; i < 20; i += 1) expect((await user.call('GET', '/v1/caller')).status).toBe(200);
    expect((await fetch(`${harness.url}/.well-known/bulla-key-service`)).status).toBe(200);
  });

  it('who open connections only make room for those who are somebody', async () => {
    const harness = await startHarness({ kind: 'sqlite' });
    cleanUp.push(() => harness.stop());
    const { createApp } = await import('../../src/http/app.ts');
    const listen = { host: '127.0.0.1', port: 0 };
    const server = await startServer(createApp(harness.service), listen, { maxSockets: 16 });
    cleanUp.push(() => server.close(0));
    const idle = Array.from({ length: 60 }, () => connect(server.port, '127.0.0.1'));
    cleanUp.push(() => {
      for (const socket of idle) socket.destroy();
    });
    for (const socket of idle) socket.on('error', () => undefined);
    const good = await harness.client(userRoles);
    const there = new TestClient(`http://127.0.0.1:${server.port}`, good.proofKey, 'north', fetch, harness.url);
    there.token = good.token;
    for (let i = 0; i < 10; i += 1) expect((await there.call('GET', '/v1/caller')).status).toBe(200);
    expect(idle.filter((socket) => socket.destroyed).length).toBeGreaterThan(40);
  });

  it('discovery answers while the store is gone', async () => {
    let gone = false;
    const harness = await startHarness({
      kind: 'sqlite',
      wrapStore: (store) =>
        new Proxy(store, {
          get(target, name) {
            const value = Reflect.get(target, name, target);
            if (name !== 'transportKeys' || !gone) return typeof value === 'function' ? value.bind(target) : value;
            return () => Promise.reject(new StoreError('gone'));
          },
        }),
    });
    cleanUp.push(() => harness.stop());
    const ask = async () => (await fetch(`${harness.url}/.well-known/bulla-key-service`)).status;
    expect(await ask()).toBe(200);
    gone = true;
    await sleep(6000);
    expect(await ask()).toBe(200);
  });
});

describe('§9.4 the exchange of tokens', () => {
  it('a subject token is bound to its first proof key', async () => {
    const { url, issuer, stop } = await startHarness({ kind: 'sqlite' });
    cleanUp.push(stop);
    const subject_token = await issuer.token({ roles: userRoles, claims: { aud: 'bulla-exchange' } });
    const exchange = async (client: TestClient) => {
      const form = new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      });
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
      return client.call('POST', '/v1/token', undefined, {
        ...{ token: '', rawBody: form.toString(), noTransport: true, headers },
      });
    };
    const [first, thief] = [
      new TestClient(url, await createProofKey(), 'north'),
      new TestClient(url, await createProofKey(), 'north'),
    ];
    expect((await exchange(first)).status).toBe(200);
    expect((await exchange(thief)).body.check).toBe('token-binding');
    expect((await exchange(first)).status).toBe(200);
  });
});

describe('§8.4 pages of the log', () => {
  it('are bounded in bytes', async () => {
    const harness = await startHarness({ kind: 'sqlite' });
    cleanUp.push(() => harness.stop());
    const bytes = new Uint8Array(1024 * 1024).fill(0x20);
    await harness.store.commit(
      'north',
      Array.from({ length: 10 }, () => ({ ...commitOf('north'), entry: { tenant: 'north', bytes } })),
    );
    const page = await harness.store.entries('north', 0, 1000);
    expect(page.length).toBeGreaterThan(2);
    expect(page.length).toBeLessThan(7);
    const admin = await harness.client(adminRoles);
    const reply = await admin.call('GET', '/v1/audit/entries/3/1000');
    expect(reply.status).toBe(200);
    expect(reply.raw.byteLength).toBeLessThan(8e6);
  });
});
