/** A client of Prisma that several tenants share. */

import { AsyncResource } from 'node:async_hooks';
import { FieldError } from '../../errors.ts';
import { assert } from '../../lib/assert.ts';
import { currentTenant } from './tenants.ts';

/** A call, as Prisma passes it on. */
interface Request {
  readonly transaction?: { readonly kind?: string } | undefined;
}

/** What Prisma collects the calls of one tick with. It sends them all where the first of them was made. */
interface Loader {
  options: {
    /** Calls with the same key become one statement. */
    readonly batchBy: (request: Request) => string | undefined;
    readonly singleLoader: (request: Request) => Promise<unknown>;
    readonly batchLoader: (requests: readonly Request[]) => Promise<readonly unknown[]>;
  };
}

interface Caller {
  readonly tenant: string | undefined;
  readonly place: AsyncResource;
}

const apart = new WeakSet<Loader>();

/**
 * Makes a client of Prisma 7 safe for several tenants, and returns it. Without this, Prisma sends all calls of `findUnique` that are made in one tick, and all calls of interactive transactions, in the tenant of the first of them: one
 * tenant would be answered with rows of another. With it, calls of one tenant alone are joined, and each runs where it was made. Clients that `$extends` makes of this one are safe as well.
 *
 * Throws a `TypeError` for anything whose inside is not that of a client of Prisma 7.
 *
 * @example
 * const prisma = keepTenantsApart(new PrismaClient({ adapter: new PrismaPg(pool) }));
 * const [north, south] = await Promise.all([
 *   withTenant('north', () => prisma.patient.findUnique({ where: { email } })),
 *   withTenant('south', () => prisma.patient.findUnique({ where: { email } })),
 * ]);
 */
export function keepTenantsApart<Client extends object>(client: Client): Client {
  const loader = loaderOf(client);
  if (apart.has(loader)) return client;
  const { batchBy, singleLoader, batchLoader } = loader.options;
  const callers = new WeakMap<Request, Caller>();
  const inPlace = <Result>(request: Request, work: () => Result): Result => {
    const caller = callers.get(request);
    return caller === undefined ? work() : caller.place.runInAsyncScope(work);
  };
  loader.options = {
    ...loader.options,
    batchBy(request) {
      const tenant = currentTenant();
      callers.set(request, { tenant, place: new AsyncResource('bulla') });
      const key = batchBy(request);
      // The calls of `$transaction([…])` are one statement after the other of one transaction.
      const isWhole = request.transaction?.kind === 'batch';
      return key === undefined || isWhole ? key : JSON.stringify([tenant, key]);
    },
    singleLoader: (request) => inPlace(request, () => singleLoader(request)),
    async batchLoader(requests) {
      if (new Set(requests.map((request) => callers.get(request)?.tenant)).size > 1) throw severalTenants();
      return inPlace(requests[0] as Request, () => batchLoader(requests));
    },
  };
  apart.add(loader);
  return client;
}

function loaderOf(client: unknown): Loader {
  const inside = client as { readonly _requestHandler?: { readonly dataloader?: Partial<Loader> } } | null | undefined;
  const loader = inside?._requestHandler?.dataloader;
  const options: Partial<Loader['options']> = loader?.options ?? {};
  const isKnown = [options.batchBy, options.singleLoader, options.batchLoader].every(
    (each) => typeof each === 'function',
  );
  assert(isKnown, 'client', 'a PrismaClient of Prisma 7');
  return loader as Loader;
}

function severalTenants(): FieldError {
  return new FieldError('ERR_FIELD_TENANT', 'The calls of one $transaction are of several tenants: make one of each');
}
