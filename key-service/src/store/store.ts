/** What the service needs of a database. Two implementations, one conformance suite. */

import type { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { KeyRecord, VersionUse } from '../model/keys.ts';
import type { Frontier } from '../model/merkle.ts';
import type { RevocationPage, RevocationQuery, RevocationRecord, RevokedCounts } from '../model/revocations.ts';
import type { TenantRecord } from '../model/tenants.ts';
import type { TombstoneEntry, TombstoneHead, TombstonePage } from '../model/tombstones.ts';
import type {
  Lost,
  LostOfService,
  NextPublication,
  Publication,
  Published,
  PublishedSlot,
  Resuming,
  ResumingService,
} from './published.ts';
import type { Replica, SeenReplica } from './replicas.ts';

/** A sealed secret of §11.1. */
export interface SecretRow {
  readonly kind: string;
  readonly name: string;
  readonly sealed: Bytes;
}

/** A transport key of §4; `serial` rises with each. */
export interface TransportRow {
  readonly kid: string;
  readonly serial: number;
  readonly point: Bytes;
  readonly sealed: Bytes;
  readonly created: number;
  readonly expires: number;
}

/** What a transport key is sealed as: with its times and serial, so that nobody lengthens its life in the store. */
export function transportSecretName(row: Omit<TransportRow, 'sealed' | 'point'>): string {
  return `${row.kid}/${row.serial}/${row.created}/${row.expires}`;
}

/** The state of a tenant, on which everything of it is decided. */
export interface Head {
  /** When an operator last accepted what is there, in milliseconds since 1970; 0 for never. */
  readonly resumed: number;
  /** Rises with each change of one of its keys. */
  readonly epoch: number;
  readonly tree: Frontier;
}

/** A proof that is used up. */
export interface UsedProof {
  /** A hash of proof key and `jti`. */
  readonly id: string;
  /** Unix seconds after which the proof is too old anyway. */
  readonly expires: number;
}

/** How much a principal uses of its window. */
export interface WindowUse {
  readonly principal: string;
  readonly window: number;
  readonly items: number;
  readonly limit: number;
}

/** A leaf with its entry. */
export interface StoredEntry {
  readonly index: number;
  readonly hash: Bytes;
  readonly entry: Bytes;
}

/** A request of the data plane that wants to be recorded before it is answered, §11.3. */
export interface Commit {
  /** The epoch it was decided on; `undefined` where no key was looked at. */
  readonly epoch: number | undefined;
  /** The `resumed` of the state that the epoch is of: the numbers of epochs that were lost come again. Default: 0. */
  readonly resumed?: number | undefined;
  /** The ids of all keys of the tenant that it was decided on, where every one was found: while nobody changes these, a newer epoch changes nothing. */
  readonly keys?: readonly string[] | undefined;
  /** Whether it was decided on the tenant's list of tombstones. Default: it was not. */
  readonly tombstones?: boolean | undefined;
  readonly proof: UsedProof | undefined;
  readonly use: WindowUse | undefined;
  readonly entry: LogEntry;
  readonly uses: readonly { readonly keyId: string; readonly version: number; readonly count: number }[];
  /** A subject token that is exchanged: from its first exchange on it is bound to one proof key. */
  readonly exchanged?: ExchangedToken | undefined;
}

/** A subject token of an exchange, by its hash. */
export interface ExchangedToken {
  readonly id: string;
  readonly proofKey: string;
  /** Unix seconds after which it is no use any more. */
  readonly expires: number;
}

/**
 * `stale`: decide again; `replayed`, `limited`, `bound` (a subject token, to another proof key): refuse; only `committed` and `late` may be answered. `late`: other keys
 * have changed, so look keys up again. `untrusted`: it has its leaf, but what it rests on is not to be trusted, so nothing is released.
 */
export type CommitResult = 'committed' | 'late' | 'stale' | 'replayed' | 'limited' | 'bound' | 'untrusted';

/** A stored answer to a request with an idempotency key. */
export interface StoredAnswer {
  readonly bodyHash: string;
  readonly status: number;
  readonly body: string;
}

/** A transaction that changes keys of one tenant. It holds the tenant's state; others of the tenant wait. */
export interface Change {
  /** Records the proof. `false` where it was used before. */
  claim(proof: UsedProof): Promise<boolean>;
  /** Counts what a principal uses. `false` where that is more than its window has. */
  use(use: WindowUse): Promise<boolean>;
  /** The key as it is now. */
  findKey(reference: string): Promise<KeyRecord | undefined>;
  /** The id of the key that last had an alias which none has now. */
  formerHolder(alias: string): Promise<string | undefined>;
  /** Writes a key with its versions and aliases, as its next revision, and gives it back. */
  putKey(key: KeyRecord): Promise<KeyRecord>;
  /** Whether any version of the tenant's keys has material. */
  hasMaterial(): Promise<boolean>;
  /** What operators have set for the tenant. */
  findTenant(): Promise<TenantRecord>;
  /** Writes that as its next revision, and gives it back. */
  putTenant(record: TenantRecord): Promise<TenantRecord>;
  findRevocation(id: string): Promise<RevocationRecord | undefined>;
  /** The revocations of the same data keys, newest first. */
  sameRevocations(digest: string): Promise<RevocationRecord[]>;
  /** Data keys that were asked for, and revoked, after a moment. */
  revokedSince(after: number): Promise<RevokedCounts>;
  /** Writes a revocation as its next revision, and gives it back. */
  putRevocation(revocation: RevocationRecord): Promise<RevocationRecord>;
  /** Adds to the list of tombstones, and gives its new head. */
  addTombstones(entries: readonly TombstoneEntry[]): Promise<TombstoneHead>;
  /** Adds a leaf to the tenant's log. */
  append(entry: LogEntry): void;
  findAnswer(id: string): Promise<StoredAnswer | undefined>;
  putAnswer(id: string, answer: StoredAnswer, expires: number): Promise<void>;
  /** Entries of the tenant's log before this transaction. */
  readonly size: number;
}

/** A tenant whose log begins with an entry. */
export interface NewTenant {
  readonly name: string;
  readonly first: LogEntry;
}

/** A transaction on what is nobody's but the service's. It holds the service's state, and no tenant waits for it but where a method says so. */
export interface ServiceChange {
  /** Adds a leaf to the service's own log. */
  append(entry: LogEntry): void;
  /** The names of all tenants. Throws `IntegrityError` where there are not as many as the state says. */
  tenants(): Promise<string[]>;
  /** Adds a tenant, which has no keys. */
  addTenant(tenant: NewTenant): Promise<void>;
  /** Changes what is a tenant's in the same transaction, under the lock of that tenant, too. */
  changeTenant<T>(tenant: string, work: (change: Change) => Promise<T>): Promise<T>;
  transportKeys(): Promise<TransportRow[]>;
  putTransportKey(row: TransportRow): Promise<void>;
  /**
   * Replaces secrets, and removes all transport keys: they were published under an identity that is no more. All tenants wait. Every row that has a MAC is checked under the
   * key of before and gets one under `macKey`, as the last thing that this transaction does to rows. Throws `IntegrityError` for a row that does not fit.
   */
  replaceSecrets(rows: readonly SecretRow[], macKey: Bytes): Promise<void>;
  /** Replaces every sealed secret, while all tenants wait. Their number. */
  reseal(work: (secret: SealedSecret) => Promise<Bytes>): Promise<number>;
  /** Processes that serve, or did until a while ago. */
  replicas(): Promise<SeenReplica[]>;
  /** Ends the service of all replicas: none of them changes anything until it is restarted. */
  retireReplicas(): Promise<void>;
  /** Entries of the service's log before this transaction, and their root. */
  readonly size: number;
  readonly root: Bytes;
}

/** The rows of a table, as backups hold them. */
export interface TableRow {
  readonly table: string;
  readonly row: Readonly<Record<string, string | number | null | Bytes>>;
}

/** A secret in any table that the root key seals, for sealing it again. */
export interface SealedSecret {
  readonly kind: string;
  readonly name: string;
  readonly sealed: Bytes;
}

/** Opens a secret that the root key seals. Throws `OperatorError`. */
export type OpenSecret = (secret: SealedSecret) => Promise<Bytes>;

/** A database of the service. All methods throw `StoreError` where it cannot be reached or written. */
export interface Store {
  readonly kind: 'sqlite' | 'postgres';
  /** Transactions that it runs at once. */
  readonly connections: number;
  /**
   * Brings the schema up to date; safe where several start at once. `open` opens a sealed secret, where the rows of keys need new MACs (§12.1). Throws `OperatorError` for a
   * newer schema, and for keys without `open`; `IntegrityError` for rows that do not fit.
   */
  migrate(open?: OpenSecret): Promise<void>;
  /** Whether the schema is that of this version. */
  assertMigrated(): Promise<void>;
  /** Gives the key of the MACs over rows; before that, only secrets can be read. */
  unlock(macKey: Bytes): void;
  secrets(): Promise<SecretRow[]>;
  /** Adds secrets whose names are free, and leaves others as they are. */
  addSecrets(rows: readonly SecretRow[]): Promise<void>;
  /** The state of a tenant, or of the service under the empty name. Throws `IntegrityError` where there is none. */
  head(tenant: string): Promise<Head>;
  /** The names of all tenants. */
  tenants(): Promise<string[]>;
  /** Records requests of one tenant, in order. */
  commit(tenant: string, batch: readonly Commit[]): Promise<CommitResult[]>;
  /** Changes keys of one tenant. */
  change<T>(tenant: string, work: (change: Change) => Promise<T>): Promise<T>;
  changeService<T>(work: (change: ServiceChange) => Promise<T>): Promise<T>;
  /**
   * Publishes the heads of all tenants' logs, unless somebody has since. Each is computed from the leaves behind the head that was published before; a log that does not
   * continue that head keeps it. Nobody waits while it is computed. Throws `IntegrityError` where the heads are not those that were published.
   */
  publish(next: NextPublication, since: number): Promise<Published>;
  /** The newest publication; `undefined` where there is none. Throws `IntegrityError` where its heads do not have the root that its leaf says. */
  publication(): Promise<Publication | undefined>;
  /** What it says of a tenant; `undefined` where none has named the tenant yet. */
  publishedSlot(tenant: string): Promise<PublishedSlot | undefined>;
  /** That every log continues its published head. Throws `IntegrityError`. */
  verifyHeads(): Promise<void>;
  /**
   * Checks what {@link verifyHeads} does and, with `keys`, {@link verifyKeys}, and from now on does nothing for a tenant that is refused: `IntegrityError`. These tenants, with
   * the reason. Throws `IntegrityError` for what is no tenant's.
   */
  haltRefused(what: { readonly keys: boolean }): Promise<ReadonlyMap<string, IntegrityError>>;
  /**
   * Tells other processes, and is told by them, what is known of tenants whose rows in the database are older. They do nothing for these, either, until the database continues
   * that or somebody accepts what it has.
   */
  shareMemory(): Promise<void>;
  /** What was lost of a tenant, and, where that is accepted, goes on with what there is. Throws `OperatorError` and `IntegrityError` for what nobody can accept. */
  resume(tenant: string, resuming: Resuming): Promise<Lost>;
  /** The same of the service's own log, and of the heads that it has published. */
  resumeService(resuming: ResumingService): Promise<LostOfService>;
  findKey(tenant: string, reference: string): Promise<KeyRecord | undefined>;
  /** Keys by the references that they were found by; one that does not exist is left out, and for one that is not to be trusted there is an error. */
  findKeys(tenant: string, references: readonly string[]): Promise<Map<string, KeyRecord | IntegrityError>>;
  listKeys(tenant: string, after: string, limit: number): Promise<KeyRecord[]>;
  findRevocation(tenant: string, id: string): Promise<RevocationRecord | undefined>;
  listRevocations(tenant: string, query: RevocationQuery): Promise<RevocationPage>;
  /** Entries of a tenant's list of tombstones behind a head that was reached, and the newest head. Throws `IntegrityError` for a list that lacks one. */
  tombstones(tenant: string, after: TombstoneHead): Promise<TombstonePage>;
  /** What operators have set for a tenant. */
  findTenant(tenant: string): Promise<TenantRecord>;
  /** Tenants whose end has come and is not complete. */
  closingTenants(now: number): Promise<string[]>;
  /** Ids and tenants of keys whose rotation policy or deletion is due. */
  dueKeys(now: number): Promise<{ readonly id: string; readonly tenant: string }[]>;
  /** Versions of keys by id, and whether they may be used: a key that is gone has none. MACs are not checked: this is for forgetting. */
  versionUses(ids: readonly string[]): Promise<VersionUse[]>;
  /** Checks every key, revocation and list of tombstones, and for each tenant the sum of their revisions. Throws `IntegrityError`. */
  verifyKeys(): Promise<void>;
  transportKeys(): Promise<TransportRow[]>;
  /** Hashes of perfect subtrees of a tenant's log, or the service's. */
  nodes(log: string, level: number, from: number, to: number): Promise<Bytes[]>;
  /** Entries of a log in order, the first of them in any case, and no more than about 4 MiB. */
  entries(log: string, from: number, to: number): Promise<StoredEntry[]>;
  /** Forgets what has expired: proofs, windows, answers, transport keys. */
  expire(now: number): Promise<void>;
  /** Hands out every row of one state of the database, waiting for each to be taken. */
  dump(write: (row: TableRow) => Promise<void>): Promise<void>;
  /** Fills an empty database. `open` opens a sealed secret, where the rows are of an older schema. */
  load(rows: AsyncIterable<TableRow>, open?: OpenSecret): Promise<void>;
  /** Milliseconds since 1970 by the clock of the database; `undefined` where it has none of its own. */
  time(): Promise<number | undefined>;
  /**
   * Seals again, by `work`, up to `limit` secrets that are not under the root key with this id, and gives how many there were. Nobody waits for it, and no epoch moves:
   * what somebody changes or destroys meanwhile stays as they left it.
   */
  reseal(rootId: string, limit: number, work: OpenSecret): Promise<number>;
  /** How many secrets are under each root key, by its id. */
  sealedUnder(): Promise<Map<string, number>>;
  /** Processes that serve, or did until a while ago. */
  replicas(): Promise<SeenReplica[]>;
  /** From now on this process serves the database, and changes it only for as long as nobody retires it. `now` is in seconds. Throws `OperatorError` beside a live replica whose root keys do not go with its own. */
  join(replica: Replica, now: number): Promise<void>;
  /** A sign of life of the replica that joined. Throws `IntegrityError` where it was retired. */
  beat(now: number): Promise<void>;
  /** Whether it can be written. Throws `StoreError`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
