/** Nodes of PostgreSQL's parse tree, as JSON has them: `{ ColumnRef: { … } }`. */

/** The inside of a node. */
export type Inside = { readonly [name: string]: unknown };

/** A node with its kind. */
export type Node = { readonly [kind: string]: Inside };

/** The inside of a node of one kind, or `undefined`. */
export function asKind(node: unknown, kind: string): Inside | undefined {
  return (node as Node | null | undefined)?.[kind];
}

/** The kind of a node. */
export function kindOf(node: unknown): string {
  return typeof node === 'object' && node !== null ? (Object.keys(node)[0] ?? '') : '';
}

/** A list of nodes, where there is one. */
export function list(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value : [];
}

/** Where a node stands in the text, in bytes; the first place has no number. */
export function locationOf(inside: Inside): number {
  return typeof inside['location'] === 'number' ? inside['location'] : 0;
}

/** The names in a list of `String` nodes; `*` for a star. */
export function namesIn(value: unknown): readonly string[] {
  return list(value).map((node) => {
    if (kindOf(node) === 'A_Star') return '*';
    return String(asKind(node, 'String')?.['sval'] ?? '');
  });
}

/** A parameter, a constant, NULL or DEFAULT: what stands for one value. */
export type Item =
  | {
      readonly kind: 'param';
      readonly number: number;
      readonly at: number;
      readonly cast: boolean;
      /** What the statement puts behind it, and where. */
      readonly suffix?: { readonly text: string; readonly at: number };
    }
  | { readonly kind: 'constant'; readonly value: unknown; readonly at: number; readonly cast: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'default'; readonly at: number };

/** A node as an item, or `undefined` for anything else. */
export function itemOf(node: unknown): Item | undefined {
  const cast = asKind(node, 'TypeCast');
  if (cast !== undefined) {
    const inner = itemOf(cast['arg']);
    return inner === undefined || inner.kind === 'default' || inner.kind === 'null' ? inner : { ...inner, cast: true };
  }
  const param = asKind(node, 'ParamRef');
  if (param !== undefined)
    return { kind: 'param', number: Number(param['number']), at: locationOf(param), cast: false };
  const def = asKind(node, 'SetToDefault');
  if (def !== undefined) return { kind: 'default', at: locationOf(def) };
  const constant = asKind(node, 'A_Const');
  if (constant === undefined) return undefined;
  if (constant['isnull'] === true) return { kind: 'null' };
  return { kind: 'constant', value: constantValue(constant), at: locationOf(constant), cast: false };
}

/** A parameter with `%` behind it, as Prisma writes the pattern of a beginning: `$1 || '%'`. */
export function itemOfPattern(node: unknown): Item | undefined {
  const joined = asKind(node, 'A_Expr');
  if (joined === undefined) return itemOf(node);
  const [first, second] = [itemOf(joined['lexpr']), itemOf(joined['rexpr'])];
  const isPattern = joined['kind'] === 'AEXPR_OP' && namesIn(joined['name']).join() === '||';
  if (!isPattern || first?.kind !== 'param' || second?.kind !== 'constant' || second.cast) return undefined;
  return second.value === '%' ? { ...first, suffix: { text: '%', at: second.at } } : undefined;
}

/** Zero, false and the empty string are left out of the JSON. */
function constantValue({ sval, ival, fval, boolval }: Inside): unknown {
  if (sval !== undefined) return (sval as Inside)['sval'] ?? '';
  if (ival !== undefined) return (ival as Inside)['ival'] ?? 0;
  if (fval !== undefined) return (fval as Inside)['fval'];
  return (boolval as Inside | undefined)?.['boolval'] ?? false;
}
