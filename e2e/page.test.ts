// One page: to and from the command line, its key, its errors, cancelling, the keyboard, pictures, its looks.

import { execFile } from 'node:child_process';
import { cp, readFile, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Locator } from '@playwright/test';
import { bulla, bullaWithPassphrase } from './cli.ts';
import { type App, digest, drawPicture, expect, randomFile, segmentSize as s, test } from './fixtures.ts';

const MiB = 2 ** 20;

// Of the other files each has a service or a site of its own, which one worker starts once.
test.describe.configure({ mode: 'parallel' });

test.describe('page and command line agree', () => {
  for (const sizes of [[0, 1, s - 1, s, s + 1, 2 * s, 2 * s + 1], [64 * MiB]]) {
    const files = (scratch: string) => Promise.all(sizes.map((size) => randomFile(scratch, `${size} bytes.bin`, size)));
    const jobOf = ({ page }: App, file: string) =>
      page.locator('#jobs > li').filter({ has: page.getByText(basename(file), { exact: true }) });

    test(`page to command line, ${sizes} bytes`, async ({ app, scratch }) => {
      const key = join(scratch, 'alice.key');
      await app.others.fill(await bulla('keygen', '-o', key));
      await expect(app.page.locator('#summary')).toHaveText('Files are encrypted for you, 1 other public key.');
      const all = await files(scratch);
      await app.choose(...all);
      for (const file of all) {
        const message = await app.save(jobOf(app, file));
        expect(basename(message)).toBe(`${basename(file)}.bulla`);
        const back = `${file}.back`;
        await bulla('decrypt', message, '-k', key, '-o', back);
        expect(await digest(back)).toBe(await digest(file));
      }
    });

    test(`command line to page, ${sizes} bytes`, async ({ app, scratch }) => {
      const all = await files(scratch);
      await bulla('encrypt', ...all, '-r', await app.publicKey());
      await app.choose(...all.map((file) => `${file}.bulla`));
      for (const file of all) {
        const back = await app.save(jobOf(app, `${file}.bulla`));
        expect(basename(back)).toBe(basename(file));
        expect(await digest(back)).toBe(await digest(file));
      }
    });
  }

  test('with a passphrase and a context, both ways', async ({ app, scratch }) => {
    const file = await randomFile(scratch, 'notes.bin', 1000);
    const passphrase = 'orbit velvet cactus lantern mosaic tündra';
    const words = join(scratch, 'passphrase');
    await app.page.getByLabel('You, with the key above').uncheck();
    await app.passphrase.fill(passphrase);
    await app.addContext('record', '4711');
    await app.addContext('tenant', 'Zürich');
    await expect(app.page.locator('#summary')).toHaveText('Files are encrypted for anyone who knows the passphrase.');
    const context = ['--context', 'record=4711', '--context', 'tenant=Zürich'];

    const message = await app.save(await app.choose(file));
    await bullaWithPassphrase(passphrase, words, 'decrypt', message, ...context, '-o', `${file}.back`);
    expect(await digest(`${file}.back`)).toBe(await digest(file));

    await bullaWithPassphrase(passphrase, words, 'encrypt', file, ...context, '-o', `${file}.bulla`);
    const back = await app.save(await app.choose(`${file}.bulla`));
    expect(await digest(back)).toBe(await digest(file));
  });
});

