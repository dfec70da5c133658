/** A database that somebody changes, cuts, forks or puts back, on both stores: what the service and `audit verify` find; `docs/key-service.md` §8.6, §11.2, §11.5. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditLogs } from '../../src/audit/logs.ts';
import { IntegrityError } from '../../src/errors.ts';
import { encodeEntry } from '../../src/model/entry.ts';
import { appendLeaf, emptyFrontier, leafHash, nodeHash } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import { verifySecrets } from '../../src/secrets/sealed-rows.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import {
  adminRoles,
  type Harness,
  newDatabase,
  startHarness,
  storeKinds,
  type TestDatabase,
  userRoles,
} from '../support/harness.ts';
import { copyOf, type Row, type Sql, withSql } from '../support/tamper.ts';

const bytesOf = (value: unknown): Buffer => Buffer.from(value as Uint8Array);

async function setEntry(sql: Sql, index: number, rehash: boolean): Promise<void> {
  const [row] = await sql('select entry from log_leaves where log = ? and idx = ?', 'north', index);
  const entry = Buffer.from(
    bytesOf(row?.['entry'])
      .toString()
      .replace(/"principal":"[^"]*/, '$&x'),
  );
  await sql("update log_leaves set entry = ? where log = 'north' and idx = ?", entry, index);
  if (rehash) await sql("update log_leaves set hash = ? where log = 'north' and idx = ?", leafHash(entry), index);
}

/** Recomputes the stored nodes of the tree from the leaves. */
async function rebuild(sql: Sql): Promise<void> {
  let level = (await sql("select hash from log_leaves where log = 'north' order by idx")).map(({ hash }) =>
    Uint8Array.from(bytesOf(hash)),
  );
  for (let n = 1; level.length > 1; n += 1) {
    level = level.flatMap((left, i) => (i % 2 === 0 && level[i + 1] ? [nodeHash(left, level[i + 1] ?? left)] : []));
    for (const [i, hash] of level.entries())
      await sql("update log_nodes set hash = ? where log = 'north' and level = ? and idx = ?", hash, n, i);
  }
}

async function setHead(sql: Sql, tenant: string, frontier: Uint8Array, size?: number): Promise<void> {
  await sql('update states set frontier = ? where tenant = ?', frontier, tenant);
  if (size !== undefined) await sql('update states set size = ? where tenant = ?', size, tenant);
}

/** The frontier that the stored leaves lead to. */
async function frontierOf(sql: Sql): Promise<Buffer> {
  const rows = await sql("select hash from log_leaves where log = 'north' order by idx");
  let tree = emptyFrontier;
  for (const { hash } of rows) tree = appendLeaf(tree, Uint8Array.from(bytesOf(hash))).frontier;
  return Buffer.concat(tree.hashes);
}

const statements =
  (...texts: string[]) =>
  async (sql: Sql): Promise<void> => {
    for (const text of texts) await sql(text);
  };
const swap = statements(
  "update log_leaves set idx = -3 where idx = 3 and log = 'north'",
  "update log_leaves set idx = 3 where idx = 4 and log = 'north'",
  "update log_leaves set idx = 4 where idx = -3 and log = 'north'",
);

