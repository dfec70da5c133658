/** The control plane as functions: keys are created, rotated, disabled and deleted; `docs/key-service.md` §7. */

import { assert } from '../lib/assert.ts';
import {
  integer,
  nested,
  optional,
  type Reader,
  type ReadersOf,
  takeOptions,
  takeString,
  takeText,
} from '../lib/options.ts';
import { integerField, type JsonObject } from './answer.ts';
import { type CallOptions, callReaders, type KeyServiceClient, takeIdempotencyKey } from './client.ts';

/** States of a version (§5.2). */
export type VersionState = 'active' | 'decrypt-only' | 'compromised' | 'disabled' | 'destroy-scheduled' | 'destroyed';

/** A key, as the service describes it (§7.1). Times are Unix seconds. */
export interface KeyDescription {
  readonly key_id: string;
  readonly tenant: string;
  readonly description: string;
  readonly state: 'enabled' | 'disabled';
  readonly newest_version: number;
  readonly floor: number;
  readonly created: number;
  readonly revision: number;
  /** `imported`: somebody brought its first material. */
  readonly origin: 'generated' | 'imported';
  readonly aliases: readonly string[];
  readonly rotation: RotationPolicy;
  readonly deletion: KeyDeletion | null;
  readonly versions: readonly {
    readonly version: number;
    readonly state: VersionState;
    readonly created: number;
    readonly uses: number;
  }[];
}

/** A deletion that was asked for. */
export interface KeyDeletion {
  /** The version, or `null` for the key with all of them. */
  readonly version: number | null;
  /** From the approval to the destruction. */
  readonly days: number;
  readonly requested_by: string;
  readonly requested: number;
  /** `null` until another principal approves it. */
  readonly approved_by: string | null;
  readonly destroy_at: number | null;
}

/** When the service rotates a key by itself. */
export interface RotationPolicy {
  /** 1 to 3,650, or `null` for never. */
  readonly max_age_days?: number | null | undefined;
  /** 1 to 2^40, or `null` for never. */
  readonly max_uses?: number | null | undefined;
}

/** Options of a creation. */
export interface CreateKeyOptions extends CallOptions {
  /** An alias, without `alias:`. */
  readonly alias?: string | undefined;
  readonly description?: string | undefined;
  readonly rotation?: RotationPolicy | undefined;
  /** 1 to 64 characters of `A-Z a-z 0-9 - _`. Default: a random one for this call, so that its own repetitions create one key. */
  readonly idempotencyKey?: string | undefined;
}

/** Options of a change. */
export interface ChangeKeyOptions extends CallOptions {
  /** The revision that the key must have; `ERR_SERVICE_CONFLICT` otherwise. */
  readonly revision?: number | undefined;
}

/** A deletion that is approved. */
export interface ApprovedDeletion {
  /** `null`: the key with all versions. */
  readonly version: number | null;
  readonly days: number;
}

/** What administrators of keys can do. Every method resolves to the key as it is afterwards and rejects with a `KeyServiceError`. */
export interface KeyManagement {
  create(options?: CreateKeyOptions): Promise<KeyDescription>;
  describe(key: string, options?: CallOptions): Promise<KeyDescription>;
  /** All keys that the caller may see, a page at a time. */
  list(options?: CallOptions): AsyncGenerator<KeyDescription, void, undefined>;
  /** Makes the next version. Of concurrent rotations from one version one wins; the others are `ERR_SERVICE_CONFLICT`, and so is the repetition of one whose answer was lost. */
  rotate(key: string, fromVersion: number, options?: ChangeKeyOptions): Promise<KeyDescription>;
  /** Without `version` the whole key, else a version that is not active. */
  disable(key: string, version?: number, options?: ChangeKeyOptions): Promise<KeyDescription>;
  enable(key: string, version?: number, options?: ChangeKeyOptions): Promise<KeyDescription>;
  /** There is no way back; the active version is rotated out. */
  markCompromised(key: string, version: number, options?: ChangeKeyOptions): Promise<KeyDescription>;
  /** The lowest version that may unwrap; it only rises. */
  raiseFloor(key: string, floor: number, options?: ChangeKeyOptions): Promise<KeyDescription>;
  /** Replaces the whole policy: a limit that is left out becomes `null`. */
  setRotationPolicy(key: string, policy: RotationPolicy, options?: ChangeKeyOptions): Promise<KeyDescription>;
  /** Asks for a deletion after 7 to 30 days; another principal must approve it. */
  scheduleDeletion(key: string, days: number, version?: number, options?: ChangeKeyOptions): Promise<KeyDescription>;
  /** Approves exactly this deletion, as it was asked for: of a version, or of the key (`null`), after so many days. `ERR_SERVICE_CONFLICT` for another one. */
  approveDeletion(key: string, deletion: ApprovedDeletion, options?: ChangeKeyOptions): Promise<KeyDescription>;
  cancelDeletion(key: string, options?: ChangeKeyOptions): Promise<KeyDescription>;
  setAlias(name: string, key: string, options?: CallOptions): Promise<KeyDescription>;
  deleteAlias(name: string, options?: CallOptions): Promise<KeyDescription>;
}

