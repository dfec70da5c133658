/** A Chromium: an environment variable's, the system's, else Playwright's own. */

import { existsSync } from 'node:fs';
import { chromium } from 'playwright';

export function findChromium(): string {
  const candidates = [
    process.env['BULLA_CHROMIUM'],
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  return candidates.find((path) => path !== undefined && existsSync(path)) ?? chromium.executablePath();
}
