/** What all clients of one field encryption share: plans by the text of their statement, and the catalog. */

import { FieldError } from '../../errors.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Engine } from '../engine.ts';
import { analyse } from './analyse.ts';
import { type Catalog, readCatalog } from './catalog.ts';
import { DrawsOfDatabases } from './draws.ts';
import { loadParser, type Parse } from './parser.ts';
import { type Plan, refusal } from './plan.ts';
import { type RunSql, Shadows } from './shadows.ts';
import { currentTenant } from './tenants.ts';

/** Plans that are kept, and the length of the longest text of which one is: at most about 160 MB together. */
const maxPlans = 10_000;
const maxText = 16_384;

/** A statement that was analysed. */
export interface Planned {
  readonly plan: Plan;
  readonly catalog: Catalog;
}

interface Ready {
  readonly parse: Parse;
  readonly catalog: Catalog;
}

/** See the head of this file. */
export class Seam {
  readonly engine: Engine;
  readonly draws = new DrawsOfDatabases();
  readonly #plans = new BoundedMap<string, Plan | FieldError>(maxPlans);
  readonly #pending = new Map<string, Promise<Plan | FieldError>>();
  readonly #shadows: Shadows;
  #ready: Promise<Ready> | undefined;

  constructor(engine: Engine) {
    this.engine = engine;
    this.#shadows = new Shadows(engine.settings.tables.values());
  }

  /** The tenant of a call that begins now. */
  get tenant(): string | undefined {
    return currentTenant() ?? this.engine.settings.tenant;
  }

  /** The plan of a statement; analysed once. */
  async plan(text: string, run: RunSql): Promise<Planned> {
    const ready = await this.#prepare(run);
    const known = this.#plans.get(text) ?? (await this.#once(text, ready, run));
    if ('code' in known) throw new FieldError(known.code, known.message, known);
    return { plan: known, catalog: ready.catalog };
  }

  /** Calls of the same moment share one analysis, unless it fails: each of them has a connection of its own. */
  #once(text: string, ready: Ready, run: RunSql): Promise<Plan | FieldError> {
    const pending = this.#pending.get(text);
    if (pending !== undefined) return pending.catch(() => this.#once(text, ready, run));
    const analysed = this.#analyse(text, ready, run)
      .then((plan) => {
        // A text with values in it does not come again, and is no text to keep.
        if (text.length <= maxText && !('hasLiterals' in plan && plan.hasLiterals)) this.#plans.set(text, plan);
        return plan;
      })
      .finally(() => this.#pending.delete(text));
    this.#pending.set(text, analysed);
    return analysed;
  }

  async #analyse(text: string, { parse, catalog }: Ready, run: RunSql): Promise<Plan | FieldError> {
    try {
      const parsed = parse(text);
      await this.#shadows.learn(parsed.statements, run);
      return analyse(text, parsed, { tables: this.engine.settings.tables.values(), catalog, shadows: this.#shadows });
    } catch (error) {
      if (error instanceof FieldError) return error;
      const details = (error as { sqlDetails?: { cursorPosition?: number } }).sqlDetails;
      if (details === undefined) throw error;
      // The parser's message quotes the text, in which values may stand.
      const at = `near character ${(details.cursorPosition ?? 0) + 1}`;
      return refusal(`the statement cannot be parsed ${at}`, 'Write it as PostgreSQL 18 takes it');
    }
  }

  #prepare(run: RunSql): Promise<Ready> {
    this.#ready ??= (async () => {
      const parse = await loadParser();
      return { parse, catalog: await readCatalog(this.engine.settings.tables.values(), run) };
    })().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }
}
