// The demonstration as a newcomer meets it: two tenants, encrypted uploads, media through the service worker, rotation, the audit log.

import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from '@playwright/test';
import { buildDemo } from '../examples/demo/server/build.ts';
import { startKeyService } from '../examples/demo/server/key-service.ts';
import { prepareKeys } from '../examples/demo/server/prepare.ts';
import { startDemoServer } from '../examples/demo/server/server.ts';
import { type App, test as base, digest, drawPicture, expect, randomFile } from './fixtures.ts';
import { type Gate, startGate } from './gate.ts';
import { wav } from './service-worker/wav.ts';

interface Demo {
  readonly url: string;
  /** The folder of the ciphertext store. */
  readonly store: string;
  /** Stops uploads in the middle. */
  readonly gate: Gate;
}

const test = base.extend<{ seen: App }, { demo: Demo }>({
  demo: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the dependencies from the pattern
    async ({}, use) => {
      const folder = await mkdtemp(join(tmpdir(), 'bulla-demo-'));
      await buildDemo(join(folder, 'site'));
      const { stop, ...service } = await startKeyService(0, join(folder, 'keys'));
      await prepareKeys(service);
      // As at the second start: the keys are there.
      await prepareKeys(service);
      const store = join(folder, 'store');
      const { url, pin } = service;
      const server = await startDemoServer({ port: 0, site: join(folder, 'site'), data: store, service: { url, pin } });
      const gate = await startGate(server.url);
      await use({ url: gate.url, store, gate });
      await gate.stop();
      await server.close();
      await stop();
      await rm(folder, { recursive: true });
    },
    { scope: 'worker' },
  ],
  seen: async ({ page, watch, demo }, use) => {
    const app = await watch(page);
    await page.goto(demo.url);
    await use(app);
  },
});

