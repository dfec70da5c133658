// One client of Prisma 7 for several tenants: whatever they ask in one tick, each is answered with its own rows; docs/fields.md §6.7.

import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { encryptedPool, fieldsSql, keepTenantsApart, withTenant } from '../../src/fields/postgres.ts';
import { blindIndex, defineFields, encrypted, prefixIndex } from '../../src/fields.ts';
import { type Database, jobsOn, openDatabase, transaction } from './migrating.ts';
import { generateClient, type Prisma } from './prisma/generate.ts';

const PrismaClient = await generateClient('tenants.prisma', 'prisma-tenants');
const fields = defineFields({
  account: {
    row: 'id',
    columns: {
      email: encrypted.string({ index: [blindIndex({ unique: true })] }),
      name: encrypted.string({ index: [prefixIndex({ lengths: [2] })] }),
    },
  },
  note: { row: 'id', columns: { text: encrypted.string() } },
});
const tenants = ['north', 'south'];
const email = 'same@example';

let database: Database;
let pool: pg.Pool;
let shared: Prisma;
let prisma: Prisma;
beforeAll(async () => {
  database = await openDatabase(inject('postgresUrl'));
  await database.pool.query(`create table account (id int primary key, email bytea, name bytea);
    create table note (id int primary key, account int references account, text bytea)`);
  await transaction(database.pool, fieldsSql(fields));
  const { encryption } = jobsOn(database.pool, fields);
  pool = encryptedPool(new pg.Pool({ connectionString: database.url, max: 4 }), encryption);
  shared = new PrismaClient({ errorFormat: 'minimal', adapter: new PrismaPg(pool) });
  prisma = keepTenantsApart(new PrismaClient({ errorFormat: 'minimal', adapter: new PrismaPg(pool) }));
});
afterAll(async () => {
  await Promise.all([shared?.$disconnect(), prisma?.$disconnect()]);
  await pool?.end();
  await database?.close();
});
beforeEach(async () => {
  await database.pool.query('truncate account, note');
  for (const [i, tenant] of tenants.entries()) {
    await withTenant(tenant, async () => {
      const data = { id: 10 * i, email, name: `Anna of ${tenant}` };
      await prisma.account.create({ data });
      await prisma.account.create({ data: { id: 10 * i + 1, email: `other@${tenant}`, name: `Bob of ${tenant}` } });
      await prisma.note.create({ data: { id: 10 * i, accountId: 10 * i, text: `note of ${tenant}` } });
    });
  }
});

/** What both tenants ask in one tick. */
const both = (ask: (tenant: string) => unknown) =>
  Promise.all(tenants.map((tenant) => withTenant(tenant, () => ask(tenant))));
const name = (account: Prisma) => account?.name;