const orNull =
  (read: Reader<number>): Reader<number | null> =>
  (value, name) =>
    value === null ? null : read(value, name);
const takePolicy = nested({
  max_age_days: optional(orNull(integer(1, 3_650))),
  max_uses: optional(orNull(integer(1, 2 ** 40))),
} satisfies ReadersOf<RotationPolicy>);
const takeDeletion = nested({
  version: orNull(integer(1, 2 ** 32 - 1)),
  days: integer(1, 30),
} satisfies ReadersOf<ApprovedDeletion>);
const changeReaders = {
  ...callReaders,
  revision: optional(integer(0, Number.MAX_SAFE_INTEGER)),
} satisfies ReadersOf<ChangeKeyOptions>;
const createReaders = {
  ...callReaders,
  alias: optional(takeString),
  description: optional(takeString),
  rotation: optional(takePolicy),
  idempotencyKey: optional(takeIdempotencyKey),
} satisfies ReadersOf<CreateKeyOptions>;

/** The control plane of a client's service. */
export function keyManagement(client: KeyServiceClient): KeyManagement {
  assert(typeof (client as Partial<KeyServiceClient> | null)?.request === 'function', 'client', 'a client');
  const change = async (key: string, operation: string, body: object, options: ChangeKeyOptions = {}) => {
    const { revision, signal } = takeOptions(options, changeReaders);
    const path = `/v1/keys/${key}/${operation}`;
    const ifMatch = revision === undefined ? undefined : `"${revision}"`;
    return described(client.request({ method: 'POST', path, body, signal, ifMatch }));
  };
  const ask = async (method: 'GET' | 'PUT' | 'DELETE', path: string, options: CallOptions = {}, body?: object) => {
    const { signal } = takeOptions(options, callReaders);
    return described(client.request({ method, path, body, signal }));
  };
  const of = (version: number | undefined) => (version === undefined ? {} : { version });
  return {
    async create(options = {}) {
      const { idempotencyKey, signal, ...body } = takeOptions(options, createReaders);
      return described(client.request({ method: 'POST', path: '/v1/keys', body, signal, idempotencyKey }));
    },
    describe: (key, options) => ask('GET', `/v1/keys/${key}`, options),
    list: (options = {}) => listKeys(client, takeOptions(options, callReaders).signal),
    rotate: (key, from, options) => change(key, 'rotate', { from_version: from }, options),
    disable: (key, version, options) => change(key, 'disable', of(version), options),
    enable: (key, version, options) => change(key, 'enable', of(version), options),
    markCompromised: (key, version, options) => change(key, 'mark-compromised', { version }, options),
    raiseFloor: (key, floor, options) => change(key, 'raise-floor', { floor }, options),
    setRotationPolicy: async (key, policy, options) =>
      change(key, 'rotation-policy', takePolicy(policy, 'policy'), options),
    scheduleDeletion: (key, days, version, options) =>
      change(key, 'schedule-deletion', { days, ...of(version) }, options),
    approveDeletion: async (key, deletion, options) =>
      change(key, 'approve-deletion', takeDeletion(deletion, 'deletion'), options),
    cancelDeletion: (key, options) => change(key, 'cancel-deletion', {}, options),
    setAlias: async (name, key, options) =>
      ask('PUT', `/v1/aliases/${takeText(name, 'name')}`, options, { key: takeText(key, 'key') }),
    deleteAlias: async (name, options) => ask('DELETE', `/v1/aliases/${takeText(name, 'name')}`, options),
  };
}

async function* listKeys(client: KeyServiceClient, signal: AbortSignal | undefined): AsyncGenerator<KeyDescription> {
  let after = '';
  for (;;) {
    const path = `/v1/keys?limit=100${after === '' ? '' : `&after=${after}`}`;
    const { keys, next } = await client.request({ method: 'GET', path, signal });
    for (const key of Array.isArray(keys) ? (keys as KeyDescription[]) : []) yield key;
    if (typeof next !== 'string' || next <= after) return;
    after = next;
  }
}

async function described(answer: Promise<JsonObject>): Promise<KeyDescription> {
  const key = await answer;
  integerField(key, 'newest_version', 1);
  return key as unknown as KeyDescription;
}
