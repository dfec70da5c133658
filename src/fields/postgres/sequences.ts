/** Values that the database makes, and what a statement has to do with sequences: `docs/fields.md` §6.9. */

import { asKind, kindOf, list, type Node, namesIn } from './nodes.ts';

/** How a value is drawn that the database makes. */
export interface Draw {
  /** An SQL expression. */
  readonly expression: string;
  /** Whether the column takes values only when that is said (`GENERATED ALWAYS AS IDENTITY`). */
  readonly always: boolean;
  /** What may be drawn ahead of its use: numbers of a sequence that does not cycle, and random ids. */
  readonly ahead: Sequence | 'random' | undefined;
}

/** A sequence. */
export interface Sequence {
  readonly name: string;
  /** The last number that it has. */
  readonly limit: bigint;
  /** From one number to the next. */
  readonly step: bigint;
}

/** What a statement does with sequences. */
export interface SequenceUse {
  /** Whether numbers that were drawn before may come again afterwards. */
  readonly mayRestart: boolean;
  /** For `currval`, the texts that name the sequence; empty where they are not in the statement, and for `lastval`. `undefined` where neither is asked for. */
  readonly asksFor: readonly string[] | undefined;
}

/** Statements that leave all sequences as they are, unless they call `setval`. */
const steady =
  /^(Select|Insert|Update|Delete|Merge|Transaction|VariableSet|VariableShow|Listen|Unlisten|Notify|Explain|Fetch|ClosePortal|DeclareCursor|Prepare|Deallocate)Stmt$/;

/** What the statements of one text have to do with sequences. */
export function sequenceUse(statements: readonly Node[]): SequenceUse {
  const calls = new Map<string, Node[]>();
  for (const statement of statements) collectCalls(statement, calls);
  const isSteady = statements.every((statement) => steady.test(kindOf(statement)));
  return { mayRestart: !isSteady || calls.has('setval'), asksFor: askedFor(calls) };
}

function askedFor(calls: ReadonlyMap<string, readonly Node[]>): readonly string[] | undefined {
  const args = calls.get('currval');
  if (args === undefined) return calls.has('lastval') ? [] : undefined;
  const texts: string[] = [];
  return calls.has('lastval') || !collectTexts(args, texts) ? [] : texts;
}

/** The arguments of all calls, by the function's name. */
function collectCalls(node: unknown, calls: Map<string, Node[]>): void {
  if (typeof node !== 'object' || node === null) return;
  const call = asKind(node, 'FuncCall');
  const name = call && namesIn(call['funcname']).at(-1);
  if (name !== undefined) calls.set(name, [...(calls.get(name) ?? []), ...list(call?.['args'])]);
  for (const value of Object.values(node)) collectCalls(value, calls);
}

/** The constants in a node; `false` where something else is in it, whose text is not known before the statement runs. */
function collectTexts(node: unknown, texts: string[]): boolean {
  if (typeof node !== 'object' || node === null) return true;
  if (['ParamRef', 'ColumnRef', 'SubLink'].includes(kindOf(node))) return false;
  const text = asKind(asKind(node, 'A_Const')?.['sval'], 'sval');
  if (text !== undefined) texts.push(String(text));
  return Object.values(node).every((value) => collectTexts(value, texts));
}
