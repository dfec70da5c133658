// The sources of the public entries as a program of the TypeScript compiler, for tests that need types.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';

/** Other text for some files, by path. */
export type Replaced = Readonly<Record<string, string>>;

const { options: compilerOptions } = ts.parseJsonConfigFileContent(
  ts.readConfigFile('tsconfig.json', ts.sys.readFile).config,
  ts.sys,
  '.',
);
const parsed = new Map<string, ts.SourceFile>();

/** The program of some entries. Files are parsed once, so that a second program with one file replaced costs little. */
export function programOf(entries: readonly string[], replaced: Replaced = {}): ts.Program {
  const texts = new Map(Object.entries(replaced).map(([path, text]) => [resolve(path), text]));
  const host = ts.createCompilerHost(compilerOptions, true);
  const read = host.getSourceFile;
  host.getSourceFile = (path, ...rest) => {
    const text = texts.get(resolve(path));
    if (text !== undefined) return ts.createSourceFile(path, text, rest[0], true);
    const file = parsed.get(path) ?? read.call(host, path, ...rest);
    if (file !== undefined) parsed.set(path, file);
    return file;
  };
  return ts.createProgram([...entries], compilerOptions, host);
}

/** The sources of the public entries. */
export function publicEntries(): string[] {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, unknown> };
  return Object.entries(exports).flatMap(([subpath, target]) => {
    const source = (target as Record<string, string>)['bulla-source'];
    return source === undefined || subpath === './segment-worker' ? [] : [source];
  });
}
