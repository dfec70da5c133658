// prisma-field-encryption on Prisma 7. Its client has a reduced description of the schema (DMMF), in which the peer misses members: it is given the full one.

import { readFileSync } from 'node:fs';
import { generateKey } from '@47ng/cloak';
import internals from '@prisma/internals';
import { fieldEncryptionExtension } from 'prisma-field-encryption';

/** What a client is extended by, for a schema whose comments say what is encrypted. */
export async function peerExtension(schema: string): Promise<unknown> {
  const dmmf = await internals.getDMMF({ datamodel: readFileSync(schema, 'utf8') });
  return fieldEncryptionExtension({ encryptionKey: generateKey(), dmmf: dmmf as never });
}
