// Which functions that the package gives out do not take their options: exported ones, and methods of what they return, wherever they are written.

import { resolve } from 'node:path';
import ts from 'typescript';
import { hasBody, isMechanism, isOurs, Parameters, type WithBody } from './taken-parameters.ts';

/** Functions with options that were looked at, as `file: function`, and what is wrong with some. */
export interface Findings {
  readonly checked: readonly string[];
  readonly faults: readonly string[];
}

/** Follows the options of everything that some entries give out through the call graph. */
export function optionsNotTaken(program: ts.Program, entries: readonly string[]): Findings {
  const search = new Search(program.getTypeChecker());
  for (const entry of entries) search.entry(program.getSourceFile(entry) as ts.SourceFile);
  // Only now is it known which interfaces are given out.
  for (const file of program.getSourceFiles().filter(isOurs)) search.implementations(file);
  return search.findings();
}

/** A method with options that an interface promises. */
interface Method {
  /** Which of its parameters they are. */
  readonly at: number;
  /** Whether something was found that implements it. */
  found: boolean;
}

class Search {
  readonly #checker: ts.TypeChecker;
  readonly #parameters: Parameters;
  readonly #checked = new Set<string>();
  readonly #faults = new Set<string>();
  readonly #methods = new Map<ts.Declaration, Method>();
  readonly #seen = new Set<ts.Type>();

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
    this.#parameters = new Parameters(checker);
  }

  findings(): Findings {
    const unfound = [...this.#methods].filter(([, { found }]) => !found);
    const faults = unfound.map(([method]) => `${placeOf(method)}: nothing that implements it was found`);
    return { checked: [...this.#checked], faults: [...this.#faults, ...faults] };
  }

  /** Looks at the exports of a file, and notes the methods of what they return. */
  entry(file: ts.SourceFile): void {
    for (const exported of this.#checker.getExportsOfModule(this.#checker.getSymbolAtLocation(file) as ts.Symbol)) {
      const isAlias = exported.flags & ts.SymbolFlags.Alias;
      const symbol = isAlias ? this.#checker.getAliasedSymbol(exported) : exported;
      // The classes are errors.
      if (symbol.flags & ts.SymbolFlags.Class || !(symbol.flags & ts.SymbolFlags.Value)) continue;
      for (const declaration of symbol.declarations ?? []) this.#value(declaration, placeOf(declaration));
      this.#returned(this.#checker.getTypeOfSymbol(symbol));
    }
  }

  #returned(type: ts.Type): void {
    const signatures = type.getCallSignatures();
    for (const signature of signatures) {
      const result = signature.getReturnType();
      this.#members(this.#checker.getAwaitedType(result) ?? result);
    }
    // An object of functions, such as `encrypted`.
    if (signatures.length === 0) this.#members(type);
  }

  #members(type: ts.Type): void {
    if (this.#seen.has(type)) return;
    this.#seen.add(type);
    for (const each of type.isUnion() ? type.types : []) this.#members(each);
    for (const member of type.getProperties()) {
      const declaration = member.declarations?.[0];
      if (declaration === undefined || !isOurs(declaration.getSourceFile())) continue;
      const memberType = this.#checker.getNonNullableType(this.#checker.getTypeOfSymbol(member));
      const signature = memberType.getCallSignatures().find((each) => this.#hasOptions(each));
      const isPromise = ts.isMethodSignature(declaration) || ts.isPropertySignature(declaration);
      if (signature !== undefined) {
        if (isPromise) this.#methods.set(declaration, { at: signature.getParameters().length - 1, found: false });
        else this.#value(declaration, placeOf(declaration));
      }
      this.#returned(memberType);
    }
  }

  #hasOptions(signature: ts.Signature): boolean {
    const last = signature.getParameters().at(-1);
    return last !== undefined && this.#parameters.isOptions(this.#checker.getTypeOfSymbol(last));
  }

  /** Looks at every object that is made as one of the interfaces. */
  implementations(node: ts.Node): void {
    if (ts.isObjectLiteralExpression(node)) {
      const type = this.#checker.getContextualType(node);
      if (type !== undefined && isWork(node)) this.#work(node, this.#checker.getNonNullableType(type));
      else if (type !== undefined && !isMechanism(node.getSourceFile())) {
        this.#object(node, this.#checker.getNonNullableType(type));
      }
    } else if (ts.isAsExpression(node) && !isMechanism(node.getSourceFile())) {
      this.#asserted(node.expression, this.#checker.getTypeFromTypeNode(node.type));
    } else if (ts.isClassDeclaration(node)) {
      const types = (node.heritageClauses ?? []).flatMap((clause) => clause.types);
      const isOne = types.some((type) => this.#promised(this.#checker.getTypeAtLocation(type)).length > 0);
      if (isOne) this.#faults.add(`${placeOf(node)}: a class, which is not looked at here`);
    }
    ts.forEachChild(node, (child) => this.implementations(child));
  }

  /** The methods with options that a type promises, by name. */
  #promised(type: ts.Type) {
    return type.getProperties().flatMap(({ name, declarations = [] }) => {
      const method = declarations.map((each) => this.#methods.get(each)).find((each) => each !== undefined);
      return method === undefined ? [] : [[name, method] as const];
    });
  }

  #asserted(expression: ts.Expression, type: ts.Type): void {
    const inner = unwrapped(expression);
    const isPromised = this.#promised(this.#checker.getTypeAtLocation(inner)).length > 0;
    if (this.#promised(type).length === 0 || isPromised) return;
    const declaration = ts.isIdentifier(inner) ? this.#checker.getSymbolAtLocation(inner)?.valueDeclaration : undefined;
    if (ts.isObjectLiteralExpression(inner)) this.#object(inner, type);
    else if (declaration && ts.isVariableDeclaration(declaration) && declaration.initializer) {
      this.#asserted(declaration.initializer, type);
      // Not what a caller gave.
    } else if (declaration === undefined || !ts.isParameter(declaration)) {
      this.#faults.add(`${placeOf(inner)}: ${inner.getText()} cannot be followed to what makes it`);
    }
  }

  /** The work of methods, whose options were taken by then. */
  #work(literal: ts.ObjectLiteralExpression, type: ts.Type): void {
    for (const [name, method] of this.#promised(type)) {
      const member = literal.properties.find((each) => each.name?.getText() === name);
      if (member === undefined) continue;
      method.found = true;
      this.#checked.add(placeOf(member));
    }
  }

  #object(literal: ts.ObjectLiteralExpression, type: ts.Type): void {
    for (const [name, method] of this.#promised(type)) {
      for (const member of literal.properties) {
        const spread = ts.isSpreadAssignment(member) ? this.#checker.getTypeAtLocation(member.expression) : undefined;
        const own = member.name?.getText() === name ? member : undefined;
        const made = spread === undefined ? own : spread.getProperty(name)?.valueDeclaration;
        // What is spread and has the type of the interface was made elsewhere.
        if (made === undefined || this.#methods.has(made)) continue;
        method.found = true;
        this.#value(made, `${placeOf(literal)}.${name}`, method.at);
      }
    }
  }

  /** Looks at what should be a function with options, the last of its parameters or the one `at` a place: by itself, by a name, or returned by a call. */
  #value(node: ts.Node, place: string, at?: number): void {
    const found = unwrapped(node);
    if (hasBody(found)) this.#check(found, at);
    const next = this.#next(found);
    for (const each of next) this.#value(each, place, at);
    const signatures = this.#checker.getTypeAtLocation(found).getCallSignatures();
    const isExpected = next.length === 0 && !ts.isFunctionLike(found);
    if (isExpected && signatures.some((signature) => this.#hasOptions(signature))) {
      this.#faults.add(`${place}: cannot be followed`);
    }
  }

  #next(node: ts.Node): readonly ts.Node[] {
    if (ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node))
      return node.initializer ? [node.initializer] : [];
    if (ts.isObjectLiteralExpression(node)) return node.properties;
    if (ts.isCallExpression(node)) {
      const made = this.#checker.getResolvedSignature(node)?.declaration;
      return hasBody(made) ? returnedFrom(made.body) : [];
    }
    const symbol = ts.isShorthandPropertyAssignment(node)
      ? this.#checker.getShorthandAssignmentValueSymbol(node)
      : ts.isIdentifier(node) && this.#checker.getSymbolAtLocation(node);
    return symbol ? (symbol.declarations ?? []) : [];
  }

  #check(declaration: WithBody, at: number | undefined): void {
    const parameter = at === undefined ? this.#lastForOptions(declaration) : declaration.parameters[at];
    if (parameter === undefined) return;
    this.#checked.add(placeOf(declaration));
    const fault = this.#parameters.fault(parameter);
    if (fault !== undefined) this.#faults.add(`${placeOf(declaration)}: ${fault}`);
  }

  /** The last parameter, if its type or its name says that it is for options. */
  #lastForOptions({ parameters }: WithBody): ts.ParameterDeclaration | undefined {
    const last = parameters.at(-1);
    if (last === undefined) return undefined;
    const isForOptions = this.#parameters.isOptions(this.#checker.getTypeAtLocation(last));
    return isForOptions || last.name.getText() === 'options' ? last : undefined;
  }
}

