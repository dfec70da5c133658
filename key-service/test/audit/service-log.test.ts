/** What tenants get of the service's own log, on both stores: hashes, from which nobody guesses what they stand for; `docs/key-service.md` §8.7. */

import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckpointedChanges } from '../../src/audit/checkpointed-changes.ts';
import { AuditLogs } from '../../src/audit/logs.ts';
import { encodeBase64url } from '../../src/lib/bytes.ts';
import { encodeEntry, serviceLog } from '../../src/model/entry.ts';
import { leafHash } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { createSecrets, openerOf, openSecrets } from '../../src/secrets/secrets.ts';
import type { Change } from '../../src/store/store.ts';
import { tableRowsOf } from '../support/fixtures.ts';
import { adminRoles, newDatabase, startHarness, storeKinds } from '../support/harness.ts';
import { addTenants } from '../support/tenants.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

interface Entry {
  readonly operation: string;
  readonly salt?: string;
  readonly [member: string]: unknown;
}
const parsed = (entry: Uint8Array): Entry => JSON.parse(Buffer.from(entry).toString());

describe.each(storeKinds)('§8.7 %s', (kind) => {
  it('who knows all but the salt does not find a name in the hashes that it is given', async () => {
    const harness = await startHarness({ kind });
    cleanUp.push(() => harness.stop());
    await harness.service.changes.publish();
    const south = await harness.client(adminRoles, { tenant: 'south' });
    const { body } = await south.call('GET', '/v1/audit/service/entries/0/100');
    const hashes = body.entries.map(({ leaf_hash }: { leaf_hash: string }) => leaf_hash);
    const entries = (await harness.store.entries(serviceLog, 0, 100)).map(({ entry }) => parsed(entry));
    expect(entries.map(({ operation }) => operation)).toContain('create-tenant');
    for (const { salt, ...rest } of entries) {
      const guess = new TextEncoder().encode(JSON.stringify(rest));
      expect(hashes).not.toContain(encodeBase64url(leafHash(guess)));
      expect(hashes).toContain(encodeBase64url(leafHash(new TextEncoder().encode(JSON.stringify({ ...rest, salt })))));
      expect(Buffer.from(String(salt), 'base64url')).toHaveLength(16);
    }
    expect(new Set(entries.map(({ salt }) => salt)).size).toBe(entries.length);
  });

  it('§12.1 so it is with the leaf that a migration adds, which names all tenants', async () => {
    const database = await newDatabase(kind);
    const store = openStore({ store: database.config });
    cleanUp.push(
      () => database.remove(),
      () => store.close(),
    );
    await store.migrate();
    const file = new URL('../store/fixtures/schema-3.json', import.meta.url);
    const rows = async function* () {
      yield* tableRowsOf(JSON.parse(readFileSync(file, 'utf8')).rows);
    };
    await store.load(rows(), openerOf(softwareRootKey(new Uint8Array(32).fill(7))));
    const all = (await store.entries(serviceLog, 0, 1000)).map(({ entry }) => parsed(entry));
    expect(all.at(-1)).toMatchObject({ operation: 'divide-log', salt: expect.stringMatching(/^[\w-]{22}$/) });
  });
});

it('§8.2 entries of tenants, whose hashes nobody else gets, have no salt', () => {
  const fields = { time: 1, principal: 'x|one', operation: 'caller', status: 200 };
  expect(parsed(encodeEntry({ ...fields, tenant: 'north' }).bytes)).not.toHaveProperty('salt');
  expect(encodeEntry({ ...fields, tenant: '' }).bytes).not.toEqual(encodeEntry({ ...fields, tenant: '' }).bytes);
});

describe.each(storeKinds)('§8.7 %s: when there is a publication', (kind) => {
  it('does not tell what tenants do, nor whether they do anything', async () => {
    const database = await newDatabase(kind);
    const store = openStore({ store: database.config });
    cleanUp.push(
      () => database.remove(),
      () => store.close(),
    );
    const rootKey = softwareRootKey(new Uint8Array(32).fill(7));
    await store.migrate(openerOf(rootKey));
    await createSecrets(store, rootKey);
    const { service } = new AuditLogs(store, await openSecrets(store, rootKey), 'bulla-test');
    await addTenants(store, 'north', 'south');
    const ticksOf = async (during: (second: number) => Promise<unknown>): Promise<number[]> => {
      const published: number[] = [];
      for (let second = 0; second <= 30; second += 1) {
        now += 1000;
        await during(second);
        const { size } = (await store.head(serviceLog)).tree;
        await changes.tick();
        if ((await store.head(serviceLog)).tree.size > size) published.push(second);
      }
      return published;
    };
    let now = 1_000_000_000;
    const changes = new CheckpointedChanges(store, service, { clock: () => now, everySeconds: 10 });
    const append = (change: Change) => change.append({ tenant: 'north', bytes: new TextEncoder().encode(`at ${now}`) });
    const busy = await ticksOf((second) =>
      second % 3 === 0 ? changes.run('north', async (c) => append(c)) : Promise.resolve(),
    );
    now += 9000;
    const idle = await ticksOf(async () => undefined);
    expect(busy).toEqual([0, 10, 20, 30]);
    expect(idle).toEqual(busy);
  });
});