test('npm start says how it is used, and what is wrong with its use', () => {
  const start = (...args: string[]) => {
    const command = ['--conditions=bulla-source', 'scripts/start.ts', ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  const usage = /^npm start -- \[--port 8080\] \[--service-port 8400\] \[--data /m;
  for (const asked of ['--help', '-h']) {
    expect(start(asked)).toEqual({ status: 0, stdout: expect.stringMatching(usage), stderr: '' });
  }
  for (const [args, words] of [
    [['--bogus'], /^Unknown option '--bogus'\n/],
    [['bogus'], /^Unexpected argument 'bogus'\n/],
    [['--port'], /^Option '--port <value>' argument missing\n/],
    [['--port', 'x'], /^--port is a number up to 65535\n/],
    [['--service-port', '65536'], /^--service-port is a number up to 65535\n/],
  ] as const) {
    const { status, stdout, stderr } = start(...args);
    expect([status, stdout, stderr]).toEqual([2, '', expect.stringMatching(words)]);
    expect(stderr).toMatch(usage);
    expect(stderr).not.toMatch(/\n\s+at /);
  }
});

const fileItems = (page: Page) => page.locator('#files > li[data-id]');
const itemOf = (page: Page, name: string): Locator => fileItems(page).filter({ hasText: name });

async function signIn(page: Page, demo: Demo, name: 'Alice' | 'Bob'): Promise<void> {
  await page.getByRole('button', { name: new RegExp(`^${name}`) }).click();
  await expect(page.locator('#user')).toHaveText(name === 'Alice' ? 'alice@north' : 'bob@south');
  await expectList(page, demo);
}

/** Waits for the list: what another test left in the store is in it, and is counted. */
async function expectList(page: Page, demo: Demo): Promise<void> {
  const names = await readdir(demo.store).catch(() => []);
  await expect(fileItems(page)).toHaveCount(names.filter((name) => !name.startsWith('.')).length);
}

async function upload(page: Page, ...files: string[]): Promise<void> {
  const before = await fileItems(page).count();
  await page.locator('#file').setInputFiles(files);
  await expect(fileItems(page)).toHaveCount(before + files.length);
  await expect(page.locator('[data-state="working"]')).toHaveCount(0);
}

/** Everything in the store by path. */
async function stored(folder: string): Promise<Map<string, Buffer>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return new Map(await Promise.all(files.map(async (path) => [path, await readFile(path)] as const)));
}

const positionOf = (media: HTMLElement | SVGElement) => (media as HTMLAudioElement).currentTime;

async function expectNoOverflow(page: Page): Promise<void> {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(beyond).toBeLessThanOrEqual(0);
}

test('the whole story', async ({ seen, page, demo, scratch }, { project }) => {
  const picture = await drawPicture(page, scratch, 'evening.png');
  const song = join(scratch, 'long song.wav');
  await writeFile(song, wav(120));
  const letter = join(scratch, 'letter.txt');
  await writeFile(letter, 'To whom it may concern: the plaintext is here.');

  await test.step('Alice signs in and stores three files', async () => {
    await expect(page.getByRole('heading', { name: 'Who are you?' })).toBeVisible();
    await seen.screenshot(`demo-${project.name}-sign-in`);
    await signIn(page, demo, 'Alice');
    await expect(page.locator('#key')).toContainText('version 1: active');
    await upload(page, picture, song, letter);
    await expect(page.locator('.name')).toHaveText(['letter.txt', 'long song.wav', 'evening.png']);
  });

  await test.step('what is stored is ciphertext, names included', async () => {
    const files = await stored(demo.store);
    expect(files.size).toBe(9);
    for (const bytes of files.values()) {
      for (const plain of ['plaintext is here', 'evening', 'letter', 'long song', 'PNG\r\n\u001a\n', 'WAVEfmt ']) {
        expect(bytes.includes(plain)).toBe(false);
      }
    }
  });

  await test.step('a picture opens; a song plays and seeks; a letter is downloaded', async () => {
    await page.getByRole('button', { name: 'Open evening.png' }).click();
    const image = itemOf(page, 'evening.png').locator('img');
    await expect.poll(() => image.evaluate((one: HTMLImageElement) => one.naturalWidth)).toBe(1200);
    await page.getByRole('button', { name: 'Open long song.wav' }).click();
    const audio = itemOf(page, 'long song.wav').locator('audio');
    await expect.poll(() => audio.evaluate((one: HTMLAudioElement) => Math.round(one.duration))).toBe(120);
    await audio.evaluate(async (one: HTMLAudioElement) => {
      one.muted = true;
      one.currentTime = 100;
      await one.play();
    });
    await expect.poll(() => audio.evaluate((one: HTMLAudioElement) => one.currentTime)).toBeGreaterThan(100.3);
    await audio.evaluate((one: HTMLAudioElement) => one.pause());
    const saved = await seen.download('letter.txt', () =>
      page.getByRole('button', { name: 'Download letter.txt' }).click(),
    );
    expect(await digest(saved)).toBe(await digest(letter));
    await seen.screenshot(`demo-${project.name}-opened`);
  });

  await test.step('what is open stays open while another file is stored', async () => {
    const more = join(scratch, 'more.txt');
    await writeFile(more, 'more');
    await upload(page, more);
    await expect(itemOf(page, 'long song.wav').locator('audio')).toHaveJSProperty('readyState', 4);
    await page.getByRole('button', { name: 'Delete more.txt' }).click();
    await expect(fileItems(page)).toHaveCount(3);
    await expect(itemOf(page, 'evening.png').locator('img')).toBeVisible();
  });

  await test.step('an envelope is inspected', async () => {
    await page.getByRole('button', { name: 'Inspect letter.txt' }).click();
    const facts = itemOf(page, 'letter.txt').locator('.inspection');
    await expect(facts).toContainText('nothing of it has been verified');
    await expect(facts).toContainText(/key-\w{26}, version 1, of bulla-dev \(service\); key context .*tenant=north/);
    await seen.screenshot(`demo-${project.name}-inspected`);
  });

  await test.step('rotation re-wraps all, and changes no segment', async () => {
    const before = await stored(demo.store);
    const position = await itemOf(page, 'long song.wav').locator('audio').evaluate(positionOf);
    await page.getByRole('button', { name: 'Rotate and re-wrap all' }).click();
    await expect(page.locator('#rewrap-words')).toHaveText('6 messages re-wrapped under version 2.');
    await expect(page.locator('#key')).toContainText('version 1: decrypt-only · version 2: active');
    await expect(fileItems(page).locator('.state')).toHaveText(Array(3).fill('key version 2'));
    for (const [path, bytes] of await stored(demo.store)) {
      expect(before.get(path)?.equals(bytes), path).toBe(path.endsWith('segments'));
    }
    // What was open stays open, and says what is so now.
    await expect(itemOf(page, 'evening.png').locator('img')).toBeVisible();
    expect(position).toBeGreaterThan(100.3);
    expect(await itemOf(page, 'long song.wav').locator('audio').evaluate(positionOf)).toBe(position);
    const facts = itemOf(page, 'letter.txt').locator('.inspection');
    await expect(facts).toContainText(/key-\w{26}, version 2, of bulla-dev/);
    await expect(facts).toContainText('Name wrapped underversion 2');
    await expect(page.getByRole('button', { name: 'Inspect letter.txt' })).toHaveAttribute('aria-expanded', 'true');
    for (const _ of ['closed', 'opened again']) await page.getByRole('button', { name: 'Open evening.png' }).click();
    await expect
      .poll(() =>
        itemOf(page, 'evening.png')
          .locator('img')
          .evaluate((one: HTMLImageElement) => one.naturalWidth),
      )
      .toBe(1200);
    await seen.screenshot(`demo-${project.name}-rotated`);
  });

  await test.step('the log is verified, and verified again as a continuation', async () => {
    const verdict = page.locator('#audit-verdict');
    await page.getByRole('button', { name: 'Show and verify the log' }).click();
    await expect(verdict).toHaveText(/^✓ Signed by the pinned service; 12 of \d+ entries shown, each proved/);
    await page.getByRole('button', { name: 'Show and verify the log' }).click();
    await expect(verdict).toHaveText(/It continues the \d+ entries that this browser saw before\.$/);
    // A log that is another one than this browser saw.
    await page.evaluate(() => {
      const place = Object.keys(localStorage).find((name) => name.startsWith('checkpoint ')) as string;
      const { size } = JSON.parse(localStorage.getItem(place) as string) as { size: number };
      localStorage.setItem(place, JSON.stringify({ size, root: btoa('x'.repeat(32)) }));
    });
    await page.getByRole('button', { name: 'Show and verify the log' }).click();
    await expect(verdict).toHaveText(/^Not verified: .*not a continuation of the one that this browser saw/);
    await expect(page.locator('.entries li')).toHaveCount(0);
    await page.evaluate(() => localStorage.clear());
  });

  await test.step('Bob, of another tenant, cannot open them', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await signIn(page, demo, 'Bob');
    await expect(page.locator('.name')).toHaveText(Array(3).fill('Sealed by north'));
    expect(await page.locator('body').textContent()).not.toMatch(/evening|letter|long song/);
    const first = fileItems(page).first();
    await first.getByRole('button', { name: /^Try to open/ }).click();
    await expect(first.locator('.detail')).toContainText('The key service refuses');
    await expect(first.locator('.detail')).toContainText('ERR_NOT_ALLOWED');
    const id = await first.getAttribute('data-id');
    await page.getByRole('button', { name: 'Show and verify the log' }).click();
    const denied = page.locator('.entries .denied').first();
    await expect(denied).toContainText('by bob@south: 1 not-allowed');
    await seen.screenshot(`demo-${project.name}-other-tenant`);
    // The service worker is Bob's now. In a page of its own: the answer is an error on its console.
    const other = await page.context().newPage();
    await other.goto(demo.url);
    const answer = await other.evaluate(async (path) => {
      const { status, headers } = await fetch(path);
      return [status, headers.get('Bulla-Error')];
    }, `/media/${id}`);
    await other.close();
    expect(answer).toEqual([403, 'ERR_NO_MATCHING_KEY']);
  });
});

test('by the keyboard alone, on a phone, in the dark, and again after a reload', async ({ seen, page, demo, scratch }, {
  project,
}) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await expect(page.getByRole('button', { name: /^Alice/ })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.locator('#user')).toHaveText('bob@south');
  await expectList(page, demo);
  const note = join(scratch, 'a note with a rather long name that has to wrap somewhere.txt');
  await writeFile(note, 'short');
  await page.locator('#file').focus();
  await upload(page, note);
  const item = itemOf(page, 'a note with');
  await item.getByRole('button', { name: /^Inspect/ }).focus();
  await page.keyboard.press('Enter');
  await expect(item.locator('.inspection')).toBeVisible();
  await expectNoOverflow(page);
  await seen.screenshot(`demo-${project.name}-phone`);
  await page.keyboard.press('Enter');
  await expect(item.locator('.inspection')).toBeHidden();
  await page.reload();
  await expect(page.locator('#user')).toHaveText('bob@south');
  await itemOf(page, 'a note with')
    .getByRole('button', { name: /^Delete/ })
    .focus();
  await page.keyboard.press('Enter');
  await expect(itemOf(page, 'a note with')).toHaveCount(0);
});