type Edit = (sql: Sql) => Promise<void>;
const logEdits: [string, Edit][] = [
  ['an entry edited', (sql) => setEntry(sql, 50, false)],
  ['an entry edited, its hash too', (sql) => setEntry(sql, 50, true)],
  [
    'an entry edited, the tree recomputed',
    async (sql) => {
      await setEntry(sql, 50, true);
      await rebuild(sql);
    },
  ],
  [
    'the last entry edited, the tree recomputed',
    async (sql) => {
      const [last] = await sql("select max(idx) as idx from log_leaves where log = 'north'");
      await setEntry(sql, Number(last?.['idx']), true);
      await rebuild(sql);
    },
  ],
  [
    'the last entry cut',
    statements(
      "delete from log_leaves where log = 'north' and idx = (select max(idx) from log_leaves where log = 'north')",
    ),
  ],
  [
    'entries cut, the head set back',
    statements(
      "delete from log_leaves where idx >= 8 and log = 'north'",
      "update states set size = 8 where tenant = 'north'",
    ),
  ],
  ['an entry in the middle cut', statements("delete from log_leaves where idx = 4 and log = 'north'")],
  [
    'an entry cut, those behind it moved up',
    statements(
      "delete from log_leaves where idx = 4 and log = 'north'",
      "update log_leaves set idx = -idx where idx > 4 and log = 'north'",
      "update log_leaves set idx = -idx - 1 where idx < 0 and log = 'north'",
    ),
  ],
  ['two entries swapped', swap],
  [
    'two entries swapped, the tree recomputed',
    async (sql) => {
      await swap(sql);
      await rebuild(sql);
    },
  ],
  [
    'an entry added behind the head',
    statements(
      "insert into log_leaves (log, idx, hash, entry) select log, idx + 1, hash, entry from log_leaves where log = 'north' order by idx desc limit 1",
    ),
  ],
  [
    'an entry given to another tenant',
    statements("update log_leaves set log = 'south' where log = 'north' and idx = 50"),
  ],
  ['a node changed', async (sql) => void (await sql('update log_nodes set hash = ?', new Uint8Array(32)))],
  ['another head', (sql) => setHead(sql, 'north', Buffer.alloc(64, 7))],
  ['another head of the service', (sql) => setHead(sql, '', Buffer.alloc(64, 7))],
  [
    'an entry edited, the tree and its head computed again',
    async (sql) => {
      await setEntry(sql, 50, true);
      await rebuild(sql);
      await setHead(sql, 'north', await frontierOf(sql));
    },
  ],
  [
    'entries cut, the tree and its head computed again',
    async (sql) => {
      await sql("delete from log_leaves where log = 'north' and idx >= 299");
      await setHead(sql, 'north', await frontierOf(sql), 299);
    },
  ],
  [
    'the published heads forgotten, and entries cut with the head',
    async (sql) => {
      await sql("delete from log_leaves where log = 'north' and idx >= 299");
      await setHead(sql, 'north', await frontierOf(sql), 299);
      await sql('delete from publications');
      await sql('update heads set size = 0, frontier = ?', new Uint8Array());
    },
  ],
  ['a publication of before', statements('update publications set idx = (select min(idx) from publications) - 1')],
  ['another seed', async (sql) => void (await sql('update publications set seed = ?', new Uint8Array(32)))],
  ['a head less', statements("delete from heads where tenant = 'south'")],
  [
    'nothing left',
    async (sql) => {
      await sql('delete from log_leaves');
      await sql('delete from log_nodes');
      await sql('update states set size = 0, frontier = ?', new Uint8Array());
    },
  ],
  [
    'a fresh state',
    async (sql) =>
      void (await sql(
        "update states set epoch = 0, revisions = 0, size = 0, frontier = ?, mac = ''",
        new Uint8Array(),
      )),
  ],
];

