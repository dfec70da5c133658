/** Tokens that the key service itself gives for others, RFC 8693 and `docs/key-service.md` §9.4, §9.5. */

import { KeyServiceError } from '../../errors.ts';
import { oneOf, optional, type ReadersOf, takeOptions, takeText } from '../../lib/options.ts';
import { asObject, parseObject, stringField } from '../answer.ts';
import { exchange } from '../http.ts';
import { takeToken } from '../options.ts';
import { type TokenRequest, type TokenSource, tokenText, unavailable } from '../token.ts';

/** Options of {@link exchangedToken}. */
export interface ExchangedTokenOptions {
  /** The token of an issuer that cannot bind tokens or issues long-lived ones; a function is asked at each exchange. */
  readonly subjectToken: string | (() => string | Promise<string>);
  /** Default: `access_token`. */
  readonly subjectTokenType?: 'access_token' | 'jwt' | undefined;
}

const readers = {
  subjectToken: takeToken,
  subjectTokenType: optional(oneOf('access_token', 'jwt'), 'access_token'),
} satisfies ReadersOf<ExchangedTokenOptions>;

/** A source of tokens that exchanges another token for one that is bound to the client's proof key. Throws a `TypeError` that names a wrong option. */
export function exchangedToken(options: ExchangedTokenOptions): TokenSource {
  const { subjectToken, subjectTokenType } = takeOptions(options, readers);
  return async ({ callService }) => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: tokenText(typeof subjectToken === 'function' ? await subjectToken() : subjectToken),
      subject_token_type: `urn:ietf:params:oauth:token-type:${subjectTokenType}`,
    });
    const answer = await callService('/v1/token', 'application/x-www-form-urlencoded', form.toString());
    return stringField(answer, 'access_token');
  };
}

/**
 * A source of tokens for a user of a development service (§9.5), such as `alice@north`. For a user that the service does not have it rejects with
 * `ERR_TOKEN_UNAVAILABLE`, and says which there are.
 */
export function developmentToken(user: string): TokenSource {
  takeText(user, 'user');
  return async (request) => {
    try {
      const answer = await request.callService('/dev/token', 'application/json', JSON.stringify({ user }));
      return stringField(answer, 'access_token');
    } catch (error) {
      if (!(error instanceof KeyServiceError) || error.status !== 403) throw error;
      const users = await developmentUsers(request);
      if (users.includes(user)) throw error;
      throw unavailable(`the development service has no user ${JSON.stringify(user)}, but ${users.join(', ')}`);
    }
  };
}

async function developmentUsers({ http, serviceUrl, signal }: TokenRequest): Promise<string[]> {
  return exchange(http, {
    ...{ operation: 'token', method: 'GET', url: `${serviceUrl}/dev/users`, maxBytes: 65_536, signal },
    prepare: async () => ({ headers: {} }),
    async read({ body }) {
      const { users } = parseObject(body);
      return Array.isArray(users) ? users.map((entry, i) => stringField(asObject(entry, `users[${i}]`), 'user')) : [];
    },
  });
}
