// 100 B to a P-384 key: bulla beside the bare calls and jose.

import type { BareAgreement } from '../lib/bare-agreement.ts';
import { makeNoise } from '../lib/payload.ts';
import { candidatesOf, type Plan } from '../lib/plan.ts';
import { interleave } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';
import type { Peer } from '../peers/portable.ts';

/** Both ways. */
export async function recipients(
  plan: Plan,
  { runtime, title, limits, peers }: RecipientsPlatform,
  report?: (text: string) => void,
): Promise<Section[]> {
  const plaintext = makeNoise(100);
  const count = plan.quick ? 60 : 150;
  const { encrypt, decrypt } = await candidatesOf(plan, (build) => build.bullaRecipient(plaintext, count));
  const repeated = (call: () => unknown) => async () => {
    for (let i = 0; i < count; i++) await call();
    return count;
  };
  for (const [name, bare] of Object.entries(limits)) {
    encrypt.push({ name, kind: 'limit', run: repeated(bare.encrypt) });
    decrypt.push({ name, kind: 'limit', run: repeated(bare.decrypt) });
  }
  for (const peer of peers) {
    const message = await peer.encrypt(plaintext);
    encrypt.push({ name: peer.name, kind: 'peer', run: repeated(() => peer.encrypt(plaintext)) });
    decrypt.push({ name: peer.name, kind: 'peer', run: repeated(() => peer.decrypt(message)) });
  }
  const rounds = plan.quick ? 5 : 9;
  const section = async (way: string, candidates: typeof encrypt): Promise<Section> => ({
    id: `${runtime}/recipients/${way}`,
    title: `${title}: 100 B to a P-384 key, ${way}`,
    unit: 'messages/s',
    rows: await interleave(candidates, rounds, report),
  });
  return [await section('encrypt', encrypt), await section('decrypt', decrypt)];
}

/** Where it runs; the first limit is the one that counts. */
export interface RecipientsPlatform {
  readonly runtime: string;
  readonly title: string;
  readonly limits: Readonly<Record<string, BareAgreement>>;
  readonly peers: readonly Peer[];
}