const names = ['compromised', 'low', 'disabled', 'foreign', 'plain'] as const;
type Name = (typeof names)[number];
type Ids = Record<Name, string>;
const rowEdits: [string, Name, (ids: Ids) => string[]][] = [
  [
    'a compromised version made active',
    'compromised',
    ({ compromised }) => [`update key_versions set state = 'active' where key_id = '${compromised}' and version = 1`],
  ],
  [
    'a compromised version made decrypt-only',
    'compromised',
    ({ compromised }) => [
      `update key_versions set state = 'decrypt-only' where key_id = '${compromised}' and version = 1`,
    ],
  ],
  ['another newest version', 'low', ({ low }) => [`update keys set newest = 1 where id = '${low}'`]],
  ['a lower floor', 'low', ({ low }) => [`update keys set floor = 1 where id = '${low}'`]],
  ['a disabled key enabled', 'disabled', ({ disabled }) => [`update keys set disabled = 0 where id = '${disabled}'`]],
  ['a key of another tenant', 'foreign', ({ foreign }) => [`update keys set tenant = 'north' where id = '${foreign}'`]],
  [
    'a public key of the attacker',
    'plain',
    ({ plain, foreign }) => [
      `update key_versions set point = (select point from key_versions where key_id = '${foreign}' and version = 1) where key_id = '${plain}'`,
    ],
  ],
  [
    'the material of another key',
    'plain',
    ({ plain, foreign }) => [
      `update key_versions set material = (select material from key_versions where key_id = '${foreign}' and version = 1) where key_id = '${plain}'`,
    ],
  ],
  ['fewer versions', 'low', ({ low }) => [`delete from key_versions where key_id = '${low}' and version = 2`]],
  [
    'the MAC of another key',
    'disabled',
    ({ disabled, plain }) => [
      `update keys set disabled = 0, mac = (select mac from keys where id = '${plain}') where id = '${disabled}'`,
    ],
  ],
  ['no MAC', 'disabled', ({ disabled }) => [`update keys set disabled = 0, mac = '' where id = '${disabled}'`]],
  [
    'an alias that points to another key',
    'plain',
    ({ plain, low }) => [`update aliases set key_id = '${low}' where key_id = '${plain}'`],
  ],
  ['a key less', 'plain', ({ plain }) => [`delete from keys where id = '${plain}'`]],
  ['an older epoch', 'plain', () => ['update states set epoch = epoch - 1']],
  ['a state less', 'plain', () => ["delete from states where tenant = 'north'"]],
];