test('a reload in the middle of storing and of re-wrapping leaves whole files and no others', async ({
  seen,
  page,
  demo,
  scratch,
}) => {
  await signIn(page, demo, 'Alice');
  const before = await fileItems(page).count();
  demo.gate.close();
  await page.locator('#file').setInputFiles(await randomFile(scratch, 'large.bin', 5_000_000));
  // Held on its way: a fast store would have all of it before the reload, and be right to keep it.
  await expect.poll(() => demo.gate.waiting).toBe(1);
  await page.reload();
  await expect(page.locator('#key')).toContainText('active');
  await expect.poll(() => demo.gate.waiting).toBe(0);
  demo.gate.open();
  await expect.poll(async () => (await readdir(demo.store)).filter((name) => name.startsWith('.draft'))).toEqual([]);
  await expect(fileItems(page)).toHaveCount(before);

  const notes = Array.from({ length: 8 }, (_, i) => join(scratch, `note ${i}.txt`));
  for (const note of notes) await writeFile(note, note);
  await upload(page, ...notes);
  await page.getByRole('button', { name: 'Rotate and re-wrap all' }).click();
  await expect(page.locator('#rewrap-words')).toHaveText(/Re-wrapped [1-9]|re-wrapped under/);
  await page.reload();
  for (const i of notes.keys()) await expect(itemOf(page, `note ${i}.txt`)).toHaveAttribute('data-state', 'done');
  await page.getByRole('button', { name: 'Rotate and re-wrap all' }).click();
  await expect(page.locator('#rewrap-words')).toHaveText(/re-wrapped under version/);
  await expect
    .poll(async () => new Set(await page.locator('[data-state="done"] .state').allTextContents()).size)
    .toBe(1);
  const saved = await seen.download('note 7.txt', () =>
    page.getByRole('button', { name: 'Download note 7.txt' }).click(),
  );
  expect(await readFile(saved, 'utf8')).toBe(notes[7]);
});

