/** PostgreSQL's own parser, from the optional package `libpg-query`. */

import type { Node } from './nodes.ts';
import type { Token } from './sql-text.ts';

/** A statement of a text. */
export interface Parsed {
  readonly statements: readonly Node[];
  readonly tokens: readonly Token[];
}

/** Parses a text. Throws what the parser throws for what is no SQL: the server says that better. */
export type Parse = (text: string) => Parsed;

let parser: Promise<Parse> | undefined;

/** Loads the parser, once. Rejects with an error that says what to install. */
export function loadParser(): Promise<Parse> {
  parser ??= load().catch((error: unknown) => {
    parser = undefined;
    throw error;
  });
  return parser;
}

async function load(): Promise<Parse> {
  let library: typeof import('libpg-query');
  try {
    library = await import('libpg-query');
  } catch (cause) {
    throw new Error('bulla/fields/postgres needs the package libpg-query (version 18): npm install libpg-query', {
      cause,
    });
  }
  await library.loadModule();
  return (text) => {
    const { stmts = [] } = library.parseSync(text);
    return {
      statements: stmts.map(({ stmt }) => (stmt ?? {}) as Node),
      tokens: library.scanSync(text).tokens.filter(({ tokenName }) => !/COMMENT/.test(tokenName)),
    };
  };
}