describe.each(storeKinds)('%s', (kind) => {
  const ids = {} as Ids;
  const items = new Map<Name, object>();
  let older: TestDatabase;
  let good: TestDatabase;
  let template: Pick<Harness, 'rootKey' | 'issuer'>;
  let note: string;
  const made: TestDatabase[] = [];

  const start = (database: TestDatabase, checkpoint?: string) => {
    const config = checkpoint === undefined ? {} : { checkpoint_file: checkpoint };
    return startHarness({ database, config, rootKey: template.rootKey, issuer: template.issuer });
  };
  const copy = async (source: TestDatabase): Promise<TestDatabase> => {
    const database = await copyOf(source);
    made.push(database);
    return database;
  };

  beforeAll(async () => {
    const database = await newDatabase(kind);
    made.push(database);
    const first = await startHarness({ database });
    template = first;
    for (const name of names) {
      const tenant = name === 'foreign' ? 'south' : 'north';
      const admin = await first.client(adminRoles, { tenant });
      ids[name] = (await admin.call('POST', '/v1/keys', { alias: name })).body.key_id;
      const alice = await first.client(userRoles, { tenant });
      const { body } = await alice.call('POST', `/v1/keys/${ids[name]}/generate-data-key`, { items: [{}] });
      items.set(name, { version: 1, wrapped_key: body.results[0].wrapped_key });
    }
    // More than 256 entries: from there on nodes of the tree are stored.
    const entry = encodeEntry({ time: 1, tenant: 'north', principal: 'x|one', operation: 'caller', status: 200 });
    await first.store.commit(
      'north',
      Array.from({ length: 300 }, () => ({ epoch: undefined, proof: undefined, use: undefined, entry, uses: [] })),
    );
    await first.stop();
    older = await copy(database);
    const second = await start(database);
    const change = async (id: string, verb: string, body: object) =>
      expect((await (await second.client(adminRoles)).call('POST', `/v1/keys/${id}/${verb}`, body)).status).toBe(200);
    await change(ids.compromised, 'mark-compromised', { version: 1 });
    await change(ids.low, 'rotate', { from_version: 1 });
    await change(ids.low, 'raise-floor', { floor: 2 });
    await change(ids.disabled, 'disable', {});
    await second.service.changes.publish();
    note = (await second.service.logs.service.checkpoint()).note;
    await second.stop();
    good = database;
  });
  afterAll(async () => {
    for (const database of made.reverse()) await database.remove();
  });

  /** What `audit verify` does, with or without a checkpoint. */
  async function audit(database: TestDatabase, checkpoint?: string): Promise<number> {
    const store = openStore({ store: database.config });
    try {
      const logs = new AuditLogs(store, await openSecrets(store, template.rootKey), 'bulla-test');
      const size = await verifyLogs(store, logs, checkpoint === undefined ? undefined : logs.service.open(checkpoint));
      await verifySecrets(store, template.rootKey);
      return size;
    } finally {
      await store.close();
    }
  }

  /** What alice gets of a service on it: `refused` where it does not start, or the outcome of each operation. */
  async function answers(database: TestDatabase, name: Name): Promise<string[]> {
    const service = await start(database).catch((error: unknown) => String(error));
    if (typeof service === 'string') return [`refused: ${service}`];
    const alice = await service.client(userRoles, { tenant: name === 'foreign' ? 'south' : 'north' });
    const outcomes: string[] = [];
    for (const [operation, item] of [
      ['unwrap', items.get(name)],
      ['generate-data-key', {}],
    ] as const) {
      const { status, body } = await alice.call('POST', `/v1/keys/${ids[name]}/${operation}`, { items: [item] });
      outcomes.push(String(body.results?.[0].problem?.code ?? (status === 200 ? 'ok' : body.code)));
    }
    await service.stop();
    return outcomes;
  }

  it('as it was it is whole, and answers', async () => {
    const database = await copy(good);
    expect(await audit(database, note)).toBeGreaterThan(300);
    expect(await answers(database, 'plain')).toEqual(['ok', 'ok']);
  });

  it.each(logEdits)('§8.6 %s: found, even without a checkpoint', async (_, edit) => {
    const database = await copy(good);
    await withSql(database, edit);
    await expect(audit(database)).rejects.toThrow(IntegrityError);
  });

  it.each(rowEdits)('§11.2 %s: nothing opens that did not, and audit verify finds it', async (_, name, edit) => {
    const database = await copy(good);
    await withSql(database, statements(...edit(ids)));
    for (const answer of await answers(database, name)) expect(answer).toMatch(/^(refused|unavailable|not-allowed)/);
    await expect(audit(database)).rejects.toThrow(IntegrityError);
  });

  it('§11.5 an older state is refused at the start, at the first checkpoint that it is shown', async () => {
    const checkpoint = join(good.folder, 'checkpoint');
    writeFileSync(checkpoint, note);
    const back = await copy(older);
    await expect(start(back, checkpoint)).rejects.toThrow(/older than the checkpoint/);
    await expect(audit(back, note)).rejects.toThrow(/cut/);
    const service = await start(await copy(good), checkpoint);
    await service.stop();
  });

  it('§11.5 so is one that went on another way', async () => {
    const checkpoint = join(good.folder, 'checkpoint');
    const fork = await copy(older);
    const service = await start(fork);
    const admin = await service.client(adminRoles);
    // Further than the log of the service that it is not.
    const kept = Number(note.split('\n')[1]);
    while ((await service.store.head('')).tree.size <= kept) {
      await admin.call('POST', '/v1/keys', {});
      await service.service.changes.publish();
    }
    await service.stop();
    writeFileSync(checkpoint, note);
    await expect(start(fork, checkpoint)).rejects.toThrow(/does not continue the checkpoint/);
    await expect(audit(fork, note)).rejects.toThrow(/does not continue the checkpoint/);
  });

  it('§11.2 rows of before in the database of now', async () => {
    const rows = await withSql(older, async (sql) => ({
      keys: await sql('select * from keys where id = ?', ids.compromised),
      key_versions: await sql('select * from key_versions where key_id = ?', ids.compromised),
    }));
    const database = await copy(good);
    await withSql(database, async (sql) => {
      await sql('delete from key_versions where key_id = ?', ids.compromised);
      await sql('delete from keys where id = ?', ids.compromised);
      for (const [table, all] of Object.entries(rows)) {
        for (const row of all as Row[]) {
          const columns = Object.keys(row);
          const marks = columns.map(() => '?').join();
          await sql(`insert into ${table} (${columns.join()}) values (${marks})`, ...Object.values(row));
        }
      }
    });
    expect(await answers(database, 'compromised')).toEqual(['unavailable', 'unavailable']);
    // §11.5 the tenant is halted, and no other.
    expect(await answers(database, 'foreign')).toEqual(['ok', 'ok']);
    await expect(audit(database)).rejects.toThrow(/older than the state/);
  });
});