test.describe('own key', () => {
  test('is kept across reloads, and cannot be extracted', async ({ app, scratch, served }) => {
    const before = await app.publicKey();
    const message = await app.save(await app.choose(await randomFile(scratch, 'notes.bin', 10)));
    await app.open(served.url);
    expect(await app.publicKey()).toBe(before);
    await app.save(await app.choose(message));

    const stored = await app.page.evaluate(async () => {
      const answer = <T>(request: IDBRequest<T>) =>
        new Promise<T>((resolve, reject) => {
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      const database = await answer(indexedDB.open('bulla-page'));
      const { privateKey } = await answer(database.transaction('keys').objectStore('keys').get('own'));
      const refusals = ['pkcs8', 'jwk'].map((format) =>
        crypto.subtle.exportKey(format as 'jwk', privateKey).then(
          () => 'exported',
          (error) => error.name,
        ),
      );
      return { extractable: privateKey.extractable, refusals: await Promise.all(refusals) };
    });
    expect(stored).toEqual({ extractable: false, refusals: ['InvalidAccessError', 'InvalidAccessError'] });
  });

  test('can be copied', async ({ app, browserName }) => {
    if (browserName === 'chromium') {
      await app.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    }
    await app.page.getByRole('button', { name: 'Copy' }).click();
    await expect(app.page.locator('#copied')).toHaveText('Copied');
    // Firefox asks before a page may read its clipboard.
    if (browserName !== 'chromium') return;
    expect(await app.page.evaluate(() => navigator.clipboard.readText())).toBe(await app.publicKey());
  });
});

test.describe('what fails says why, and leaves nothing to save', () => {
  async function expectFailure(app: App, job: Locator, words: RegExp): Promise<void> {
    await expect(job).toHaveAttribute('data-state', 'failed');
    await expect(job.locator('.detail')).toHaveText(words);
    await expect(job.getByRole('link')).toHaveCount(0);
    await expect(app.page.locator('#status')).toContainText((await job.locator('.detail').textContent()) as string);
    expect(await app.offered()).toEqual([]);
  }

  async function messageFor(app: App, scratch: string, ...args: string[]): Promise<string> {
    const file = await randomFile(scratch, 'notes.bin', 3 * s);
    await bulla('encrypt', file, '-r', await app.publicKey(), '-o', `${file}.bulla`, ...args);
    return `${file}.bulla`;
  }

  test('a message for somebody else', async ({ app, scratch }) => {
    const file = await randomFile(scratch, 'notes.bin', 10);
    const alice = await bulla('keygen', '-o', join(scratch, 'alice.key'));
    await bulla('encrypt', file, '-r', alice, '-o', `${file}.bulla`);
    await expectFailure(app, await app.choose(`${file}.bulla`), /for somebody else: your key is not among/);
  });

  test('a message that was changed or cut', async ({ app, scratch }) => {
    const whole = await readFile(await messageFor(app, scratch));
    const changedAt = (at: number) => {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      return bytes;
    };
    for (const [what, bytes, words] of [
      ['changed in the first segment', changedAt(whole.length - 3 * s), /^It does not open\. The message was changed/],
      ['changed in the last segment', changedAt(whole.length - 1), /^It does not open\. The message was changed/],
      ['cut by its last byte', whole.subarray(0, -1), /changed or cut short/],
      ['cut by its last segment', whole.subarray(0, -(s + 16)), /changed or cut short/],
      ['cut in its envelope', whole.subarray(0, -(3 * (s + 16) + 20)), /ends too early/],
    ] as const) {
      await test.step(what, async () => {
        const file = join(scratch, `${what}.bulla`);
        await writeFile(file, bytes);
        await app.choose(file);
        await expect(app.newest.locator('.name')).toHaveText(`${what}.bulla`);
        await expectFailure(app, app.newest, words);
      });
    }
  });

  for (const [what, bytes] of [
    ['something else', 'This is a letter, not a message.'],
    ['nothing at all', ''],
  ] as const) {
    test(`a file named .bulla that is ${what}`, async ({ app, scratch }) => {
      const file = join(scratch, 'letter.bulla');
      await writeFile(file, bytes);
      await expectFailure(app, await app.choose(file), /^This (is no bulla message|message ends too early)/);
    });
  }

  test('a public key that is none, and one that is off the curve', async ({ app, scratch }) => {
    const file = await randomFile(scratch, 'notes.bin', 10);
    await app.others.fill(`${await app.publicKey()}\nbullapk1.AAAA`);
    await expect(app.page.locator('#others-error')).toHaveText(/^Line 2 is no public key\./);
    await expect(app.others).toHaveAttribute('aria-invalid', 'true');
    await expectFailure(app, await app.choose(file), /^Line 2 is no public key\./);

    await app.others.fill(`bullask1.${'A'.repeat(192)}`);
    await expect(app.page.locator('#others-error')).toHaveText(/^Line 1 is a private key\./);

    await app.others.fill(`bullapk1.${Buffer.concat([Buffer.of(4), Buffer.alloc(96, 1)]).toString('base64url')}`);
    await expect(app.page.locator('#others-error')).toHaveText(/^Line 1 is no public key\./);
    await expectFailure(app, await app.choose(file), /^Line 1 is no public key\./);

    await app.others.fill('');
    await app.newest.getByRole('button', { name: 'Try notes.bin again' }).click();
    await app.save(app.newest);
  });

  test('nobody to encrypt for', async ({ app, scratch }) => {
    await app.page.getByLabel('You, with the key above').uncheck();
    const job = await app.choose(await randomFile(scratch, 'notes.bin', 10));
    await expectFailure(app, job, /^Nobody could open it/);
  });

  test('missing context names, which it then asks for; a wrong value; a wrong passphrase', async ({ app, scratch }) => {
    const message = await messageFor(app, scratch, '--context', 'record=4711', '--context', 'tenant=7');
    const job = await app.choose(message);
    await expectFailure(app, job, /needs values for “record”, “tenant”: enter them under Context/);
    await expect(app.page.getByLabel('Context name 2')).toHaveValue('tenant');
    await expect(app.page.getByLabel('Context value 1')).toBeFocused();
    const again = job.getByRole('button', { name: /^Try .* again$/ });

    await app.page.getByLabel('Context value 1').fill('4711');
    await app.page.getByLabel('Context value 2').fill('8');
    await app.passphrase.fill('nothing to do with it');
    await again.click();
    await expectFailure(
      app,
      job,
      /changed or cut short .*, or the passphrase is wrong, or a value of the context is wrong\./,
    );

    await app.page.getByLabel('Context value 2').fill('7');
    await app.addContext('extra', 'x');
    await again.click();
    await expectFailure(app, job, /encrypted without “extra”/);

    await app.page.getByRole('button', { name: 'Remove context 3' }).click();
    await again.click();
    await app.save(job);
  });

  test('a name cannot reorder or hide what is shown: neither that of a file nor one of a context', async ({
    app,
    scratch,
  }) => {
    const file = join(scratch, 'evil\u202egnp.exe');
    await bulla(
      'encrypt',
      await randomFile(scratch, 'notes.bin', 10),
      '-r',
      await app.publicKey(),
      '-o',
      file,
      '--context',
      'a\u202eb=1',
    );
    const job = await app.choose(file);
    await expectFailure(app, job, /needs values for “a\[U\+202E\]b”/);
    await expect(job.locator('bdi.name')).toHaveText('evil[U+202E]gnp.exe');
    await expect(job.getByRole('button', { name: 'Try evil[U+202E]gnp.exe again' })).toBeVisible();
    expect(await app.page.content()).not.toContain('\u202e');
    await app.page.getByLabel('Context value 1').fill('1');
    await job.getByRole('button', { name: /^Try .* again$/ }).click();
    await expect(job.getByText('Save evil[U+202E]gnp.exe.decrypted')).toBeVisible();
  });

  test('names that are missing or given twice in the form', async ({ app, scratch }) => {
    const file = await randomFile(scratch, 'notes.bin', 10);
    await app.addContext('', 'lost');
    await expectFailure(app, await app.choose(file), /^The value “lost” of the context has no name\./);
    await app.page.getByLabel('Context name 1').fill('a');
    await app.addContext('a', '2');
    await expectFailure(app, await app.choose(file), /^The context has the name “a” twice\./);
  });

  test('cancelling, which stops the work', async ({ app, scratch }) => {
    const file = await randomFile(scratch, 'large.bin', 0);
    await truncate(file, 1024 * MiB);
    const job = await app.choose(file);
    const progress = job.getByRole('progressbar', { name: 'Encrypting large.bin' });
    await expect.poll(() => progress.evaluate((bar: HTMLProgressElement) => bar.value)).toBeGreaterThan(0);
    await expect(job.getByRole('link')).toHaveCount(0);
    await job.getByRole('button', { name: 'Cancel large.bin' }).click();
    await expectFailure(app, job, /^Nothing was kept of it\.|Cancelled/);
    await expect(job.locator('.state')).toHaveText('Cancelled');
    const value = () => job.locator('progress').evaluate((bar: HTMLProgressElement) => bar.value);
    const stopped = await value();
    expect(stopped).toBeLessThan(1);
    await app.page.waitForTimeout(300);
    expect(await value()).toBe(stopped);

    // The next file is not held up.
    await app.save(await app.choose(await randomFile(scratch, 'small.bin', 10)));
  });
});

test('progress grows from nothing to all, and is said', async ({ app, scratch }) => {
  await app.page.evaluate(() => {
    const seen: number[] = [];
    Object.assign(globalThis, { seen });
    new MutationObserver(() => {
      const bar = document.querySelector('progress');
      if (bar !== null) seen.push(bar.value);
    }).observe(document.getElementById('jobs') as HTMLElement, { subtree: true, childList: true, attributes: true });
  });
  const job = await app.choose(await randomFile(scratch, 'notes.bin', 16 * MiB));
  await app.save(job);
  const seen = await app.page.evaluate(() => (globalThis as unknown as { seen: number[] }).seen);
  expect(seen.at(-1)).toBe(1);
  // Workers hand back 2 MiB at a time.
  expect(new Set(seen).size).toBeGreaterThanOrEqual(8);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  await expect(app.page.locator('#status')).toHaveText(/notes\.bin\.bulla is ready to be saved/);
});

test('several files that are dropped, one removed', async ({ app }) => {
  const transfer = await app.page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(['one'], 'one.txt', { type: 'text/plain' }));
    data.items.add(new File(['two'], 'two.txt'));
    return data;
  });
  await app.page.dispatchEvent('#drop', 'dragover', { dataTransfer: transfer });
  await expect(app.page.locator('#drop')).toHaveClass(/over/);
  await app.page.dispatchEvent('#drop', 'drop', { dataTransfer: transfer });
  await expect(app.page.getByRole('link', { name: /^Save/ })).toHaveCount(2);
  const message = await app.save(app.page.locator('#jobs > li', { hasText: 'one.txt' }));
  await app.page.getByRole('button', { name: 'Remove one.txt from the list' }).click();
  await expect(app.page.getByRole('link', { name: /^Save/ })).toHaveText(['Save two.txt.bulla']);
  const plain = await app.save(await app.choose(message));
  expect(await readFile(plain, 'utf8')).toBe('one');
});

