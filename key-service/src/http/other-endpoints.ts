/** Aliases, published keys, and who one is; `docs/key-service.md` §7.2, §7.5 and §9.1. */

import type * as z from 'zod';
import { encodeBase64url } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { removeAlias, setAlias } from '../operations/keys/aliases.ts';
import { publishedVersion } from '../operations/keys/read.ts';
import { requestView } from '../store/key-cache.ts';
import { validate } from './body.ts';
import { type Call, type Endpoint, endpoint } from './endpoint.ts';
import { recordedChange } from './recorded-change.ts';
import { aliasBody, aliasPath, callerResponse, documentResponse, keyResponse } from './schemas.ts';

const documentSeconds = 24 * 3600;

const putAlias = endpoint<z.infer<typeof aliasBody>>({
  method: 'PUT',
  path: '/v1/aliases/{name}',
  operation: 'set-alias',
  summary: 'Sets or moves an alias',
  headers: ['If-Match'],
  body: aliasBody,
  response: keyResponse,
  status: 200,
  run(call) {
    const name = aliasOf(call);
    const asked = { alias: name, key: call.body.key };
    const fields = { operation: 'set-alias', change: asked };
    return recordedChange(call, fields, (work) => setAlias(work, name, call.body.key));
  },
});

const deleteAlias = endpoint({
  method: 'DELETE',
  path: '/v1/aliases/{name}',
  operation: 'remove-alias',
  summary: 'Removes an alias',
  headers: ['If-Match'],
  response: keyResponse,
  status: 200,
  run(call) {
    const name = aliasOf(call);
    const fields = { operation: 'remove-alias', change: { alias: name } };
    return recordedChange(call, fields, (work) => removeAlias(work, name));
  },
});

const publicKey = endpoint({
  method: 'GET',
  path: '/v1/keys/{key}/public',
  operation: 'read-public-key',
  summary: 'The signed public key of the active version, for wrapping offline',
  response: documentResponse,
  status: 200,
  async run({ service, actor, parameters }) {
    const view = requestView(await service.keys.view(actor.tenant));
    const { key, active } = await publishedVersion(view, actor, parameters['key'] ?? '');
    const iat = seconds(service.clock);
    const document = await service.identity.sign('bulla-key+jwt', {
      ...{ iss: service.config.external_url, iat, exp: iat + documentSeconds, serial: key.revision },
      ...{ service_id: service.config.service_id, tenant: key.tenant, key_id: key.id },
      ...{ newest_version: key.newest, floor: key.floor },
      keys: [{ version: active.version, key: encodeBase64url(active.point) }],
    });
    const { epoch, resumed } = view;
    return { status: 200, body: { document }, key: key.id, epoch, resumed, keys: view.keys() };
  },
});

const caller = endpoint({
  method: 'GET',
  path: '/v1/caller',
  operation: 'caller',
  summary: 'Who the service takes the caller for',
  response: callerResponse,
  status: 200,
  run: async ({ caller: { tenant, principal, roles } }) => ({ status: 200, body: { tenant, principal, roles } }),
});

/** Endpoints of authenticated callers beside keys and data keys; `/metrics` is among the public ones, which decide for themselves. */
export const otherEndpoints: readonly Endpoint[] = [putAlias, deleteAlias, publicKey, caller];

function aliasOf({ parameters: { name } }: Call): string {
  return validate({ name }, aliasPath).name;
}
