// Replicas whose clock is wrong: they say so, are not ready, and destroy, publish and forget nothing.

import { afterEach, describe, expect, it } from 'vitest';
import { maintainKeys } from '../../src/operations/keys/maintain.ts';
import { DatabaseTime } from '../../src/store/database-time.ts';
import { type Harness, newDatabase, startHarness } from '../support/harness.ts';
import { adminRoles, userRoles } from '../support/issuer.ts';
import { query } from '../support/postgres.ts';

const day = 86_400_000;
let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

async function replicas(offset: number): Promise<{ good: Harness; bad: Harness; url: string }> {
  const database = await newDatabase('postgres');
  const good = await startHarness({ database });
  const { rootKey, issuer } = good;
  const localClock = () => Date.now() + offset;
  const bad = await startHarness({ database, rootKey, issuer, localClock, externalUrl: good.url });
  cleanUp = [() => database.remove(), () => good.stop(), () => bad.stop()];
  return { good, bad, url: (database.config as { postgres: string }).postgres };
}

describe('§11.9 a replica whose clock is wrong', () => {
  it.each([10 * day, 300_000, -300_000, -10 * day])('by %i ms', async (offset) => {
    const { good, bad, url } = await replicas(offset);
    const admin = await good.client(adminRoles);
    const approver = await good.client(['deletion-approver']);
    const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    await admin.call('POST', `/v1/keys/${key}/schedule-deletion`, { days: 7 });
    await approver.call('POST', `/v1/keys/${key}/approve-deletion`, { version: null, days: 7 });
    const [before] = await query(url, 'select count(*) as n, max(serial) as serial from transport_keys');

    expect((await fetch(`${bad.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${good.url}/readyz`)).status).toBe(200);
    expect(bad.logs.join('')).toMatch(/clock of this machine is \d+ s (ahead of|behind)/);
    await expect(maintainKeys(bad.service)).rejects.toThrow(/clock/);
    await expect(bad.service.transport.renew()).rejects.toThrow(/clock/);
    expect((await fetch(`${bad.url}/.well-known/bulla-key-service`)).status).toBe(200);
    expect(await query(url, 'select count(*) as n, max(serial) as serial from transport_keys')).toEqual([before]);
    expect((await admin.call('GET', `/v1/keys/${key}`)).body.versions[0].state).toBe('destroy-scheduled');

    // It decides by the time of the database all the same: a good proof is good there, once, and a used one is used.
    const user = await bad.client(userRoles);
    const reply = await user.call('GET', '/v1/caller');
    expect(reply.status).toBe(200);
    expect((await user.call('GET', '/v1/caller', undefined, { proof: reply.proof })).body.check).toBe('proof-replayed');
  });
});

describe('§11.9 time', () => {
  const setUp = (database: number | undefined) => {
    const now = { database, local: 1e12, monotonic: 0 };
    const time = new DatabaseTime(async () => now.database, {
      clock: () => now.local,
      monotonic: () => now.monotonic,
      bound: 60_000,
    });
    const pass = (ms: number): void => {
      now.local += ms;
      now.monotonic += ms;
      if (now.database !== undefined) now.database += ms;
    };
    return { now, time, pass };
  };

  it('is that of the database, carried on while it cannot be asked', async () => {
    const { now, time, pass } = setUp(1e12 + 5000);
    await time.measure();
    now.database = undefined;
    pass(10_000);
    expect(time.now()).toBe(1e12 + 15_000);
    expect(time.doubt()).toBeUndefined();
    now.local -= 70_000;
    expect(time.now()).toBe(1e12 + 15_000);
    expect(time.doubt()).toMatch(/75 s behind/);
    expect(() => time.assertAgrees()).toThrow(/75 s behind/);
  });

  it('a jump of any clock holds for 24 hours', async () => {
    for (const jump of [90_000, -90_000]) {
      const { now, time, pass } = setUp(1e12);
      await time.measure();
      now.local += jump;
      now.database = Number(now.database) + jump;
      await time.measure();
      expect(time.doubt()).toMatch(/jumped/);
      pass(23 * 3_600_000);
      await time.measure();
      expect(time.doubt()).toMatch(/jumped/);
      pass(3_700_000);
      await time.measure();
      expect(time.doubt()).toBeUndefined();
    }
  });

  it('without a clock of the database: that of the machine, and its jumps', async () => {
    const { now, time, pass } = setUp(undefined);
    pass(day);
    expect([time.now(), time.doubt()]).toEqual([1e12 + day, undefined]);
    now.local += 10 * day;
    expect(time.doubt()).toMatch(/jumped/);
  });

  it('an answer that took long is not believed to be of now', async () => {
    const { now, time } = setUp(1e12);
    await time.measure();
    const slow = new DatabaseTime(
      async () => {
        now.monotonic += 5000;
        now.local += 5000;
        return 1e12 + 5000;
      },
      { clock: () => now.local, monotonic: () => now.monotonic },
    );
    await slow.measure();
    const first = slow.now();
    await slow.measure();
    expect(slow.now()).toBe(first + 5000);
  });
});