test('the keyboard is enough', async ({ app, scratch }) => {
  const { page } = app;
  const file = await randomFile(scratch, 'notes.bin', 1000);
  // Before the key is pressed: to take choosers over takes Playwright a moment.
  const chosen = page.waitForEvent('filechooser');
  await page.keyboard.press('Tab');
  await expect(page.locator('#file')).toBeFocused();
  const outline = await page.locator('label[for=file]').evaluate((label) => getComputedStyle(label).outlineStyle);
  expect(outline).toBe('solid');
  await page.keyboard.press('Enter');
  await (await chosen).setFiles(file);
  const save = page.getByRole('link', { name: 'Save notes.bin.bulla' });
  await expect(save).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(save).toBeFocused();
  const message = await app.download('notes.bin.bulla', () => page.keyboard.press('Enter'));
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Remove notes.bin from the list' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('#jobs > li')).toHaveCount(0);
  await expect(page.locator('#file')).toBeFocused();
  expect(await digest(await app.save(await app.choose(message)))).toBe(await digest(file));
});

test('the focus stays with a file when its controls change', async ({ app, scratch }) => {
  const file = await randomFile(scratch, 'large.bin', 0);
  await truncate(file, 1024 * MiB);
  const job = await app.choose(file);
  await expect(job.locator('.state')).toHaveText(/^Encrypting… [1-9]/);
  await job.getByRole('button', { name: 'Cancel large.bin' }).focus();
  await app.page.keyboard.press('Enter');
  await expect(job.locator('.state')).toHaveText('Cancelled');
  await expect(job.getByRole('button', { name: 'Try large.bin again' })).toBeFocused();
  await app.page.keyboard.press('Enter');
  await expect(job.getByRole('button', { name: 'Cancel large.bin' })).toBeFocused();
  await expect(job.locator('.state')).toHaveText(/^Encrypting… [1-9]/);
  await app.page.keyboard.press('Enter');
  await expect(job.locator('.state')).toHaveText('Cancelled');
});

