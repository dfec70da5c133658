// Threats: an audit log that somebody edits, cuts, reorders or forks in the database; found by `audit verify` and by clients over HTTP.

import { copyFileSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Checkpoint, leafHash, logOf, openCheckpoint, rootOf } from '../reference-client/audit.ts';
import { type Client, Refused, Unauthenticated } from '../reference-client/client.ts';
import { hash } from '../reference-client/encodings.ts';
import { World } from './support/world.ts';

let world: World;
let good: string;
let kept: Checkpoint;

beforeAll(async () => {
  world = await World.start();
  // More than 256 entries: from there on nodes of the tree are stored, and not computed from leaves alone.
  const caller = world.client('admin@north');
  for (let i = 0; i < 26; i++) await Promise.all(Array.from({ length: 10 }, () => caller.call('GET', '/v1/caller')));
  for (let i = 0; i < 4; i++) await world.createKey();
  kept = await world.client('admin@north').checkpoint();
  await world.createKey();
  await world.stop();
  good = world.copyDatabase('good.sqlite');
  copyFileSync(world.path('checkpoint'), world.path('good.checkpoint'));
});

beforeEach(() => {
  world.putDatabase(good);
  copyFileSync(world.path('good.checkpoint'), world.path('checkpoint'));
});

afterEach(() => world.stop());

afterAll(() => world?.remove());

const size = (database: DatabaseSync): number =>
  Number(database.prepare("select size from states where tenant = 'north'").get()?.['size']);
const setEntry = (database: DatabaseSync, index: number, change: (text: string) => string, rehash: boolean): void => {
  const row = database.prepare("select entry from log_leaves where idx = ? and log = 'north'").get(index);
  const entry = Buffer.from(change(Buffer.from(row?.['entry'] as Uint8Array).toString()));
  database.prepare("update log_leaves set entry = ? where idx = ? and log = 'north'").run(entry, index);
  if (!rehash) return;
  database.prepare("update log_leaves set hash = ? where idx = ? and log = 'north'").run(leafHash(entry), index);
};
/** Recomputes all nodes of the tree from the leaves, as the service would: a node for each full pair. */
const rebuild = (database: DatabaseSync): void => {
  const leaves = database.prepare("select hash from log_leaves where log = 'north' order by idx").all();
  let level: Buffer[] = leaves.map((row) => Buffer.from(row['hash'] as Uint8Array));
  for (let n = 0; level.length > 0; n++) {
    const update = database.prepare("update log_nodes set hash = ? where level = ? and idx = ? and log = 'north'");
    level.forEach((each, i) => {
      update.run(each, n, i);
    });
    level = level.flatMap((left, i) => {
      const right = level[i + 1];
      return i % 2 === 0 && right ? [hash('sha256', Buffer.of(1), left, right)] : [];
    });
  }
};
const swap = (database: DatabaseSync): void => {
  for (const [from, to] of [
    [3, -3],
    [4, 3],
    [-3, 4],
  ]) {
    database.exec(`update log_leaves set idx = ${to} where idx = ${from} and log = 'north'`);
  }
};
const alice = (text: string): string => text.replace('|admin', '|alice');

const edits: [string, (database: DatabaseSync) => void][] = [
  ['an entry edited', (database) => setEntry(database, 5, alice, false)],
  ['an entry edited, its hash too', (database) => setEntry(database, 5, alice, true)],
  [
    'an entry edited, the whole tree recomputed',
    (database) => {
      setEntry(database, 5, alice, true);
      rebuild(database);
    },
  ],
  [
    'the last entry edited, the tree recomputed',
    (database) => {
      setEntry(database, size(database) - 1, alice, true);
      rebuild(database);
    },
  ],
  [
    'the last entry cut',
    (database) =>
      database.exec(
        "delete from log_leaves where log = 'north' and idx = (select max(idx) from log_leaves where log = 'north')",
      ),
  ],
  [
    'the last entries cut, the head set back',
    (database) => {
      database.exec("delete from log_leaves where log = 'north' and idx >= 8");
      database.exec("update states set size = 8 where tenant = 'north'");
    },
  ],
  ['an entry in the middle cut', (database) => database.exec("delete from log_leaves where log = 'north' and idx = 4")],
  [
    'an entry cut, those behind it moved up',
    (database) => {
      database.exec("delete from log_leaves where log = 'north' and idx = 4");
      database.exec("update log_leaves set idx = -idx where log = 'north' and idx > 4");
      database.exec("update log_leaves set idx = -idx - 1 where log = 'north' and idx < 0");
    },
  ],
  ['two entries swapped', (database) => swap(database)],
  [
    'two entries swapped, the tree recomputed',
    (database) => {
      swap(database);
      rebuild(database);
    },
  ],
  [
    'an entry added behind the head',
    (database) => {
      const columns = 'log, hash, entry';
      database.exec(
        `insert into log_leaves (idx, ${columns}) select max(idx) + 1, ${columns} from log_leaves where log = 'north'`,
      );
    },
  ],
  [
    'an entry given to another tenant, who then may read it',
    (database) => database.exec("update log_leaves set log = 'south' where log = 'north' and idx = 50"),
  ],
  ['a node of the tree changed', (database) => database.exec('update log_nodes set hash = zeroblob(32)')],
  ['another head', (database) => database.exec("update states set frontier = zeroblob(64) where tenant = 'north'")],
  [
    'nothing left',
    (database) => {
      database.exec("delete from log_leaves; delete from log_nodes; update states set size = 0, frontier = x''");
    },
  ],
];

