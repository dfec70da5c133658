/** The tenant that a call is made for, wherever it goes from there. */

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { FieldError } from '../../errors.ts';
import { isPromise } from '../../lib/awaitable.ts';

const tenants = new AsyncLocalStorage<string>();

/** The tenant of a call that begins now. */
export function currentTenant(): string | undefined {
  return tenants.getStore();
}

/** Runs a function for a tenant: its statements, and those of what it calls, seal, open and search that tenant's cells. */
export function runWithTenant<Result>(tenant: string, work: () => Result): Result {
  return tenants.run(tenant, () => {
    const result: unknown = work();
    if (isPrismaPromise(result)) return boundTo(tenant, result) as Result;
    // A query of an ORM runs once `then` is called: by an `await` outside, it would run in another tenant.
    return (isPromise(result) ? new Promise((resolve, reject) => result.then(resolve, reject)) : result) as Result;
  });
}

/** A call of Prisma, which runs once it is awaited, or as a part of `$transaction([…])`. */
interface PrismaPromise extends PromiseLike<unknown> {
  requestTransaction(transaction: unknown): unknown;
}

function isPrismaPromise(result: unknown): result is PrismaPromise {
  return isPromise(result) && typeof (result as Partial<PrismaPromise>).requestTransaction === 'function';
}

/** A call of Prisma that stays one, and whatever is done with it is done for the tenant. */
function boundTo(tenant: string, call: PrismaPromise): PrismaPromise {
  const get = (target: PrismaPromise, name: string | symbol): unknown => {
    const value: unknown = Reflect.get(target, name);
    if (typeof value !== 'function') return value;
    return (...args: readonly unknown[]): unknown => {
      if (name === 'requestTransaction' && currentTenant() !== tenant) throw otherTransaction();
      // What is called back runs where it was given.
      const bound = args.map((arg) => (typeof arg === 'function' ? AsyncResource.bind(arg as () => void) : arg));
      const result: unknown = tenants.run(tenant, () => Reflect.apply(value, target, bound));
      return isPrismaPromise(result) ? boundTo(tenant, result) : result;
    };
  };
  return new Proxy(call, { get });
}

function otherTransaction(): FieldError {
  const message = 'A transaction is of one tenant: put withTenant around $transaction, not around its calls';
  return new FieldError('ERR_FIELD_TENANT', message);
}
