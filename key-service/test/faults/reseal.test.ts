/** A root key is replaced beside replicas that serve, on both stores; `docs/key-service.md` §12.4. */

import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckpointedChanges } from '../../src/audit/checkpointed-changes.ts';
import { AuditLogs } from '../../src/audit/logs.ts';
import { destroyAll } from '../../src/model/changes.ts';
import { encodeEntry } from '../../src/model/entry.ts';
import { openStore } from '../../src/open-store.ts';
import { operatorActor } from '../../src/operations/actor.ts';
import { createKey } from '../../src/operations/keys/create.ts';
import { resealSecrets } from '../../src/operations/reseal.ts';
import type { RootKey } from '../../src/seals/root-key.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { Materials } from '../../src/secrets/materials.ts';
import { verifySecrets } from '../../src/secrets/sealed-rows.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { type Harness, newDatabase, type StoreKind, startHarness, storeKinds, userRoles } from '../support/harness.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

const root = (byte: number, ...previous: RootKey[]): RootKey =>
  softwareRootKey(new Uint8Array(32).fill(byte), previous);
const [old, next] = [root(7), root(8)];
const [oldWithNext, nextWithOld] = [root(7, next), root(8, old)];

async function start(kind: StoreKind) {
  const database = await newDatabase(kind);
  cleanUp.push(() => database.remove());
  let issuer: Harness['issuer'] | undefined;
  const serve = async (rootKey: RootKey) => {
    const harness = await startHarness({ database, rootKey, ...(issuer ? { issuer } : {}) });
    issuer = harness.issuer;
    let running = true;
    const stop = async (): Promise<void> => {
      if (running) await harness.stop();
      running = false;
    };
    cleanUp.push(stop);
    return { ...harness, stop };
  };
  const open = async (rootKey: RootKey): Promise<Store> => {
    const store = openStore({ store: database.config });
    cleanUp.push(() => store.close());
    await openSecrets(store, rootKey);
    return store;
  };
  /** What `root-key reseal` does. */
  const reseal = async (rootKey: RootKey, change: (store: Store) => Store = (store) => store) => {
    const store = change(await open(rootKey));
    const logs = new AuditLogs(store, await openSecrets(store, rootKey), 'bulla-test');
    const changes = new CheckpointedChanges(store, logs.service);
    const entry = (operation: string, what: object) =>
      encodeEntry({ time: 1, tenant: '', principal: 'operator|x', operation, status: 200, change: { ...what } });
    try {
      return await resealSecrets({ store, changes, rootKey, clock: Date.now, entry });
    } finally {
      await store.close();
    }
  };
  return { database, serve, open, reseal };
}

/** Makes keys in one transaction; their ids. */
async function makeKeys({ store }: { store: Store }, rootKey: RootKey, count: number): Promise<string[]> {
  const materials = new Materials(rootKey);
  return store.change('north', async (change) => {
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) {
      ids.push((await createKey({ change, actor: operatorActor('north', 'x'), materials, now: 1 }, {})).id);
    }
    return ids;
  });
}

/** A data key that was wrapped under a key, as an item that unwraps it. */
async function wrapped(harness: Harness, key: string) {
  const user = await harness.client(userRoles);
  const { body } = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
  return { key, version: 1, wrapped_key: body.results[0].wrapped_key };
}

async function unwraps(harness: Harness, items: readonly object[]): Promise<unknown[]> {
  const user = await harness.client(userRoles);
  const { body } = await user.call('POST', '/v1/data-keys/unwrap', { items });
  return body.results.map(({ problem }: { problem?: { code: string } }) => problem?.code ?? 'ok');
}

