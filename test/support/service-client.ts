// Clients of the key service that the tests run against, and ways to make its answers wrong.

import { inject } from 'vitest';
import { decrypt } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import {
  createKeyServiceClient,
  developmentToken,
  type Fetch,
  type KeyServiceClient,
  type KeyServiceClientOptions,
  keyManagement,
} from '../../src/service.ts';

export { recorder } from './recorder.ts';

/** The service under test. */
export const { url, pin, proxy } = inject('keyService');

/** A fetch through the proxy, with a fault that test/support/key-service.ts knows. */
export function through(fault = 'none'): Fetch {
  return (input, init) => fetch(input.replace(url, `${proxy}/${fault}`), init);
}

/** A fault of its own for each test, so that counts start at zero. */
export function fresh(fault: string): string {
  return `${fault}-${Math.random().toString(36).slice(2)}`;
}

/** A client for a user of the development service. */
export function clientOf(user: string, options: Partial<KeyServiceClientOptions> = {}): KeyServiceClient {
  return createKeyServiceClient({
    url,
    pin,
    ...('token' in options ? {} : { tokenSource: developmentToken(user) }),
    fetch: through(),
    retry: { delay: 1 },
    ...options,
  });
}

/** A new key of the tenant north, by id. */
export async function newKey(): Promise<string> {
  return (await keyManagement(clientOf('admin@north')).create()).key_id;
}

/** The text in a message. */
export async function textOf(message: Uint8Array, keyring: Keyring): Promise<string> {
  return new TextDecoder().decode((await decrypt(message, { keyring })).plaintext);
}

/** The key context that the policies of the development service want. */
export const keyContext = { tenant: 'north', purpose: 'test' };

/** What an answer is made into on its way. */
export interface Alteration {
  status?: (status: number) => number;
  body?: (body: string) => string;
  headers?: (headers: Headers) => void;
}

/** A fetch whose answers on paths with `part` are changed. */
export function altered(part: string, { status, body, headers }: Alteration, inner: Fetch = through()): Fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    if (!input.includes(part)) return response;
    const text = await response.text();
    const changed = new Headers(response.headers);
    headers?.(changed);
    const code = status?.(response.status) ?? response.status;
    return new Response(body?.(text) ?? text, { status: code, headers: changed });
  };
}
