// Whether a function takes its options: every use of the parameter hands it to `takeOptions`, or to a function that does so.

import { resolve } from 'node:path';
import ts from 'typescript';

/** A function with a body. */
export type WithBody = ts.FunctionLikeDeclaration & { readonly body: ts.ConciseBody };

/** What is a function with a body. */
export function hasBody(node: ts.Node | undefined): node is WithBody {
  return node !== undefined && ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

/** Files of the package that somebody wrote. */
export const isOurs = ({ fileName }: ts.SourceFile) =>
  resolve(fileName).startsWith(resolve('src')) && !fileName.includes('generated');

/** What takes options: `takeOptions` with the readers that `nested` makes, `keyringOf`, and `inFrontOf`. */
export const isMechanism = ({ fileName }: ts.SourceFile) =>
  /src\/(lib\/options|keyrings\/(methods|forwarding))\.ts$/.test(fileName);

/** Keys and parts of messages, for which there are readers of their own. */
const notOptions = ['JsonWebKey', 'WrappedKey'];

/** Judges parameters. */
export class Parameters {
  readonly #checker: ts.TypeChecker;
  /** What was found of parameters. One that is looked at already, in a recursive call, is taken if the others are. */
  readonly #known = new Map<ts.ParameterDeclaration, string | undefined>();

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  /** Whether a type is one of options: a record of ours with members that may be left out, whatever its name. */
  isOptions(given: ts.Type): boolean {
    const type = this.#checker.getNonNullableType(given);
    if (type.isUnion()) return type.types.some((each) => this.isOptions(each));
    const properties = type.getProperties();
    const name = (type.aliasSymbol ?? type.symbol)?.name ?? '';
    if (properties.length === 0 || notOptions.includes(name) || type.getCallSignatures().length > 0) return false;
    const declarations = properties.flatMap((property) => property.declarations ?? []);
    if (declarations.some(ts.isMethodSignature)) return false;
    const areOurs = declarations.every((each) => isOurs(each.getSourceFile()));
    return areOurs && properties.some(({ flags }) => flags & ts.SymbolFlags.Optional);
  }

  /** Why a parameter is not taken, if so. */
  fault(parameter: ts.ParameterDeclaration): string | undefined {
    if (!this.#known.has(parameter)) {
      this.#known.set(parameter, undefined);
      this.#known.set(parameter, this.#faultOf(parameter));
    }
    return this.#known.get(parameter);
  }

  #faultOf({ name, parent }: ts.ParameterDeclaration): string | undefined {
    if (!ts.isIdentifier(name)) return `${name.getText()} is read without being taken`;
    const symbol = this.#checker.getSymbolAtLocation(name);
    const uses: ts.Identifier[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isIdentifier(node) && this.#symbolOf(node) === symbol) uses.push(node);
      ts.forEachChild(node, visit);
    };
    visit((parent as WithBody).body);
    if (uses.length === 0) return `${name.text} is never taken`;
    return uses.map((use) => this.#faultOfUse(use)).find((fault) => fault !== undefined);
  }

  #symbolOf(node: ts.Identifier): ts.Symbol | undefined {
    const isShorthand = ts.isShorthandPropertyAssignment(node.parent);
    return isShorthand
      ? this.#checker.getShorthandAssignmentValueSymbol(node.parent)
      : this.#checker.getSymbolAtLocation(node);
  }

  #faultOfUse(use: ts.Identifier): string | undefined {
    const type = this.#checker.getTypeAtLocation(use);
    // Narrowed to something else, such as a cache where its options may stand.
    if (!this.isOptions(type) && !(type.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any))) return undefined;
    let at: ts.Node = use;
    while (ts.isParenthesizedExpression(at.parent) || isAlternative(at)) at = at.parent;
    const { parent } = at;
    if (ts.isBinaryExpression(parent) && parent.right.getText() === 'undefined') return undefined;
    const isCall = ts.isCallExpression(parent) || ts.isNewExpression(parent);
    const place = isCall ? [...(parent.arguments ?? [])].indexOf(at as ts.Expression) : -1;
    if (!isCall || place < 0) return `${firstLine(parent)} reads it without taking it`;
    return this.#faultOfArgument(parent, place);
  }

  #faultOfArgument(call: ts.CallExpression | ts.NewExpression, place: number): string | undefined {
    const declaration = this.#checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined) return `${firstLine(call)} cannot be followed`;
    if (place === 0 && isMechanism(declaration.getSourceFile())) return undefined;
    // It looks at what the object is, not at what it says.
    if (declaration.type && ts.isTypePredicateNode(declaration.type)) return undefined;
    const parameter = this.#implementationOf(declaration)?.parameters[place];
    return parameter === undefined ? `${firstLine(call)} cannot be followed` : this.fault(parameter);
  }

  /** The function that a signature belongs to: of overloads the one with a body. */
  #implementationOf(declaration: ts.Node): WithBody | undefined {
    if (hasBody(declaration)) return declaration;
    const name = ts.isFunctionDeclaration(declaration) ? declaration.name : undefined;
    return name && this.#checker.getSymbolAtLocation(name)?.declarations?.find(hasBody);
  }
}

/** Whether a node is one of the values that an expression may have. */
function isAlternative(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isConditionalExpression(parent)) return parent.condition !== node;
  return ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken;
}

const firstLine = (node: ts.Node) => node.getText().split('\n')[0];
