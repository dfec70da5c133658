/** What a process knows of keys that others have told it of; `docs/key-service.md` §11.7. */

import { describe, expect, it } from 'vitest';
import { Acknowledged, RolledBack } from '../../src/store/acknowledged.ts';

const of = (revision: number, mac: string) => ({ id: 'key-a', tenant: 'north', revision, mac });
const state = { resumed: 0, epoch: 1, revisions: 3, size: 4, leaf: undefined };

describe('§11.7 a key that another process has seen', () => {
  const learned = (): Acknowledged => {
    const acknowledged = new Acknowledged();
    acknowledged.learn('north', state, [{ id: 'key-a', revision: 3 }]);
    return acknowledged;
  };
  const assert = (acknowledged: Acknowledged, ...row: Parameters<typeof of>) =>
    acknowledged.assertKey(of(...row), acknowledged.known());

  it('is not believed in an earlier revision, and is in that one and in later ones', () => {
    const acknowledged = learned();
    expect(() => assert(acknowledged, 2, 'a')).toThrow(RolledBack);
    for (const revision of [3, 4]) assert(acknowledged, revision, 'a');
    expect(acknowledged.takeDoubted()).toEqual(['north']);
  });

  it('is held to the row that was read of that revision', () => {
    const acknowledged = learned();
    acknowledged.see(of(3, 'a'));
    assert(acknowledged, 3, 'a');
    expect(() => assert(acknowledged, 3, 'b')).toThrow(RolledBack);
    acknowledged.learn('north', state, [{ id: 'key-a', revision: 3 }]);
    expect(() => assert(acknowledged, 3, 'b')).toThrow(RolledBack);
  });

  it('says nothing any more once an operator has accepted what there is', () => {
    const acknowledged = learned();
    acknowledged.renew({ tenant: 'north', resumed: 5 });
    assert(acknowledged, 1, 'a');
    acknowledged.learn('north', state, [{ id: 'key-a', revision: 3 }]);
    assert(acknowledged, 1, 'a');
  });
});
