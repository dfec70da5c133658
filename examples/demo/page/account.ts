// A user with a client of the key service and what is opened with it. The page has one, and the service worker another one with the same proof key.

import { type CachingKeyring, cachingKeyring } from 'bulla/cache';
import { serviceKeyring } from 'bulla/keyrings/service';
import { createKeyServiceClient, developmentToken, dpopKeyFromIndexedDB, type KeyServiceClient } from 'bulla/service';

/** Of the key service, from the page's own server. */
export interface ServiceConfig {
  readonly url: string;
  readonly pin: string;
}

/** The alias of each tenant's key. */
export const keyAlias = 'alias:demo-files';

/** What has been asked of the key service. */
export interface Calls {
  requests: number;
  dataKeys: number;
}

/** A user with keyrings. */
export interface Account {
  readonly user: string;
  readonly tenant: string;
  readonly client: KeyServiceClient;
  /** For files: each has a data key of its own. */
  readonly keyring: ReturnType<typeof serviceKeyring>;
  /** For names, which are short and many: they share a data key for a while, so a list costs one call. */
  readonly names: CachingKeyring;
  readonly calls: Calls;
}

/** Makes an account. Nothing is sent before something is encrypted or opened. */
export function createAccount({ url, pin }: ServiceConfig, user: string, onCall: () => void = () => {}): Account {
  const tenant = user.slice(user.indexOf('@') + 1);
  const calls: Calls = { requests: 0, dataKeys: 0 };
  const client = createKeyServiceClient({
    url,
    pin,
    tokenSource: developmentToken(user),
    // Not extractable, and one for each user of this browser.
    dpop: dpopKeyFromIndexedDB({ name: user }),
    onEvent: (event) => {
      if (event.type !== 'service-call') return;
      calls.requests++;
      calls.dataKeys += event.items;
      onCall();
    },
  });
  const keyContext = { tenant, purpose: 'demo' };
  const keyring = serviceKeyring({ client, keyId: keyAlias, keyContext });
  return { user, tenant, client, keyring, names: cachingKeyring(keyring), calls };
}

/** An administrator of the same tenant: rotates keys and reads the log, and can open nothing. */
export function administratorClient({ url, pin }: ServiceConfig, tenant: string): KeyServiceClient {
  return createKeyServiceClient({ url, pin, tokenSource: developmentToken(`admin@${tenant}`) });
}

/** The page's configuration. */
export async function loadConfig(): Promise<ServiceConfig> {
  const response = await fetch('/config.json');
  if (!response.ok) throw new Error(`the page’s own server answers ${response.status}`);
  return ((await response.json()) as { service: ServiceConfig }).service;
}