test('who signs out takes along what waits: nothing of hers is stored for the next user', async ({
  seen: _,
  page,
  demo,
  scratch,
}) => {
  await signIn(page, demo, 'Alice');
  const before = await fileItems(page).count();
  demo.gate.close();
  const files = Array.from({ length: 20 }, (_, i) => join(scratch, `of alice ${i}.txt`));
  for (const file of files) await writeFile(file, file);
  await page.locator('#file').setInputFiles(files);
  // All of them show at once, and each can be cancelled.
  await expect(page.locator('[data-state="working"]')).toHaveCount(20);
  await expect.poll(() => demo.gate.waiting).toBe(1);
  await expect(page.locator('.state', { hasText: 'Storing' })).toHaveCount(1);
  // The bar does not say that all is done while it is being sent.
  await expect(page.locator('[data-state="working"] progress:indeterminate')).toHaveCount(1);
  await page.getByRole('button', { name: 'Cancel of alice 19.txt', exact: true }).click();
  await expect(page.locator('.job', { hasText: 'of alice 19.txt' }).locator('.state')).toHaveText('Cancelled');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect.poll(() => demo.gate.waiting).toBe(0);
  demo.gate.open();
  await signIn(page, demo, 'Bob');
  const own = join(scratch, 'of bob.txt');
  await writeFile(own, 'bob');
  await upload(page, own);
  await expect(page.locator('body')).not.toContainText('of alice');
  await expect(fileItems(page)).toHaveCount(before + 1);
  await page.getByRole('button', { name: 'Delete of bob.txt' }).click();
  await expect(fileItems(page)).toHaveCount(before);
});

