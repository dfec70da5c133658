// Before tests that run what was built: says so when it was not.

import { existsSync } from 'node:fs';

/** Throws where `dist/` is missing. */
export default function assertBuilt(): void {
  if (!existsSync('dist/cli/main.js')) throw new Error('dist/ is missing: npm run build');
}
