// One call for one plaintext in memory: bulla beside a bare loop that keeps its result, and beside what else has such a call.

import type { BareOneShot } from '../lib/bare-one-shot.ts';
import { makeNoise } from '../lib/payload.ts';
import { candidatesOf, type Plan } from '../lib/plan.ts';
import { type Candidate, interleave } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

/** Another library's one-shot calls. */
export interface OneShotPeer {
  readonly name: string;
  /** Bytes that it can be given in reasonable time. */
  readonly most?: number;
  encrypt(plaintext: Uint8Array): unknown;
  decrypt(message: never): unknown;
}

/** Where it runs. */
export interface OneShotPlatform {
  readonly runtime: string;
  readonly title: string;
  readonly limit: string;
  readonly bare: BareOneShot;
  readonly peers: readonly OneShotPeer[];
  readonly report?: (text: string) => void;
}

const sizes = { '64 KiB': 2 ** 16, '1 MiB': 2 ** 20, '64 MiB': 2 ** 26 };
/** Bytes of a run: enough calls that a clock can tell. */
const perRun = 2 ** 25;

/** Both ways, for three sizes. */
export async function oneShot(plan: Plan, platform: OneShotPlatform): Promise<Section[]> {
  const sections: Section[] = [];
  for (const [label, size] of Object.entries(sizes)) {
    const plaintext = makeNoise(size);
    const count = Math.max(1, perRun / size / (plan.quick ? 2 : 1));
    const { encrypt, decrypt } = await candidatesOf(plan, (build) => build.bullaOneShot(plaintext, count));
    await addOthers({ encrypt, decrypt }, platform, plaintext, count);
    const rounds = plan.quick ? 5 : 9;
    for (const [way, candidates] of Object.entries({ encrypt, decrypt })) {
      const rows = await interleave(candidates, rounds, platform.report);
      sections.push({
        id: `${platform.runtime}/one-shot/${label}/${way}`,
        title: `${platform.title}: ${label} in memory, ${way}`,
        unit: 'MB/s',
        rows: rows.map((row) => ({
          ...row,
          ...{ median: row.median / 1e6, least: row.least / 1e6, most: row.most / 1e6 },
        })),
      });
    }
  }
  return sections;
}

async function addOthers(
  { encrypt, decrypt }: { encrypt: Candidate[]; decrypt: Candidate[] },
  { limit, bare, peers }: OneShotPlatform,
  plaintext: Uint8Array<ArrayBuffer>,
  count: number,
): Promise<void> {
  const add = async (
    name: string,
    kind: 'limit' | 'peer',
    times: number,
    seal: () => unknown,
    open: (sealed: never) => unknown,
  ) => {
    const sealed = (await seal()) as never;
    const repeated = (call: () => unknown) => async () => {
      for (let i = 0; i < times; i++) await call();
      return times * plaintext.byteLength;
    };
    encrypt.push({ name, kind, run: repeated(seal) });
    decrypt.push({ name, kind, run: repeated(() => open(sealed)) });
  };
  await add(limit, 'limit', count, () => bare.seal(plaintext), bare.open);
  for (const { name, most = Number.POSITIVE_INFINITY, encrypt: seal, decrypt: open } of peers) {
    if (plaintext.byteLength > most) continue;
    await add(name, 'peer', Math.ceil(count / 2), () => seal(plaintext), open);
  }
}