test('a picture is shown, and what only claims to be one is not', async ({ app, scratch }) => {
  const file = await drawPicture(app.page, scratch, 'evening.png');
  await bulla('encrypt', file, '-r', await app.publicKey(), '-o', `${file}.bulla`);
  const job = await app.choose(`${file}.bulla`);
  await app.save(job);
  const picture = job.getByRole('img', { name: 'Preview of evening.png.bulla' });
  await expect(picture).toBeVisible();
  const colours = await picture.evaluate((canvas: HTMLCanvasElement) => {
    const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
      0,
      0,
      canvas.width,
      canvas.height,
    );
    return new Set(new Uint32Array(data.buffer)).size;
  });
  expect(colours).toBeGreaterThan(10);

  // Named like a picture, but none: saved as ever, without a preview and without an error.
  await writeFile(file, 'no picture');
  await bulla('encrypt', file, '-r', await app.publicKey(), '-o', `${file}.bulla`, '--force');
  await app.save(await app.choose(`${file}.bulla`));
  await expect(app.newest.getByRole('img')).toHaveCount(0);
});

for (const [name, width, colorScheme] of [
  ['desktop-light', 1200, 'light'],
  ['desktop-dark', 1200, 'dark'],
  ['phone-light', 360, 'light'],
] as const) {
  test(`looks: ${name}`, async ({ app, scratch, browserName }) => {
    const { page } = app;
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    const picture = await drawPicture(page, scratch, 'evening.png');
    const message = await app.save(await app.choose(picture));
    await page.getByRole('button', { name: /^Remove/ }).click();
    const foreign = join(scratch, 'from a stranger, with quite a long name.pdf.bulla');
    const alice = await bulla('keygen', '-o', join(scratch, 'alice.key'));
    await bulla('encrypt', picture, '-r', alice, '-o', foreign);
    await app.others.fill('bullapk1.AAAA');
    await app.addContext('record', '4711');
    await page.getByRole('button', { name: 'Remove context 1' }).click();
    await app.choose(foreign);
    await expect(app.newest).toHaveAttribute('data-state', 'failed');
    await app.choose(message);
    await expect(app.newest.getByRole('img')).toBeVisible();
    await app.addContext('record', '4711');
    const large = await randomFile(scratch, 'holiday film.mp4', 0);
    await truncate(large, 1024 * MiB);
    await app.others.fill('');
    const working = await app.choose(large);
    await expect
      .poll(() => working.locator('progress').evaluate((bar: HTMLProgressElement) => bar.value))
      .toBeGreaterThan(0.05);
    await app.screenshot(`${browserName}-${name}`);
    await working.getByRole('button', { name: /^Cancel/ }).click();
    await expect(working).toHaveAttribute('data-state', 'failed');
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
  });
}