/** The work of a keyring's methods, which `keyringOf` and `inFrontOf` call with options that they took. */
function isWork(node: ts.Node): boolean {
  const parent = ts.isSatisfiesExpression(node.parent) ? node.parent.parent : node.parent;
  return ts.isCallExpression(parent) && ['keyringOf', 'inFrontOf'].includes(parent.expression.getText());
}

/** Without parentheses, assertions and `Object.freeze`. */
function unwrapped(node: ts.Node): ts.Node {
  const isAsserted = ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node);
  if (isAsserted) return unwrapped(node.expression);
  const isFrozen = ts.isCallExpression(node) && node.expression.getText() === 'Object.freeze';
  return isFrozen ? unwrapped(node.arguments[0] as ts.Expression) : node;
}

/** What a function returns, without what functions inside it return. */
function returnedFrom(body: ts.ConciseBody): ts.Node[] {
  if (!ts.isBlock(body)) return [body];
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isReturnStatement(node) && node.expression) found.push(node.expression);
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, visit);
  };
  visit(body);
  return found;
}

/** A file and the names around a node, from the outermost. */
function placeOf(node: ts.Node): string {
  const names: string[] = [];
  for (let at: ts.Node | undefined = node; at !== undefined; at = at.parent) {
    const name = (at as { name?: ts.Node }).name;
    if (name !== undefined && (ts.isIdentifier(name) || ts.isPrivateIdentifier(name))) names.unshift(name.text);
  }
  return `${resolve(node.getSourceFile().fileName).slice(resolve('src').length + 1)}: ${names.join('.')}`;
}
