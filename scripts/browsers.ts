// Finds Chromium and Firefox, or installs them, and says how to launch them: `npm run browsers`.
// Order: BULLA_CHROMIUM and BULLA_FIREFOX, the system's, Playwright's own; else Debian's packages (as root), else Playwright's download.

import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { chromium, firefox, type LaunchOptions } from 'playwright';

type BrowserName = 'chromium' | 'firefox';

const candidates: Record<BrowserName, readonly string[]> = {
  chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  firefox: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
};
const debianPackages: Record<BrowserName, string> = { chromium: 'chromium', firefox: 'firefox-esr' };
const variables: Record<BrowserName, string> = { chromium: 'BULLA_CHROMIUM', firefox: 'BULLA_FIREFOX' };
/** The oldest Firefox that Playwright can drive by WebDriver BiDi; Debian's own updates bring a newer one. */
const oldestFirefox = 153;
const ownPaths: Record<BrowserName, () => string> = {
  chromium: () => chromium.executablePath(),
  firefox: () => firefox.executablePath(),
};

/** Launch options for Playwright by browser. Installs what is missing; throws when that fails too. */
export async function findBrowsers(): Promise<Record<BrowserName, LaunchOptions>> {
  return { chromium: launchOptions('chromium'), firefox: launchOptions('firefox') };
}

function launchOptions(name: BrowserName): LaunchOptions {
  const executablePath = find(name) ?? install(name);
  // Playwright drives its own Firefox by a patch, and anybody else's by WebDriver BiDi, under this channel.
  if (name === 'firefox')
    return executablePath === ownPaths.firefox() ? {} : { channel: 'moz-firefox', executablePath };
  const rootNeeds = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return { executablePath, args: [...rootNeeds, '--disable-background-networking', '--disable-component-update'] };
}

function find(name: BrowserName): string | undefined {
  const variable = process.env[variables[name]];
  if (variable !== undefined) {
    if (!isExecutable(variable)) throw new Error(`${variables[name]} names no executable file: ${variable}`);
    return variable;
  }
  const system = candidates[name].find((path) => isExecutable(path) && (name !== 'firefox' || isRecentFirefox(path)));
  return system ?? [ownPaths[name]()].find(isExecutable);
}

function isRecentFirefox(path: string): boolean {
  const version = /(\d+)\./.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[1];
  return Number(version) >= oldestFirefox;
}

function install(name: BrowserName): string {
  const commands = isRootOnDebian()
    ? [
        ['apt-get', 'update', '-q'],
        ['apt-get', 'install', '-q', '-y', debianPackages[name]],
      ]
    : [['npx', 'playwright', 'install', name]];
  for (const command of commands) {
    console.error(`no ${name} found, installing it: ${command.join(' ')}`);
    const [program, ...args] = command as [string, ...string[]];
    execFileSync(program, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  const path = find(name);
  if (path === undefined) throw new Error(`there is no ${name}; set ${variables[name]} to one`);
  return path;
}

function isRootOnDebian(): boolean {
  return process.getuid?.() === 0 && isExecutable('/usr/bin/apt-get');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  for (const [name, { executablePath }] of Object.entries(await findBrowsers())) {
    console.log(`${name}: ${executablePath ?? 'of Playwright'}`);
  }
}