test.describe('server', () => {
  test('sends the policy with every answer, and nothing but the page', async ({ served }) => {
    const ask = async (path: string, init?: RequestInit) => {
      const response = await fetch(new URL(path, served.url), init);
      expect(response.headers.get('content-security-policy')).toBe("default-src 'self'");
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      return `${response.status} ${response.headers.get('content-type')}`;
    };
    expect(await ask('/')).toBe('200 text/html; charset=utf-8');
    expect(await ask('/page.js?x')).toBe('200 text/javascript; charset=utf-8');
    expect(await ask('/bulla.min.js', { method: 'HEAD' })).toBe('200 text/javascript; charset=utf-8');
    expect(await ask('/server.ts')).toBe('404 text/plain');
    expect(await ask('/%2e%2e/package.json')).toBe('404 text/plain');
    expect(await ask('/', { method: 'POST' })).toBe('405 text/plain');
  });

  test('says what is missing when nothing was built, and that a port is taken', async ({ scratch, served }) => {
    const run = (script: string, port: string) =>
      promisify(execFile)(process.execPath, [script, port]).then(
        () => 'served',
        ({ code, stderr }) => `${code}: ${stderr.trim()}`,
      );
    const page = new URL('../examples/page/', import.meta.url).pathname;
    await cp(page, join(scratch, 'examples/page'), { recursive: true });
    expect(await run(join(scratch, 'examples/page/server.ts'), '0')).toMatch(/^1: .*run `npm run build` first$/);
    const { port } = new URL(served.url);
    expect(await run(join(page, 'server.ts'), port)).toMatch(new RegExp(`^1: port ${port} is taken`));
    expect(await run(join(page, 'server.ts'), 'x')).toBe('2: x is no port: give a number up to 65535');
  });
});
