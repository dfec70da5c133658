// What the end-to-end tests share: the page, driven as its users do and watched for errors, and files.

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, expect, type Locator, type Page } from '@playwright/test';
import { type ServedPage, startPage } from '../examples/page/server.ts';

export { expect };

/** Plaintext bytes in a segment, unless somebody chooses otherwise. */
export const segmentSize = 262_144;

interface WorkerFixtures {
  /** The page's server. */
  readonly served: ServedPage;
  /** Where the browser of this worker puts downloads. */
  readonly downloads: string;
}

interface Fixtures {
  /** A folder that ends with the test. */
  readonly scratch: string;
  /** Makes an {@link App} of any page. All that it says on its console as an error fails the test. */
  readonly watch: (page: Page, downloads?: string) => Promise<App>;
  /** The page, opened. */
  readonly app: App;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  served: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the dependencies from the pattern
    async ({}, use) => {
      const served = await startPage(0);
      await use(served);
      await served.close();
    },
    { scope: 'worker' },
  ],
  downloads: [
    // biome-ignore lint/correctness/noEmptyPattern: as above
    async ({}, use) => {
      const folder = await mkdtemp(join(tmpdir(), 'bulla-downloads-'));
      await use(folder);
      await rm(folder, { recursive: true });
    },
    { scope: 'worker' },
  ],
  launchOptions: [
    async ({ launchOptions, downloads }, use) => {
      // The panel of Firefox that shows a new download would take the focus.
      const firefoxUserPrefs = { 'browser.download.alwaysOpenPanel': false };
      await use({ ...launchOptions, downloadsPath: downloads, firefoxUserPrefs });
    },
    { scope: 'worker' },
  ],
  // biome-ignore lint/correctness/noEmptyPattern: as above
  scratch: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'bulla-e2e-'));
    await use(folder);
    await rm(folder, { recursive: true });
  },
  watch: async ({ downloads, scratch }, use) => {
    const problems: string[] = [];
    await use(async (page, folder = downloads) => {
      page.on('pageerror', ({ message }) => {
        // What Firefox says of any answer of a service worker that a page stopped reading, as players do when they seek.
        if (!message.startsWith('Failed to load ‘’. A ServiceWorker')) problems.push(`uncaught: ${message}`);
      });
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
      });
      await page.addInitScript(() => {
        addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
          console.error(`policy violated: ${effectiveDirective} ${blockedURI}`);
        });
        const urls: string[] = [];
        const create = URL.createObjectURL;
        URL.createObjectURL = (blob: Blob) => {
          urls.push(`${blob.size}`);
          return create(blob);
        };
        Object.assign(globalThis, { blobUrls: urls });
      });
      return new App(page, folder, join(scratch, 'saved'), problems);
    });
    expect(problems, 'errors that the page met').toEqual([]);
  },
  app: async ({ page, watch, served }, use) => {
    const app = await watch(page);
    await app.open(served.url);
    await use(app);
  },
});

/** The page as its users see it. */
export class App {
  readonly page: Page;
  readonly #downloads: string;
  readonly #saved: string;
  readonly #problems: string[];

  constructor(page: Page, downloads: string, saved: string, problems: string[]) {
    this.page = page;
    this.#problems = problems;
    this.#downloads = downloads;
    this.#saved = saved;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await expect(this.page.locator('#public-key')).toHaveText(/^bullapk1\.[\w-]{130}$/);
    await expect(this.page.locator('#summary')).not.toBeEmpty();
  }

  get others(): Locator {
    return this.page.getByLabel('Others, by their public keys');
  }

  get passphrase(): Locator {
    return this.page.getByRole('textbox', { name: 'Anyone who knows a passphrase' });
  }

  async publicKey(): Promise<string> {
    return (await this.page.locator('#public-key').textContent()) as string;
  }

  async addContext(name: string, value: string): Promise<void> {
    await this.page.getByRole('button', { name: 'Add a name and value' }).click();
    await this.page
      .getByLabel(/^Context name/)
      .last()
      .fill(name);
    await this.page
      .getByLabel(/^Context value/)
      .last()
      .fill(value);
  }

