// Makes the key of each tenant, where it is not there yet, as an administrator of that tenant.

import { isBullaError } from 'bulla';
import { createKeyServiceClient, developmentToken, keyManagement } from 'bulla/service';
import type { ServiceConfig } from './server.ts';

/** The alias under which each tenant has its key. */
const alias = 'demo-files';

/** Makes the keys. Rejects where the key service cannot be used. */
export async function prepareKeys({ url, pin }: ServiceConfig): Promise<void> {
  for (const tenant of ['north', 'south']) {
    const client = createKeyServiceClient({ url, pin, tokenSource: developmentToken(`admin@${tenant}`) });
    try {
      await keyManagement(client).create({ alias, description: 'Files of the demonstration' });
    } catch (error) {
      if (!isBullaError(error) || error.code !== 'ERR_SERVICE_CONFLICT') throw error;
    }
  }
}
