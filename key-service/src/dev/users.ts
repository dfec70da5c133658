/** The people of the development issuer: two tenants, and nobody who both administers and unwraps. */

import type { DevUser } from '../service.ts';

const user = ['encryptor', 'decryptor', 'rewrapper'];
const administrator = ['key-administrator', 'auditor', 'metrics-reader'];

export const devUsers: readonly DevUser[] = [
  { user: 'alice@north', tenant: 'north', roles: user },
  { user: 'admin@north', tenant: 'north', roles: administrator },
  { user: 'importer@north', tenant: 'north', roles: ['key-importer'] },
  { user: 'mover@north', tenant: 'north', roles: ['alias-mover'] },
  { user: 'approver@north', tenant: 'north', roles: ['deletion-approver'] },
  { user: 'revoker@north', tenant: 'north', roles: ['data-key-revoker'] },
  { user: 'revocations@north', tenant: 'north', roles: ['revocation-approver'] },
  { user: 'recoverer@north', tenant: 'north', roles: ['recoverer'] },
  { user: 'bob@south', tenant: 'south', roles: user },
  { user: 'admin@south', tenant: 'south', roles: administrator },
];