test('a changed file says so in words, and shows no broken picture', async ({ seen, page, demo, scratch }, {
  project,
}) => {
  const picture = await drawPicture(page, scratch, 'changed.png');
  await signIn(page, demo, 'Alice');
  await upload(page, picture);
  const item = itemOf(page, 'changed.png');
  const path = join(demo.store, (await item.getAttribute('data-id')) as string, 'segments');
  const bytes = await readFile(path);
  bytes[100] = (bytes[100] as number) ^ 1;
  await writeFile(path, bytes);
  await seen.expectProblems(/422|media/, async () => {
    await page.getByRole('button', { name: 'Open changed.png' }).click();
    await expect(item.locator('.detail')).toContainText('It was changed or cut short');
  });
  await expect(item.locator('img')).toHaveCount(0);
  await seen.screenshot(`demo-${project.name}-changed`);
  await page.getByRole('button', { name: 'Delete changed.png' }).click();
  await expect(item).toHaveCount(0);
});

test('a name cannot reorder or hide what is shown', async ({ seen, page, demo, scratch }, { project }) => {
  await signIn(page, demo, 'Alice');
  const evil = join(scratch, 'evil\u202egnp.exe');
  await writeFile(evil, 'evil');
  await upload(page, evil);
  const item = itemOf(page, 'evil[U+202E]gnp.exe');
  await expect(item.locator('bdi.name')).toHaveText('evil[U+202E]gnp.exe');
  expect(await page.content()).not.toContain('\u202e');
  await seen.screenshot(`demo-${project.name}-name`);
  await page.getByRole('button', { name: 'Delete evil[U+202E]gnp.exe' }).click();
  await expect(item).toHaveCount(0);
});

test('two tabs have one user, and of two rotations both end', async ({ seen, page, demo, scratch, watch }) => {
  await signIn(page, demo, 'Alice');
  const note = join(scratch, 'shared note.txt');
  await writeFile(note, 'shared');
  await upload(page, note);
  const other = await page.context().newPage();
  await watch(other);
  await other.goto(demo.url);
  await expect(other.locator('#user')).toHaveText('alice@north');
  await expectList(other, demo);
  // Browsers put the conflict of the second one on the console.
  await seen.expectProblems(/409/, async () => {
    await Promise.all([page, other].map((one) => one.getByRole('button', { name: 'Rotate and re-wrap all' }).click()));
    for (const one of [page, other]) await expect(one.locator('#rewrap-words')).toHaveText(/re-wrapped under version/);
  });
  await page.getByRole('button', { name: 'Delete shared note.txt' }).click();
  await expect(itemOf(page, 'shared note.txt')).toHaveCount(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(other.getByRole('heading', { name: 'Who are you?' })).toBeVisible();
  await signIn(page, demo, 'Bob');
  await expect(other.locator('#user')).toHaveText('bob@south');
  await other.close();
});
