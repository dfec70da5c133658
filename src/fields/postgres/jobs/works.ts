/** The kinds of jobs on the fields of one database. */

import { assert } from '../../../lib/assert.ts';
import type { Field } from '../../define.ts';
import type { Engine } from '../../engine.ts';
import { tableName } from '../ddl.ts';
import { fieldAt } from '../migration.ts';
import type { JobPool } from './database.ts';
import { partsOfField, type Source } from './field-rows.ts';
import { backfillWork, reencryptWork, reindexWork, verifyWork } from './field-work.ts';
import { type KeyringOf, rewrapWork } from './rewrap-work.ts';
import { walked } from './walk.ts';
import type { JobKind, Work } from './work.ts';

/** See the head of this file. */
export class Works {
  readonly fields: readonly Field[];
  readonly #engine: Engine;
  readonly #pool: JobPool;
  readonly #rewrapTo: KeyringOf | undefined;

  constructor(engine: Engine, pool: JobPool, rewrapTo: KeyringOf | undefined) {
    this.fields = [...engine.settings.tables.values()].flatMap(({ fields }) => [...fields.values()]);
    this.#engine = engine;
    this.#pool = pool;
    this.#rewrapTo = rewrapTo;
  }

  /** Throws a `TypeError` for a job that cannot be. */
  assertField(kind: JobKind, path: string | undefined): void {
    if (kind === 'rewrap') {
      assert(path === undefined || path === '', 'field', 'left out: rewrap is about all data keys');
      return;
    }
    const { definition, table } = fieldAt(this.#engine.settings.tables, path);
    assert(kind !== 'backfill' || definition.plain !== undefined, 'field', 'one with a plaintext column (plain)');
    const { tenant } = this.#engine.settings;
    assert(
      table.tenant !== undefined || tenant !== undefined,
      'tenant',
      'given to createFieldEncryption: the table has none',
    );
  }

  async of(kind: JobKind, path: string): Promise<Work> {
    if (kind === 'rewrap') return rewrapWork(await walked(this.#pool, 'bulla_data_keys'), this.#rewrapTo);
    this.assertField(kind, path);
    const source = await this.source(path);
    return { backfill: backfillWork, verify: verifyWork, reencrypt: reencryptWork, reindex: reindexWork }[kind](source);
  }

  async source(path: string): Promise<Source> {
    const { tables, tenant } = this.#engine.settings;
    const field = fieldAt(tables, path);
    const found = await walked(this.#pool, tableName(field.table));
    return { field, tenant, parts: partsOfField(field), walked: found };
  }
}
