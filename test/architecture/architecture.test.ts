import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { asyncThatThrow, closure, longFunctions, readSources, type Source, undocumentedExports } from './sources.ts';

const sources = readSources();
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | Record<string, string>>;
  dependencies: Record<string, string>;
};

/** From the bottom up; folders of one layer stand side by side and do not know each other. */
const layers = [
  ['errors.ts', 'types.ts'],
  ['lib'],
  ['crypto'],
  ['schedule'],
  ['envelope', 'stream'],
  ['service'],
  ['keyrings'],
  ['cache', 'message'],
  ['fields'],
  ['index.ts', 'service.ts', 'cache.ts', 'bulk.ts', 'url.ts', 'files', 'node', 'service-worker', 'workers'],
  ['fields.ts', 'files.ts', 'node.ts', 'service-worker.ts', 'workers.ts', 'segment-worker.ts'],
  ['cli'],
];
const placeOf = (path: string) => path.split('/')[0] as string;
const layerOf = (path: string) => layers.findIndex((places) => places.includes(placeOf(path)));

/** What may know that it runs in Node. */
const isNodeOnly = ({ path }: Source) =>
  /^(cli|node|fields\/postgres)[./]/.test(path) ||
  [
    'node.ts',
    'lib/platform-node.ts',
    'lib/native-node.ts',
    'lib/webcrypto-node.ts',
    'lib/hkdf-node.ts',
    'lib/memory-node.ts',
  ].includes(path);

