/** The job on data keys: each is wrapped again, and no other table is touched. `docs/fields.md` §10.13. */

import { FieldError } from '../../../errors.ts';
import { assertKeyring, type Keyring } from '../../../keyrings/keyring.ts';
import { copy } from '../../../lib/bytes.ts';
import type { Bytes } from '../../../types.ts';
import type { DataKeyRow } from '../../data-key-store.ts';
import type { Engine } from '../../engine.ts';
import { rewrapRow } from '../../rewrap-key.ts';
import { toBytea } from '../bytea.ts';
import type { Walked } from './walk.ts';
import type { JobFault, Work } from './work.ts';

/** The keyring of a tenant. */
export type KeyringOf = (tenant: string) => Keyring | Promise<Keyring>;

const updateSql = `UPDATE bulla_data_keys AS k SET wrapped = v.new
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS v (id, old, new)
WHERE k.id = v.id AND k.wrapped = v.old AND k.state <> 'shredded'`;

/** Wraps data keys again, with another keyring or the newest version of the same. */
export function rewrapWork(walked: Walked, rewrapTo: KeyringOf | undefined): Work {
  return {
    walked,
    reading: {
      columns: {
        ...Object.fromEntries(
          ['id', 'tenant', 'subject', 'purpose', 'field', 'version', 'state'].map((name) => [name, name]),
        ),
        ...{ created: 'created::text', wrapped: 'wrapped' },
      },
      size: 'octet_length(wrapped)',
      where: `wrapped IS NOT NULL AND state <> 'shredded'`,
    },
    left: undefined,
    async prepare(batch, engine, signal) {
      const results = await Promise.all(
        batch.rows.map((row) => rewrapOne(rowOf(row), engine, rewrapTo, signal).then((made) => ({ row, ...made }))),
      );
      const faults = results.flatMap(({ row, fault }): JobFault[] =>
        fault === undefined ? [] : [{ row: row.key, fault }],
      );
      const changed = results.flatMap(({ row, made }) => (made === undefined ? [] : [{ row: rowOf(row), made }]));
      return {
        faults,
        async store(client) {
          if (changed.length === 0) return { written: 0, missed: 0, faults: [] };
          const { rowCount } = await client.query(updateSql, [
            changed.map(({ row }) => toBytea(row.id)),
            changed.map(({ row }) => toBytea(row.wrapped as Bytes)),
            changed.map(({ made }) => toBytea(made)),
          ]);
          return { written: rowCount ?? 0, missed: changed.length - (rowCount ?? 0), faults: [] };
        },
      };
    },
  };
}

async function rewrapOne(
  row: DataKeyRow,
  { settings }: Engine,
  rewrapTo: KeyringOf | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly made?: Bytes | undefined; readonly fault?: string }> {
  const [from, to] = [await settings.keyring(row.tenant), await (rewrapTo ?? settings.keyring)(row.tenant)];
  assertKeyring(from, 'what keyring() returns');
  assertKeyring(to, 'what rewrapTo() returns');
  try {
    return { made: await rewrapRow(row, from, to, signal) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { fault: error.code };
  }
}

function rowOf(row: Readonly<Record<string, unknown>>): DataKeyRow {
  const { id, wrapped, created } = row;
  return {
    ...(row as unknown as DataKeyRow),
    id: copy(id as Uint8Array),
    created: Number(created),
    wrapped: copy(wrapped as Uint8Array),
  };
}