describe('§6.7 in one tick', () => {
  test('findUnique gives each tenant its own row, and what one tenant asks is still one statement', async () => {
    // What this is about: a client of Prisma as it comes answers one tenant with another one’s row.
    const mixed = await both(() => shared.account.findUnique({ where: { email } }));
    expect(mixed.map(name)).toEqual(['Anna of north', 'Anna of north']);

    const asked: string[] = [];
    const client = await pool.connect();
    const prototype = Object.getPrototypeOf(client);
    client.release();
    const { query } = prototype;
    prototype.query = function (this: object, ...args: { text?: string }[]) {
      asked.push(args[0]?.text ?? '');
      return query.apply(this, args);
    };
    const found = await both((tenant) =>
      Promise.all(
        [email, `other@${tenant}`, 'nobody'].map((mail) => prisma.account.findUnique({ where: { email: mail } })),
      ),
    ).finally(() => {
      prototype.query = query;
    });
    expect((found as Prisma[][]).map((rows) => rows.map(name))).toEqual(
      tenants.map((tenant) => [`Anna of ${tenant}`, `Bob of ${tenant}`, undefined]),
    );
    expect(asked.filter((text) => /from "public"."account"/i.test(text))).toHaveLength(2);
  });

  test.each<[string, (tenant: string) => unknown]>([
    ['findUniqueOrThrow', () => prisma.account.findUniqueOrThrow({ where: { email } })],
    ['findUnique by the key', (tenant) => prisma.account.findUnique({ where: { id: tenant === 'north' ? 0 : 10 } })],
    ['findFirst', () => prisma.account.findFirst({ where: { email } })],
    ['findMany', async () => (await prisma.account.findMany({ where: { email } }))[0]],
    ['update', (tenant) => prisma.account.update({ where: { email }, data: { name: `Anna of ${tenant}` } })],
    [
      'different queries',
      (tenant) =>
        tenant === 'north'
          ? prisma.account.findUnique({ where: { email }, select: { name: true } })
          : prisma.account.findUnique({ where: { email } }),
    ],
    ['of an extended client', () => prisma.$extends({ name: 'more' }).account.findUnique({ where: { email } })],
    [
      'an interactive transaction',
      () =>
        prisma.$transaction(async (tx: Prisma) => {
          await tx.account.updateMany({ where: { email }, data: { email } });
          return tx.account.findUnique({ where: { email } });
        }),
    ],
    [
      'a transaction of several',
      async () =>
        (
          await prisma.$transaction([
            prisma.account.findMany({ where: { email } }),
            prisma.account.findUnique({ where: { email } }),
          ])
        )[1],
    ],
    [
      'include',
      (tenant) =>
        prisma.account.findUnique({ where: { email }, include: { notes: true } }).then((row: Prisma) => {
          expect(row.notes).toMatchObject([{ text: `note of ${tenant}` }]);
          return row;
        }),
    ],
  ])('%s', async (_, ask) => {
    for (let i = 0; i < 3; i++)
      expect((await both(ask)).map(name)).toEqual(tenants.map((tenant) => `Anna of ${tenant}`));
  });

  test('the fluent API', async () => {
    const found = await both(() => prisma.account.findUnique({ where: { email } }).notes());
    expect(found).toMatchObject(tenants.map((tenant) => [{ text: `note of ${tenant}` }]));
    const later = await Promise.all(
      tenants.map((tenant) => withTenant(tenant, () => prisma.account.findUnique({ where: { email } })).notes()),
    );
    expect(later).toEqual(found);
  });

  test('one interactive transaction that two tenants use', async () => {
    const found = await prisma.$transaction((tx: Prisma) => both(() => tx.account.findUnique({ where: { email } })));
    expect(found.map(name)).toEqual(tenants.map((tenant) => `Anna of ${tenant}`));
  });

  test('calls that meet behind a common promise', async () => {
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const found = both(async () => {
      await gate;
      return prisma.account.findUnique({ where: { email } });
    });
    open?.();
    expect((await found).map(name)).toEqual(tenants.map((tenant) => `Anna of ${tenant}`));
  });
});

