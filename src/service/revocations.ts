/** Having a key service refuse single data keys: asked for by one person, approved by another; `docs/key-service.md` §7.6 to §7.10. */

import { assert } from '../lib/assert.ts';
import { arrayOf, integer, matching, oneOf, optional, type ReadersOf, takeOptions } from '../lib/options.ts';
import { integerField, type JsonObject, stringField } from './answer.ts';
import { type CallOptions, callReaders, type KeyServiceClient, takeWrappedItem } from './client.ts';
import { type WrappedItem, wrappedItemJson } from './items.ts';

/** Data keys that one revocation is about (§7.7). */
export const maxRevokedItems = 100;

/** A revocation, as the service describes it (§7.8). Times are Unix seconds. */
export interface Revocation {
  readonly revocation_id: string;
  readonly tenant: string;
  readonly state: 'requested' | 'revoked' | 'undone';
  /** How many data keys it is about: what an approval has to name. */
  readonly data_keys: number;
  /** By which the service knows the data keys. */
  readonly tombstones: readonly string[];
  /** The ids of the keys that wrapped them. */
  readonly keys: readonly string[];
  readonly requested_by: string;
  readonly requested: number;
  /** `null` until another person approves it. */
  readonly approved_by: string | null;
  readonly revoked: number | null;
  /** Until then it can be approved, or undone once it is approved. */
  readonly until: number | null;
  /** The index of the receipt in the audit log (§7.9). */
  readonly leaf: number | null;
  readonly undo: {
    readonly requested_by: string;
    readonly requested: number;
    readonly approved_by: string | null;
    readonly undone: number | null;
    readonly leaf: number | null;
  } | null;
}

/** Options of {@link DataKeyRevocations.list}. */
export interface ListRevocationsOptions extends CallOptions {
  /** Those in this state alone; what nobody approved in time stays `requested`, with an `until` that is over. Default: all. */
  readonly state?: Revocation['state'] | undefined;
}

/** What those can do who revoke data keys. Every method but `list` resolves to the revocation as it is afterwards. Each rejects with a `KeyServiceError`. */
export interface DataKeyRevocations {
  /**
   * Asks for 1 to 100 data keys to be refused, whatever wrapping of them is shown. Nothing is refused until another person approves it. Asking again for exactly the same data keys gives the same
   * revocation.
   */
  request(items: readonly WrappedItem[], options?: CallOptions): Promise<Revocation>;
  describe(id: string, options?: CallOptions): Promise<Revocation>;
  /** All revocations of the tenant, or those of one state, a page at a time, in the order of ids. */
  list(options?: ListRevocationsOptions): AsyncGenerator<Revocation, void, undefined>;
  /** Approves what another person asked for, within seven days; `ERR_SERVICE_CONFLICT` for another number of data keys. From then on they are refused. */
  approve(id: string, dataKeys: number, options?: CallOptions): Promise<Revocation>;
  /** Asks for the end of a revocation, within seven days of its approval. */
  undo(id: string, options?: CallOptions): Promise<Revocation>;
  /** Approves the end that another person asked for. */
  approveUndo(id: string, dataKeys: number, options?: CallOptions): Promise<Revocation>;
}

const takeId = matching(/^rev-[a-z2-7]{26}$/, 'the id of a revocation');
const takeDataKeys = integer(1, maxRevokedItems);
const listReaders = {
  ...callReaders,
  state: optional(oneOf('requested', 'revoked', 'undone')),
} satisfies ReadersOf<ListRevocationsOptions>;
const takeItems = arrayOf(takeWrappedItem, 1);

/**
 * The revocations of a client's service. Throws a `TypeError` that names a wrong argument.
 *
 * @example
 * const asked = await dataKeyRevocations(eraser).request(items);
 * await dataKeyRevocations(officer).approve(asked.revocation_id, asked.data_keys);
 */
export function dataKeyRevocations(client: KeyServiceClient): DataKeyRevocations {
  assert(typeof (client as Partial<KeyServiceClient> | null)?.request === 'function', 'client', 'a client');
  const call = async (method: 'GET' | 'POST', path: string, options: CallOptions = {}, body?: object) => {
    const { signal } = takeOptions(options, callReaders);
    return described(await client.request({ method, path: `/v1/revocations${path}`, body, signal }));
  };
  const approval = (dataKeys: number) => ({ data_keys: takeDataKeys(dataKeys, 'dataKeys') });
  return {
    async request(items, options) {
      const taken = takeItems(items, 'items');
      assert(taken.length <= maxRevokedItems, 'items', `at most ${maxRevokedItems} items`);
      return call('POST', '', options, { items: taken.map(wrappedItemJson) });
    },
    list: (options = {}) => listed(client, takeOptions(options, listReaders)),
    describe: async (id, options) => call('GET', `/${takeId(id, 'id')}`, options),
    approve: async (id, dataKeys, options) => call('POST', `/${takeId(id, 'id')}/approve`, options, approval(dataKeys)),
    undo: async (id, options) => call('POST', `/${takeId(id, 'id')}/undo`, options, {}),
    approveUndo: async (id, dataKeys, options) =>
      call('POST', `/${takeId(id, 'id')}/approve-undo`, options, approval(dataKeys)),
  };
}

async function* listed(
  client: KeyServiceClient,
  { state, signal }: ListRevocationsOptions,
): AsyncGenerator<Revocation, void, undefined> {
  const filter = state === undefined ? '' : `&state=${state}`;
  let after = '';
  for (;;) {
    const path = `/v1/revocations?limit=100${filter}${after === '' ? '' : `&after=${after}`}`;
    const { revocations, next } = await client.request({ method: 'GET', path, signal });
    for (const each of Array.isArray(revocations) ? revocations : []) yield described(each as JsonObject);
    if (typeof next !== 'string' || next <= after) return;
    after = next;
  }
}

function described(revocation: JsonObject): Revocation {
  stringField(revocation, 'revocation_id');
  stringField(revocation, 'state');
  integerField(revocation, 'data_keys', 1, maxRevokedItems);
  return revocation as unknown as Revocation;
}