  /** Chooses files, and gives the newest item of the list. */
  async choose(...files: string[]): Promise<Locator> {
    await this.page.locator('#file').setInputFiles(files);
    return this.newest;
  }

  get newest(): Locator {
    return this.page.locator('#jobs > li').first();
  }

  /** Waits for the end of an item and follows its link; gives the path of what was saved, named as the page named it. */
  async save(job: Locator): Promise<string> {
    const link = job.getByRole('link', { name: /^Save / });
    await expect(link).toBeVisible();
    return this.download((await link.getAttribute('download')) as string, () => link.click());
  }

  /** What a download leaves under a name. */
  async download(name: string, start: () => Promise<void>): Promise<string> {
    if (this.page.context().browser()?.browserType().name() !== 'firefox') {
      const [download] = await Promise.all([this.page.waitForEvent('download'), start()]);
      expect(download.suggestedFilename()).toBe(name);
      const path = join(this.#saved, name);
      await download.saveAs(path);
      return path;
    }
    // Playwright 1.64 has no download events in a Firefox that is not its own.
    await mkdir(this.#downloads, { recursive: true });
    for (const old of await readdir(this.#downloads)) await rm(join(this.#downloads, old));
    await start();
    const path = join(this.#downloads, name);
    let size = -1;
    await expect(async () => {
      const last = size;
      size = (await stat(path)).size;
      expect([await readdir(this.#downloads), size]).toEqual([[name], last]);
    }).toPass({ intervals: [150] });
    return path;
  }

  /** Does what must put an error on the console: those that match are expected, in this while alone. */
  async expectProblems(expected: RegExp, work: () => Promise<void>): Promise<void> {
    const before = this.#problems.length;
    await work();
    const since = this.#problems.splice(before);
    this.#problems.push(...since.filter((problem) => !expected.test(problem)));
  }

  /** Takes a picture of the whole page into test-results/looks/. */
  async screenshot(name: string): Promise<void> {
    const before = this.#problems.length;
    await this.page.screenshot({ path: `test-results/looks/${name}.png`, fullPage: true, caret: 'initial' });
    await this.page.waitForTimeout(200);
    // In Firefox Playwright adds a style element to take it, which the page's policy refuses: that, and only now, is not the page's doing.
    const since = this.#problems.splice(before);
    this.#problems.push(...since.filter((problem) => !problem.includes('style-src-elem')));
  }

  /** The sizes of the blobs that were offered for saving. */
  offered(): Promise<string[]> {
    return this.page.evaluate(() => (globalThis as unknown as { blobUrls: string[] }).blobUrls);
  }
}

/** Writes a file of random bytes; gives its path. */
export async function randomFile(folder: string, name: string, size: number): Promise<string> {
  const path = join(folder, name);
  const file = await open(path, 'w');
  for (let left = size; left > 0; left -= 2 ** 20) await file.write(randomBytes(Math.min(left, 2 ** 20)));
  await file.close();
  return path;
}

/** Draws a picture of some colours, in a page; gives the path of its PNG. */
export async function drawPicture(page: Page, folder: string, name: string): Promise<string> {
  const url = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1200, height: 700 });
    const context = canvas.getContext('2d') as CanvasRenderingContext2D;
    const sky = context.createLinearGradient(0, 0, 0, 700);
    for (const [at, colour] of ['#2b4a6f', '#c98a6b', '#f2c48d', '#6d4b3a', '#2c1e18'].entries()) {
      sky.addColorStop(at / 4, colour);
    }
    context.fillStyle = sky;
    context.fillRect(0, 0, 1200, 700);
    context.fillStyle = '#fff1d0';
    context.arc(820, 300, 70, 0, 7);
    context.fill();
    return canvas.toDataURL('image/png');
  });
  const path = join(folder, name);
  await writeFile(path, Buffer.from(url.slice(url.indexOf(',') + 1), 'base64'));
  return path;
}

/** SHA-256 of a file. */
export async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