describe('§6.7 $transaction of several calls', () => {
  const create = (id: number) => prisma.account.create({ data: { id, email: `${id}@example` } });
  const ids = async () => (await database.pool.query('select id from account where id > 50 order by id')).rows;

  test('is of the tenant around it', async () => {
    await withTenant('south', () => prisma.$transaction([create(51), withTenant('south', () => create(52))]));
    expect(await ids()).toEqual([{ id: 51 }, { id: 52 }]);
    const read = () => prisma.account.findMany({ where: { email: { in: ['51@example', '52@example'] } } });
    expect((await both(read)).map((rows) => (rows as Prisma[]).length)).toEqual([0, 2]);
  });

  test.each<[string, (client: () => Prisma) => Promise<unknown>]>([
    [
      'a call for another tenant',
      () => withTenant('north', () => prisma.$transaction([create(61), withTenant('south', () => create(62))])),
    ],
    [
      'a call for a tenant, and none around it',
      () => prisma.$transaction([withTenant('south', () => create(61)), create(62)]),
    ],
    [
      'calls for two tenants',
      () => prisma.$transaction(tenants.map((tenant, i) => withTenant(tenant, () => create(61 + i)))),
    ],
  ])('with %s is refused, and nothing of it is sent', async (_, work) => {
    await expect((async () => work(() => prisma))()).rejects.toMatchObject({ code: 'ERR_FIELD_TENANT' });
    // Not later either.
    await withTenant('north', () => create(70));
    expect(await ids()).toEqual([{ id: 70 }]);
  });

  test('whose calls an extension sends for several tenants is refused, and is of theirs where that is one', async () => {
    const owner = (id: number) => (id % 2 === 0 ? 'south' : 'north');
    const spread = prisma.$extends({
      query: {
        account: {
          create: ({ args, query }: Prisma) => withTenant(owner(args.data.id), () => query(args)),
        },
      },
    });
    const send = (...all: number[]) =>
      spread.$transaction(
        all.map((id) => spread.account.create({ data: { id, email: `${id}@example` } })),
      ) as Promise<unknown>;
    await expect(send(91, 92)).rejects.toMatchObject({ code: 'ERR_FIELD_TENANT' });
    expect(await ids()).toEqual([]);
    await send(94, 96);
    const read = () => prisma.account.findMany({ where: { email: { in: ['94@example', '96@example'] } } });
    expect((await both(read)).map((rows) => (rows as Prisma[]).length)).toEqual([0, 2]);
  });

  test('a call that is not awaited is not sent', async () => {
    withTenant('north', () => create(81));
    await withTenant('north', () => create(82));
    expect(await ids()).toEqual([{ id: 82 }]);
  });
});

test('what is no client of Prisma 7 is refused', () => {
  for (const wrong of [{}, null, { _requestHandler: {} }, { _requestHandler: { dataloader: { options: {} } } }]) {
    expect(() => keepTenantsApart(wrong as never)).toThrow(/^client must be a PrismaClient of Prisma 7/);
  }
  expect(keepTenantsApart(prisma)).toBe(prisma);
});

describe('§6.4 startsWith', () => {
  test('finds by the prefix index', async () => {
    for (const tenant of tenants) {
      const ask = (where: object) =>
        withTenant(tenant, () => prisma.account.findMany({ where, orderBy: { id: 'asc' } }));
      expect((await ask({ name: { startsWith: 'Anna' } })).map(name)).toEqual([`Anna of ${tenant}`]);
      expect((await ask({ name: { startsWith: 'Bo' }, email: `other@${tenant}` })).map(name)).toEqual([
        `Bob of ${tenant}`,
      ]);
      expect(await ask({ name: { startsWith: 'Annab' } })).toEqual([]);
    }
  });

  test.each<[object, RegExp]>([
    [{ name: { startsWith: 'Anna', mode: 'insensitive' } }, /normalize: \['lower'\]/],
    [{ email: { startsWith: 'same' } }, /prefixIndex/],
    [{ email: { equals: email, mode: 'insensitive' } }, /blindIndex that is normalized/],
    [{ email: { startsWith: 'same', mode: 'insensitive' } }, /blindIndex that is normalized/],
    [{ name: { contains: 'nn' } }, /beginning alone/],
    [{ name: { endsWith: 'nn' } }, /beginning alone/],
    [{ name: { not: { startsWith: 'Anna' } } }, /./],
  ])('%j is refused, with what to do instead', async (where, instead) => {
    const asked = withTenant('north', () => prisma.account.findMany({ where })) as Promise<unknown>;
    await expect(asked).rejects.toThrow(instead);
  });

  test('with take or skip is refused: rows are dropped after opening', async () => {
    const ask = (more: object) =>
      withTenant('north', () =>
        prisma.account.findMany({ where: { name: { startsWith: 'Anna' } }, ...more }),
      ) as Promise<unknown>;
    for (const more of [{ take: 1 }, { skip: 1 }]) await expect(ask(more)).rejects.toThrow(/dropped after opening/);
    expect(await ask({ skip: 0 })).toHaveLength(1);
  });
});