describe.each(storeKinds)('§12.4 %s: a root key', (kind) => {
  it('is replaced while replicas serve: none seals under one that another does not have', async () => {
    const { serve, open, reseal } = await start(kind);
    const first = await serve(old);
    const ids = await makeKeys(first, old, 3);
    const items = await Promise.all(ids.map((id) => wrapped(first, id)));
    await expect(serve(nextWithOld)).rejects.toThrow(/does not have the root key/);
    await expect(reseal(nextWithOld)).rejects.toThrow(/does not have the root key/);
    expect([...(await first.store.sealedUnder()).keys()]).toEqual([old.id]);
    await first.stop();

    const before = await serve(oldWithNext);
    const after = await serve(nextWithOld);
    await expect(serve(old)).rejects.toThrow(/seals under the root key|does not have/);
    const [late = ''] = await makeKeys(after, nextWithOld, 1);
    items.push(await wrapped(after, late));
    const { epoch } = await after.store.head('north');
    const resealed = await reseal(nextWithOld);
    expect(resealed).toMatchObject({ root: next.id, left: {}, others: [expect.any(String)] });
    expect(resealed.secrets).toBeGreaterThan(ids.length + 7);
    expect((await after.store.head('north')).epoch).toBe(epoch);
    for (const each of [before, after]) expect(await unwraps(each, items)).toEqual(['ok', 'ok', 'ok', 'ok']);
    // One that still seals under the old one.
    await makeKeys(before, oldWithNext, 1);
    expect(await before.store.sealedUnder()).toEqual(
      new Map([
        [old.id, 1],
        [next.id, expect.any(Number)],
      ]),
    );
    await before.stop();
    expect(await reseal(nextWithOld)).toEqual({ root: next.id, secrets: 1, left: {}, others: [] });

    await after.stop();
    await expect(serve(old)).rejects.toThrow(/sealed by another root key/);
    const last = await serve(next);
    expect(await unwraps(last, items)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(await verifySecrets(await open(next), next)).toBeGreaterThan(0);
    const entries = (await last.store.entries('', 0, 1000)).map(({ entry }) =>
      JSON.parse(Buffer.from(entry).toString()),
    );
    const acts = entries.filter(({ operation }) => operation === 'reseal-secrets').map(({ change }) => change);
    expect(acts).toEqual([
      { to: next.id, from: { [old.id]: expect.any(Number) } },
      { to: next.id, from: { [old.id]: 1 } },
    ]);
  });

  it('whose replacement is killed at any step is replaced by the next run, and nothing is lost in between', async () => {
    const { serve, open, reseal } = await start(kind);
    const harness = await serve(nextWithOld);
    const ids = await makeKeys(harness, oldWithNext, 250);
    const items = await Promise.all([ids[0], ids.at(-1)].map((id) => wrapped(harness, id ?? '')));
    const store = await open(nextWithOld);
    // Everything is under the old one again, as if nobody had begun.
    expect((await reseal(oldWithNext)).left).toEqual({});

    const left = async (): Promise<number> => (await store.sealedUnder()).get(old.id) ?? 0;
    const total = await left();
    expect(total).toBeGreaterThan(250);
    const killed = new Error('killed');
    for (const [step, page] of [0, 1, 2, 3].flatMap(
      (n) =>
        [
          ['before', n],
          ['within', n],
          ['after', n],
        ] as const,
    )) {
      const remaining = await left();
      let pages = 0;
      const resealing = (inner: Store): Store['reseal'] => {
        return async (id, _, work) => {
          pages += 1;
          if (pages <= page) return inner.reseal(id, 10, work);
          if (step === 'before') throw killed;
          if (step === 'within') return inner.reseal(id, 10, () => Promise.reject(killed));
          await inner.reseal(id, 10, work);
          throw killed;
        };
      };
      const dying = (inner: Store): Store =>
        new Proxy(inner, {
          get(target, name) {
            if (name === 'reseal') return resealing(target);
            const member: unknown = Reflect.get(target, name, target);
            return typeof member === 'function' ? member.bind(target) : member;
          },
        });
      await expect(reseal(nextWithOld, dying)).rejects.toThrow('killed');
      expect(await left())[step === 'after' || page > 0 ? 'toBeLessThan' : 'toBe'](remaining);
      expect(await unwraps(harness, items)).toEqual(['ok', 'ok']);
      // Nobody begins without the new one once anything is under it.
      if ((await left()) < total) await expect(open(old)).rejects.toThrow(/sealed by another root key/);
      await verifySecrets(store, nextWithOld);
    }
    expect(await left()).toBeLessThan(total);
    expect((await reseal(nextWithOld)).left).toEqual({});
    expect(await store.sealedUnder()).toEqual(new Map([[next.id, total]]));
    await verifySecrets(store, next);
    expect(await unwraps(harness, items)).toEqual(['ok', 'ok']);
  });

  it('does not bring back what is destroyed, nor undo what is changed, while it is replaced', async () => {
    const { serve, reseal } = await start(kind);
    const harness = await serve(nextWithOld);
    const [gone = '', changed = '', same = ''] = await makeKeys(harness, oldWithNext, 3);
    const { store } = harness;
    let met = false;
    const meanwhile: RootKey = {
      ...nextWithOld,
      async seal(name, secret) {
        const sealed = await nextWithOld.seal(name, secret);
        if (name.kind !== 'kek' || met) return sealed;
        met = true;
        await store.change('north', async (change) => {
          const [one, other] = [await change.findKey(gone), await change.findKey(changed)];
          if (!one || !other) throw new Error('no keys');
          await change.putKey(destroyAll(one));
          const material = await oldWithNext.seal(
            { kind: 'kek', name: `north/${changed}/1` },
            await oldWithNext.open(
              { kind: 'kek', name: `north/${changed}/1` },
              other.versions[0]?.material ?? new Uint8Array(),
            ),
          );
          await change.putKey({
            ...other,
            description: randomUUID(),
            versions: other.versions.map((v) => ({ ...v, material })),
          });
        });
        return sealed;
      },
    };
    const { left } = await reseal(meanwhile);
    expect(met).toBe(true);
    expect(left).toEqual({});
    expect((await store.findKey('north', gone))?.versions[0]?.material).toBeNull();
    const items = await Promise.all([changed, same].map((id) => wrapped(harness, id)));
    expect(await unwraps(harness, items)).toEqual(['ok', 'ok']);
    await verifySecrets(store, next);
    await store.verifyKeys();
  });
});
