/** Seals again what earlier root keys sealed, beside replicas that serve; `docs/key-service.md` §12.4. */

import { randomUUID } from 'node:crypto';
import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import type { LogEntry } from '../model/entry.ts';
import type { RootKey, SecretName } from '../seals/root-key.ts';
import { liveReplicas } from '../store/replicas.ts';
import type { SealedSecret, Store } from '../store/store.ts';

/** Options of {@link resealSecrets}. */
export interface Resealing {
  readonly store: Store;
  readonly changes: Pick<CheckpointedChanges, 'runService'>;
  /** The one that everything is to be under, which opens what the others sealed. */
  readonly rootKey: RootKey;
  readonly clock: Clock;
  /** The leaf of an act of the operator. */
  readonly entry: (operation: string, change: Record<string, unknown>) => LogEntry;
}

/** What came of it. */
export interface Resealed {
  readonly root: string;
  readonly secrets: number;
  /** Secrets that are under other root keys, by their ids: others have sealed them meanwhile. */
  readonly left: Readonly<Record<string, number>>;
  /** Replicas that go on sealing under another root key. */
  readonly others: readonly string[];
}

const secretsAtOnce = 200;

/** Takes up where another one ended. Throws `OperatorError` beside a replica that does not have the root key. */
export async function resealSecrets({ store, changes, rootKey, clock, entry }: Resealing): Promise<Resealed> {
  // Counts as a replica while it runs: none begins that could not open what this seals.
  await store.join({ id: randomUUID(), name: 'root-key reseal', roots: rootKey.ids }, seconds(clock));
  const from = othersOf(await store.sealedUnder(), rootKey);
  await changes.runService(async (change) => change.append(entry('reseal-secrets', { to: rootKey.id, from })));
  const work = async ({ kind, name, sealed }: SealedSecret) => {
    const secretName = { kind, name } as SecretName;
    const secret = await rootKey.open(secretName, sealed);
    const resealed = await rootKey.seal(secretName, secret);
    secret.fill(0);
    return resealed;
  };
  let secrets = 0;
  for (;;) {
    const page = await store.reseal(rootKey.id, secretsAtOnce, work);
    if (page === 0) break;
    secrets += page;
    await store.beat(seconds(clock));
  }
  const live = liveReplicas(await store.replicas(), seconds(clock));
  const others = live.filter(({ roots }) => roots[0] !== rootKey.id).map(({ name }) => name);
  return { root: rootKey.id, secrets, left: othersOf(await store.sealedUnder(), rootKey), others };
}

function othersOf(counts: ReadonlyMap<string, number>, { id }: RootKey): Record<string, number> {
  return Object.fromEntries([...counts].filter(([root]) => root !== id));
}
