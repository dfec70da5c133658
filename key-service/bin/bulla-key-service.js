#!/usr/bin/env node
// The entry of the command: plain JavaScript that any runtime can parse, so that an unsuitable one can be told.

const { versions } = process;
const { registerHooks } = await import('node:module');
const [major = 0] = versions.node.split('.').map(Number);
const other = ['bun', 'deno'].find((name) => versions[name] !== undefined);
const runtime = other === undefined ? `Node ${versions.node}` : `${other} ${versions[other]}`;

if (major < 24) {
  process.stderr.write(`bulla-key-service needs Node 24 or newer; this is ${runtime}\n`);
  process.exitCode = 1;
} else if (registerHooks === undefined) {
  process.stderr.write(`bulla-key-service needs Node 24 or newer; ${runtime} has no registerHooks in node:module\n`);
  process.exitCode = 1;
} else {
  if (other !== undefined) {
    process.stderr.write(
      `bulla-key-service is tested on Node alone; this is ${runtime}: keep no keys of value in it\n`,
    );
  }
  // The SDK that stands beside the service in a checkout is read from its sources, built or not.
  registerHooks({
    resolve: (specifier, context, next) => {
      return next(specifier, { ...context, conditions: [...context.conditions, 'bulla-source'] });
    },
  });
  const { main } = await import('../src/cli/main.ts');
  await main(process.argv.slice(2));
}
