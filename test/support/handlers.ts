// Handlers of a service worker, and what they read from.

import type { Keyring } from '../../src/keyrings/keyring.ts';
import {
  createDecryptingHandler,
  type DecryptingHandlerOptions,
  type MessageResource,
} from '../../src/service-worker.ts';
import { fastKeyring } from './data.ts';

/** The keyring of the messages. */
export const keyring = fastKeyring();
/** Where the page comes from. */
export const origin = 'https://app.example';
/** A request for the one resource. */
export const get = (headers: Record<string, string> = {}, init: RequestInit = {}) =>
  new Request(`${origin}/media/1`, { headers, ...init });

/** A handler for one resource. */
export function handlerOf(resource: MessageResource, options: Partial<DecryptingHandlerOptions> = {}) {
  const errors: unknown[] = [];
  const handler = createDecryptingHandler({
    match: () => resource,
    onError: (error) => errors.push(error),
    ...options,
  });
  const ask = (headers?: Record<string, string>, init?: RequestInit) =>
    handler.respond(get(headers, init)) as Promise<Response>;
  return { ...handler, ask, errors };
}

/** The bytes of an answer. */
export async function bodyOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

/** A keyring that counts what it unwraps. */
export function counting(): Keyring & { unwraps: number } {
  const counted = {
    ...keyring,
    unwraps: 0,
    unwrapDataKey: (...args: Parameters<Keyring['unwrapDataKey']>) => {
      counted.unwraps++;
      return keyring.unwrapDataKey(...args);
    },
  };
  return counted;
}
