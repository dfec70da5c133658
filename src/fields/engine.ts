/** What the calls of one field encryption share: tables, keys, settings. */

import { FieldError } from '../errors.ts';
import type { Keyring } from '../keyrings/keyring.ts';
import { tell } from '../lib/callbacks.ts';
import type { OnEvent } from '../lib/events.ts';
import type { RandomSource } from '../types.ts';
import type { DataKeyStore, StoredDefinition } from './data-key-store.ts';
import type { Field, TableDefinition } from './define.ts';
import { DerivedKeys } from './derived.ts';
import type { DataKeys } from './keys.ts';
import type { CellContext } from './seal-cells.ts';

/** See the head of this file. */
export interface EngineSettings {
  readonly tables: ReadonlyMap<string, TableDefinition>;
  readonly keys: DataKeys;
  readonly store: DataKeyStore;
  readonly keyring: (tenant: string) => Keyring | Promise<Keyring>;
  readonly mode: 'strict' | 'migrating';
  readonly tenant: string | undefined;
  readonly random: RandomSource | undefined;
  readonly now: () => number;
  readonly onEvent: OnEvent | undefined;
}

/** See the head of this file. */
export class Engine {
  readonly settings: EngineSettings;
  readonly #derived = new DerivedKeys();
  #defined: Promise<void> | undefined;

  constructor(settings: EngineSettings) {
    this.settings = settings;
  }

  /** What one call works with, after the definitions were compared (§5.6). */
  async begin(signal: AbortSignal | undefined): Promise<CellContext> {
    signal?.throwIfAborted();
    const { keys, random } = this.settings;
    // Another call's signal must not end this one, and a failure is not remembered.
    this.#defined ??= this.#define().catch((error: unknown) => {
      this.#defined = undefined;
      throw error;
    });
    await this.#defined;
    signal?.throwIfAborted();
    return { keys, derived: this.#derived, random, signal };
  }

  /** Tells of a cell that is plaintext (§6.2). */
  tellPlaintext({ table, key }: Field, row: readonly string[]): void {
    tell(this.settings.onEvent, { type: 'field-plaintext', table: table.key, column: key, row });
  }

  async #define(): Promise<void> {
    const own = [...this.settings.tables.values()].flatMap(({ fields }) => [...fields.values()].flatMap(definitionsOf));
    const stored = await this.settings.store.define(own);
    const known = new Map(stored.map(({ field, version, definition }) => [`${field} ${version}`, definition]));
    for (const { field, version, definition } of own) {
      if (known.get(`${field} ${version}`) === definition) continue;
      const message = `Schema version ${version} of ${field} is not what it was: give the change a version of its own, and the old one as earlier`;
      throw new FieldError('ERR_FIELD_SCHEMA', message);
    }
  }
}

function definitionsOf({ id, name, definition }: Field): StoredDefinition[] {
  return [...definition.schemas.keys()].map((version) => ({
    field: id,
    version,
    definition: definition.describe(name, version),
  }));
}
