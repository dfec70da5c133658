// Everything that the public entries export, found by walking package.json.

import { readFileSync } from 'node:fs';

/** What package.json says. */
export const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | Record<string, string>>;
};
/** Scripts, which export nothing. */
export const scripts = ['./segment-worker'];

/** The entries that are modules. */
export const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) => {
  const source = typeof target === 'string' ? undefined : target['bulla-source'];
  return source === undefined || scripts.includes(subpath) ? [] : [{ subpath, source }];
});

type Exported = Readonly<Record<string, unknown>>;
/** Everything that the entries export, by name; the functions of exported objects as `object.function`. Errors are told apart by their prototypes. */
async function allExports(): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const { source } of entries) {
    const module = (await import(/* @vite-ignore */ `../../${source}`)) as Exported;
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === 'function') found.set(name, value);
      else for (const [member, inner] of Object.entries(value as object)) found.set(`${name}.${member}`, inner);
    }
  }
  return found;
}
/** Whether a function is the class of an error. */
export const isError = (value: unknown) =>
  value === Error || (value as { prototype?: unknown }).prototype instanceof Error;

/** Everything that is exported, by name. */
export const all = await allExports();

// Types of calls are those of a caller that does not use TypeScript.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Api = Readonly<Record<string, any>>;
/** The same as an object. */
export const api: Api = Object.fromEntries(all);
