// The sources as trees, for tests of the architecture.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

/** A source file of src/ with what it imports. */
export interface Source {
  /** Relative to src/, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  /** Files of src/ that it imports, types included. */
  readonly imports: readonly string[];
  /** Packages and built-in modules that it imports, types included; `#platform` among them. */
  readonly packages: readonly string[];
}

/** All handwritten sources of a folder. */
export function readSources(folder = 'src'): Source[] {
  return globSync(`${folder}/**/*.ts`)
    .filter((path) => !path.includes('generated'))
    .map((path) => {
      const text = readFileSync(path, 'utf8');
      const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
      const specifiers = importSpecifiers(tree);
      return {
        path: relative(folder, path),
        text,
        tree,
        imports: specifiers
          .filter((name) => name.startsWith('.'))
          .map((name) => join(dirname(relative(folder, path)), name)),
        packages: specifiers.filter((name) => !name.startsWith('.')),
      };
    });
}

function importSpecifiers(tree: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      found.push((node.moduleSpecifier as ts.StringLiteral).text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      found.push((node.arguments[0] as ts.StringLiteral).text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Every file that can be reached from some, and every package. */
export function closure(
  sources: readonly Source[],
  entries: readonly string[],
): { files: Set<string>; packages: Set<string> } {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    const source = byPath.get(path);
    if (source === undefined || files.has(path)) return;
    files.add(path);
    for (const name of source.packages) packages.add(name);
    source.imports.forEach(visit);
  };
  entries.forEach(visit);
  return { files, packages };
}

/** Exported declarations without a docstring, as `path: name`. */
export function undocumentedExports({ path, tree }: Source): string[] {
  return tree.statements
    .filter((statement) => ts.canHaveModifiers(statement))
    .filter((statement) => ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
    .filter((statement, i, all) => {
      const previous = all[i - 1];
      // Of an overloaded function the first signature carries the documentation.
      if (ts.isFunctionDeclaration(statement) && previous && ts.isFunctionDeclaration(previous)) {
        if (statement.name?.text === previous.name?.text) return false;
      }
      return ts.getJSDocCommentsAndTags(statement).length === 0;
    })
    .map((statement) => `${path}: ${statement.getText(tree).slice(0, 60)}`);
}

/** Async functions whose docstring says that they throw, as `path: name`: they reject. */
export function asyncThatThrow({ path, tree }: Source): string[] {
  return tree.statements
    .filter((statement) => ts.isFunctionDeclaration(statement))
    .filter((statement) => statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword))
    .filter((statement) => ts.getJSDocCommentsAndTags(statement).some((doc) => /\bThrows\b/.test(doc.getText(tree))))
    .map(({ name }) => `${path}: ${name?.text}`);
}

/** Functions of more than `most` lines, as `path: name (lines)`. */
export function longFunctions({ path, tree }: Source, most: number): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const line = (position: number) => tree.getLineAndCharacterOfPosition(position).line;
      const lines = line(node.body.getEnd()) - line(node.body.getStart(tree)) + 1;
      if (lines > most) found.push(`${path}: ${node.name?.getText(tree) ?? 'a function'} (${lines})`);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}
