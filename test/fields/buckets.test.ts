import { describe, expect, test } from 'vitest';
import { bucketIndex, defineFields, encrypted } from '../../src/fields.ts';
import { encryptionOf, toHex } from './support.ts';

describe('§5.2 what a search by few bits finds besides', () => {
  // The counts are sums over 10^5 and more pairs of values: 5 % is seven standard deviations and more.
  test.each([
    [8, 5_000],
    [10, 20_000],
    [16, 50_000],
  ])('of %i bits, among %i values: as many others as predicted', async (bits, count) => {
    const fields = defineFields({
      person: { row: 'id', columns: { name: encrypted.string({ index: [bucketIndex({ bits })] }) } },
    });
    const rows = Array.from({ length: count }, (_, id) => ({ id, name: `name ${id}` }));
    const sealed = await encryptionOf(fields, { tenant: 'north' }).seal('person', rows);
    const buckets = new Map<string, number>();
    for (const { name } of sealed) {
      const tag = toHex(name.subarray(3, 15));
      buckets.set(tag, (buckets.get(tag) ?? 0) + 1);
    }
    const others = [...buckets.values()].reduce((sum, size) => sum + size * (size - 1), 0) / count;
    const predicted = (count - 1) / 2 ** bits;
    expect(others / predicted).toBeGreaterThan(0.95);
    expect(others / predicted).toBeLessThan(1.05);
  });
});
