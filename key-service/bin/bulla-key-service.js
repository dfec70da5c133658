#!/usr/bin/env node
// The entry of the command: plain JavaScript that any Node can parse, so that one that is too old can be told.

const [major = 0] = process.versions.node.split('.').map(Number);

if (major < 24) {
  process.stderr.write(`bulla-key-service needs Node 24 or newer; this is Node ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  const { registerHooks } = await import('node:module');
  // The SDK that stands beside the service in a checkout is read from its sources, built or not.
  registerHooks({
    resolve: (specifier, context, next) => {
      return next(specifier, { ...context, conditions: [...context.conditions, 'bulla-source'] });
    },
  });
  const { main } = await import('../src/cli/main.ts');
  await main(process.argv.slice(2));
}