describe('audit verify', () => {
  // All of them, on both stores: test/store/tampering.test.ts.
  it.each(edits.filter(([name]) => /recomputed|nothing left/.test(name)))(
    '%s: found, even without a checkpoint',
    (_, edit) => {
      world.database(edit);
      const { status, output } = world.run('audit verify');
      expect(status, output).toBe(1);
      expect(output).not.toMatch(/ at .*\.ts:\d+/);
    },
  );

  it('the log as it was is whole', () => {
    expect(world.run('audit verify').output).toMatch(/whole/);
    expect(world.run('audit verify', '--checkpoint', world.path('checkpoint')).output).toMatch(
      /continuing the checkpoint/,
    );
  });
});

describe('a client that kept a checkpoint', () => {
  /** Whether the log still has all that the checkpoint covers, by the entries and proofs over HTTP. */
  const isWhole = async (admin: Client): Promise<boolean> => {
    try {
      const now = await admin.checkpoint();
      if (!(await admin.verifyConsistency(kept, now))) return false;
      const entries = await admin.entries(0, kept.size);
      return rootOf(entries.map(({ leaf }) => leaf)).equals(kept.root);
    } catch (error) {
      if (error instanceof Refused || error instanceof Unauthenticated) return false;
      if (error instanceof Error && /not its leaf/.test(error.message)) return false;
      throw error;
    }
  };
  const visible = edits.filter(([name]) => !/behind the head|the last entry|another tenant|a node/.test(name));

  it('sees that it is whole where it is', async () => {
    await world.start();
    expect(await isWhole(world.client('admin@north'))).toBe(true);
  });

  it.each(visible)('%s, while the service runs: found, or the service answers no more', async (_, edit) => {
    await world.start();
    world.database(edit);
    expect(await isWhole(world.client('admin@north'))).toBe(false);
  });

  it('a fork, signed by the service itself on a database put back: found', async () => {
    await world.start();
    const [common, admin] = [world.copyDatabase('common.sqlite'), world.client('admin@north')];
    await world.createKey();
    const seen = await admin.checkpoint();
    await world.stop();
    world.putDatabase(common);
    rmSync(world.path('checkpoint'));
    await world.start();
    for (let i = 0; i < 3; i++) await world.createKey({ description: 'in the fork' });
    const forked = world.client('admin@north');
    const other = await forked.checkpoint();
    expect(other.size).toBeGreaterThanOrEqual(seen.size);
    expect(await forked.verifyConsistency(kept, other)).toBe(true);
    expect(await forked.verifyConsistency(seen, other)).toBe(false);
  });
});

describe('a checkpoint', () => {
  it('of another log, another size or root, with another signature is not taken', async () => {
    await world.start();
    const admin = world.client('admin@north');
    const { checkpoint } = await admin.call<{ checkpoint: string }>('GET', '/v1/audit/checkpoint');
    const audit = logOf((await admin.discover()).audit, 'north');
    expect(openCheckpoint(checkpoint, audit).size).toBeGreaterThan(0);
    const changes = [
      checkpoint.replace(/\n(\d+)\n/, (_, n: string) => `\n${Number(n) - 1}\n`),
      checkpoint.replace(
        /\n(.)([^\n]*=)\n/,
        (_, first: string, rest: string) => `\n${first === 'A' ? 'B' : 'A'}${rest}\n`,
      ),
      checkpoint.replaceAll(audit.origin, 'bulla-key-service/other'),
      checkpoint.slice(0, checkpoint.indexOf('\n\n') + 2),
      checkpoint.replace(/.{8}\n$/, 'AAAAAAA=\n'),
    ];
    for (const changed of changes) {
      expect(changed).not.toBe(checkpoint);
      expect(() => openCheckpoint(changed, audit)).toThrow(/bad signature/);
    }
  });

  it('that is forged or of another log is not taken by audit verify nor at the start', async () => {
    const other = await World.start();
    await other.createKey();
    await other.stop();
    const { status, output } = world.run('audit verify', '--checkpoint', other.path('checkpoint'));
    expect([status, output]).toEqual([1, expect.stringMatching(/not signed by the log/)]);
    world.configure({ checkpoint_file: other.path('checkpoint') });
    expect(await world.refusal()).not.toBe('');
    world.configure();
    await other.remove();
  });
});