describe('layers', () => {
  test('every file stands in a layer', () => {
    expect(sources.filter(({ path }) => layerOf(path) < 0).map(({ path }) => path)).toEqual([]);
    expect(sources.length).toBeGreaterThan(40);
  });

  test('imports point down, never up and never sideways', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => placeOf(target) !== placeOf(path) && layerOf(target) >= layerOf(path))
        .map((target) => `${path} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('no import cycles, types included', () => {
    const cycles = sources.filter(({ path, imports }) => closure(sources, imports).files.has(path));
    expect(cycles.map(({ path }) => path)).toEqual([]);
  });

  test('only the seam, the command line and bulla/node know Node', () => {
    const wrong = sources
      .filter((source) => !isNodeOnly(source))
      .flatMap(({ path, packages, text }) => [
        ...packages.filter((name) => name.startsWith('node:')).map((name) => `${path}: ${name}`),
        ...(
          text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').match(/\b(Buffer|process|__dirname|require)\b(?=[.(])/g) ?? []
        ).map((name) => `${path}: ${name}`),
      ]);
    expect(wrong).toEqual([]);
  });
});

/** Of the key service, likewise. */
const floors = [
  ['errors.ts'],
  ['lib'],
  ['crypto'],
  ['model'],
  ['seals'],
  ['store'],
  ['secrets'],
  ['audit'],
  ['auth'],
  ['policies', 'transport'],
  ['config.ts'],
  ['logger.ts', 'metrics.ts'],
  ['operations'],
  ['upkeep'],
  ['open-store.ts', 'service.ts'],
  ['http'],
  ['server.ts'],
  ['dev'],
  ['cli'],
];
const floorOf = (path: string) => floors.findIndex((places) => places.includes(placeOf(path)));

describe('the key service', () => {
  const own = readSources('key-service/src');

  test('every file stands on a floor, and imports point down, never up and never sideways', () => {
    expect(own.filter(({ path }) => floorOf(path) < 0).map(({ path }) => path)).toEqual([]);
    const wrong = own.flatMap(({ path, imports }) =>
      imports
        .filter((to) => placeOf(to) !== placeOf(path) && floorOf(to) >= floorOf(path))
        .map((to) => `${path} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  test('what there is and how it changes is decided without a database, a network, files or a clock', () => {
    const pure = own.filter(({ path }) => path.startsWith('model/'));
    expect(pure.length).toBeGreaterThan(4);
    expect(pure.flatMap(({ path, packages }) => packages.map((name) => `${path}: ${name}`))).toEqual([
      'model/changes.ts: node:crypto',
      'model/entry.ts: node:crypto',
    ]);
    expect(pure.filter(({ text }) => /Date\.now|performance\./.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('rules of the domain stand in operations/: nobody above decides on permissions or writes keys', () => {
    const above = own.filter(({ path }) => floorOf(path) > floorOf('operations/x.ts'));
    const deciding =
      /\.putKey\(|\.putRevocation\(|\.addTombstones\(|\.mayKey\(|\.mayData\(|\.allowsKey\(|\.allowsData\(|model\/changes\.ts/;
    expect(above.filter(({ text }) => deciding.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('no import cycles, types included, and nothing of src/ but by the names of the package', () => {
    expect(own.length).toBeGreaterThan(60);
    expect(own.filter(({ path, imports }) => closure(own, imports).files.has(path)).map(({ path }) => path)).toEqual(
      [],
    );
    const outside = own.flatMap(({ path, imports }) =>
      imports.filter((to) => to.startsWith('..')).map((to) => `${path}: ${to}`),
    );
    expect(outside).toEqual([]);
  });

  test.each(own)('$path says what it is, and is not too long', ({ text }) => {
    expect(text).toMatch(/^(#!.*\n)?\/\*\*[\s*]*[^\s]/);
    expect(text.split('\n').length).toBeLessThanOrEqual(301);
  });
});

describe('entry points', () => {
  const entries = Object.entries(manifest.exports).filter(([subpath]) => !/\.js(on)?$/.test(subpath));

  test.each(entries)('%s is the path of its source', (subpath, target) => {
    const path = subpath === '.' ? 'index' : subpath.slice(2);
    const modules = { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` };
    const commonJs = { types: `./dist/cjs/${path}.d.ts`, default: `./dist/cjs/${path}.js` };
    // Metro bundles nothing that has `import.meta`, of which webpack makes `document` in Next's edge routes.
    const native = subpath === './workers' ? { 'react-native': commonJs, 'edge-light': commonJs } : {};
    const source = { 'bulla-source': `./src/${path}.ts`, ...native };
    expect(target).toEqual(
      // A script for `new Worker`, which nobody imports.
      subpath === './segment-worker'
        ? { ...source, ...modules }
        : { ...source, bun: modules.default, 'module-sync': modules, import: modules, require: commonJs },
    );
    // The first condition that fits counts.
    expect(Object.keys(target).at(-1)).toBe(subpath === './segment-worker' ? 'default' : 'require');
    expect(existsSync(`src/${path}.ts`)).toBe(true);
  });

  test('encrypting with local keys brings in protobufjs and nothing else', () => {
    const local = [
      'index.ts',
      ...['ecdh', 'aes', 'rsa', 'passphrase', 'any-of', 'custom'].map((name) => `keyrings/${name}.ts`),
    ];
    const { packages, files } = closure(sources, local);
    expect([...packages].sort()).toEqual(['#platform', 'protobufjs/src/writer.js']);
    expect([...files].filter((path) => /^(service|cache|cli|node)/.test(path))).toEqual([]);
  });

  test('no source uses a package that is not among the dependencies', () => {
    const allowed = [
      ...Object.keys(manifest.dependencies),
      '#platform',
      '@peculiar/webcrypto',
      'undici',
      '@aws-sdk/client-kms',
      'libpg-query',
      // Built into dist/, see rollup.config.mjs.
      'protobufjs',
    ];
    // The command line loads a configuration of its user's, by its address.
    const isConfig = (path: string, name: string) => path === 'cli/fields-config.ts' && name === 'href';
    const used = sources
      .flatMap(({ path, packages }) => packages.filter((name) => !isConfig(path, name)))
      .filter((name) => !name.startsWith('node:'));
    expect(used.filter((name) => !allowed.some((known) => name === known || name.startsWith(`${known}/`)))).toEqual([]);
    expect(Object.keys(manifest.dependencies).sort()).toEqual(['jose', 'ky']);
  });
});

describe('form', () => {
  test.each(sources)('$path', (source) => {
    const { path, text } = source;
    expect(text).toMatch(/^(#!.*\n)?\/\*\*[\s*]*[^\s]/);
    expect(undocumentedExports(source)).toEqual([]);
    expect(asyncThatThrow(source)).toEqual([]);
    expect(longFunctions(source, 60)).toEqual([]);
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/ .*/g, '');
    expect(code.match(/\bany\b(?=[;,)\]>])|@ts-(ignore|expect-error|nocheck)|\bexport \*|export default/g)).toBeNull();
    expect(text).not.toMatch(/TODO|FIXME/);
    if (!path.startsWith('cli/')) expect(code).not.toMatch(/\bconsole\./);
    if (path !== 'errors.ts' && path !== 'types.ts') expect(text.split('\n').length).toBeLessThanOrEqual(301);
  });

  test('every upload in an example looks at what became of it', () => {
    const pages = ['README.md', ...globSync('docs/*.md')].map((path) => ({ path, text: readFileSync(path, 'utf8') }));
    const examples = [
      ...pages.flatMap(({ path, text }) =>
        [...text.matchAll(/^```(?:ts|js).*\n([\s\S]*?)^```$/gm)].map(([code]) => ({ path, code })),
      ),
      ...sources.flatMap(({ path, text }) =>
        [...text.matchAll(/@example[\s\S]*?\*\//g)].map(([code]) => ({ path, code })),
      ),
    ];
    const uploads = examples.filter(({ code }) => /fetch\([^;]*method: '(PUT|POST)'/.test(code));
    expect(uploads.length).toBeGreaterThan(3);
    expect(uploads.filter(({ code }) => !/\.ok\b|\bok\b.*= await fetch/.test(code)).map(({ path }) => path)).toEqual(
      [],
    );
  });

  test('labels of the key schedule exist in schedule/ alone', () => {
    expect(
      sources
        .filter(({ path, text }) => !path.startsWith('schedule/') && text.includes('bulla/v1'))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  test('§4.3 the specification names all labels, those of the key service too, and no others', () => {
    const label = /['`]bulla\/v1[^'`]*['`]/g;
    const used = [...sources, ...readSources('key-service/src')].flatMap(({ text }) => text.match(label) ?? []);
    const plain = used.map((quoted) => quoted.slice(1, -1).replace(/suite\$\{[\w.]+\}/, 'suite1'));
    const specified = (page: string, from: string, to: string) =>
      readFileSync(page, 'utf8')
        .split(from)[1]
        ?.split(to)[0]
        ?.match(/bulla\/v1[^`"]*/g) ?? [];
    const ofFields = specified('docs/fields.md', '## 1', '## 7');
    const expected = new Set([...specified('docs/format.md', '**4.3**', '**4.4**'), ...ofFields]);
    expect([...new Set(plain)].sort()).toEqual([...expected].sort());
  });

  test('a result that may be there at once is told by isPromise, whatever realm it is of', () => {
    expect(sources.filter(({ text }) => /instanceof Promise\b/.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('bytes become text where what is not UTF-8 is refused, and nowhere else', () => {
    const decoding = sources.filter(({ text }) => /new TextDecoder\(|toString\('utf-?8'\)|, 'utf-?8'\)/.test(text));
    expect(
      decoding
        .map(({ path }) => path)
        .filter((path) => !path.startsWith('message/decrypt.ts'))
        .sort(),
    ).toEqual([
      // base64url and the text form of a message have no character that a decoder would put in.
      'cli/main.ts',
      'cli/text-file.ts',
      'cli/text-form.ts',
      'fields/postgres/sql-text.ts',
      'lib/base64url.ts',
      'lib/utf8.ts',
    ]);
  });

  test('suites are compared in the registry alone', () => {
    const wrong = sources.filter(({ path, text }) => path !== 'crypto/suites.ts' && /suite(\.id)? [!=]==/.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

describe('the limits of the format', () => {
  test('§2.4 are those of the specification', async () => {
    const limits = await import('../../src/lib/limits.ts');
    const specification = readFileSync('docs/format.md', 'utf8');
    const row = (what: string) => {
      const cell =
        specification
          .split('\n')
          .find((line) => line.startsWith(`| ${what}`))
          ?.split('|')[2] ?? '';
      return Number(/[\d,]+/.exec(cell)?.[0].replaceAll(',', ''));
    };
    expect([row('envelope'), row('header'), row('wrapped keys'), row('a wrapped key')]).toEqual([
      limits.maxEnvelopeLength,
      limits.maxHeaderLength,
      limits.maxWrappedKeys,
      limits.maxWrappedKeyLength,
    ]);
    expect([row('key id'), row('pairs'), row('a value in a context'), row('a value in a key context')]).toEqual([
      limits.maxNameLength,
      limits.maxPairs,
      limits.maxValueLength,
      limits.maxKeyContextValueLength,
    ]);
    expect([row('opaque bytes'), row('PBKDF2 iterations')]).toEqual([limits.maxOpaqueLength, limits.maxIterations]);
    expect([limits.maxSegments, limits.maxPlaintextLength]).toEqual([2 ** 32 - 1, 2 ** 46]);
  });
});

test('the public entries export no classes but errors: what applications keep is made of closures', async () => {
  const entries = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string' ? [] : (target['bulla-source'] ?? []),
  );
  const classes: string[] = [];
  for (const entry of entries.filter((path) => !path.endsWith('segment-worker.ts'))) {
    const module = (await import(/* @vite-ignore */ `../../${entry}`)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(module)) {
      if (/^class\b/.test(String(value)) && !((value as { prototype?: unknown }).prototype instanceof Error))
        classes.push(`${entry}: ${name}`);
    }
  }
  expect(entries.length).toBeGreaterThan(10);
  expect(classes).toEqual([]);
});
