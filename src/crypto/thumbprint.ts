/** JWK thumbprints, RFC 7638: the ids of public keys unless somebody chooses others. */

import { encodeBase64url } from '../lib/base64url.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { sha256 } from './digest.ts';

/** The thumbprint of a JWK's required members, which are given in the order of their names (§3.2): 43 characters of base64url. */
export async function thumbprint(members: Readonly<Record<string, string>>): Promise<string> {
  return encodeBase64url(await sha256(encodeUtf8(JSON.stringify(members), 'JWK')));
}
