// A real service worker: pictures, video and long audio are read from messages, play and seek, and no more is fetched than that needs.

import { createHash } from 'node:crypto';
import { expect, type Page } from '@playwright/test';
import { test as base } from './fixtures.ts';
import { type Site, startSite } from './service-worker/site.ts';
import { bytesPerSecond, wav } from './service-worker/wav.ts';
import { webm } from './service-worker/webm.ts';

const test = base.extend<{ controlled: Page }, { site: Site }>({
  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the dependencies from the pattern
    async ({}, use) => {
      const site = await startSite();
      await use(site);
      await site.close();
    },
    { scope: 'worker' },
  ],
  controlled: async ({ page, site }, use) => {
    await page.goto(site.url);
    await page.evaluate(async () => {
      await navigator.serviceWorker.register('/worker.js');
      while (navigator.serviceWorker.controller === null) await new Promise((resolve) => setTimeout(resolve, 10));
    });
    await use(page);
  },
});

async function addMedia(page: Page, tag: 'audio' | 'video', src: string): Promise<void> {
  await page.evaluate(
    async ({ tag, src }) => {
      const media = Object.assign(document.createElement(tag), { src, muted: true, preload: 'metadata', id: 'media' });
      document.body.append(media);
      await new Promise((resolve, reject) => {
        media.onloadedmetadata = resolve;
        media.onerror = () => reject(new Error(media.error?.message ?? 'media error'));
      });
    },
    { tag, src },
  );
}

/** Seeks, plays on from there for a while, and gives where that went. A player that ends or stands still goes nowhere, and that is given too. */
function playFrom(page: Page, seconds: number): Promise<{ from: number; to: number; ended: boolean }> {
  return page.evaluate(async (seconds) => {
    const media = document.querySelector('#media') as HTMLMediaElement;
    const seeked = new Promise((resolve) => media.addEventListener('seeked', resolve, { once: true }));
    media.currentTime = seconds;
    await seeked;
    const from = media.currentTime;
    // Not awaited: it waits for ever where the end was reached before it began.
    media.play().catch(() => undefined);
    const last = performance.now() + 20_000;
    while (media.currentTime < from + 0.4 && !media.ended && performance.now() < last) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    media.pause();
    return { from, to: media.currentTime, ended: media.ended };
  }, seconds);
}

/** A minute of film, 320 by 180, ten frames a second, with a key frame every two seconds. */
async function film(page: Page): Promise<Uint8Array> {
  const frames = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
    const context = canvas.getContext('2d') as CanvasRenderingContext2D;
    const frames: { time: number; key: boolean; data: number[] }[] = [];
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        frames.push({ time: chunk.timestamp / 1_000, key: chunk.type === 'key', data: [...data] });
      },
      error: (error) => Promise.reject(error),
    });
    encoder.configure({ codec: 'vp8', width: 320, height: 180, bitrate: 200_000 });
    for (let i = 0; i < 600; i++) {
      context.fillStyle = `hsl(${i} 60% 50%)`;
      context.fillRect(0, 0, 320, 180);
      const frame = new VideoFrame(canvas, { timestamp: i * 100_000, duration: 100_000 });
      encoder.encode(frame, { keyFrame: i % 20 === 0 });
      frame.close();
    }
    await encoder.flush();
    return frames;
  });
  const read = frames.map(({ data, ...frame }) => ({ ...frame, data: Uint8Array.from(data) }));
  return webm(read, 60_000, 320, 180);
}

test('200 MB of audio play and seek, and only what is needed is fetched', async ({ controlled, site }) => {
  const seconds = 1_050;
  const plaintext = wav(seconds);
  expect(plaintext.byteLength).toBeGreaterThan(200e6);
  await site.put('long.wav', plaintext, 'audio/wav');
  site.reset();
  await addMedia(controlled, 'audio', '/media/long.wav');
  const length = await controlled.evaluate(() => (document.querySelector('#media') as HTMLMediaElement).duration);
  expect(length).toBeCloseTo(seconds, 1);
  for (const position of [0, 1_000, 500, 1_049, 30]) {
    const { from, to } = await playFrom(controlled, position);
    expect(from).toBeGreaterThanOrEqual(position - 0.1);
    expect(to).toBeGreaterThan(from + 0.3);
  }
  const ofAll = site.sent('long.wav') / plaintext.byteLength;
  console.log(`${test.info().project.name}: ${(ofAll * 100).toFixed(1)} % of 200 MB fetched`);
  expect(ofAll).toBeLessThan(0.35);

  // What a range gives is what stands there.
  const start = 700 * bytesPerSecond + 1;
  const part = await controlled.evaluate(async (start) => {
    const response = await fetch('/media/long.wav', { headers: { Range: `bytes=${start}-${start + 999_999}` } });
    const bytes = await response.arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return { status: response.status, range: response.headers.get('Content-Range'), digest: [...digest] };
  }, start);
  expect(part.status).toBe(206);
  expect(part.range).toBe(`bytes ${start}-${start + 999_999}/${plaintext.byteLength}`);
  const expected = createHash('sha256')
    .update(plaintext.subarray(start, start + 1_000_000))
    .digest();
  expect(part.digest).toEqual([...expected]);
});

test('a film plays and seeks', async ({ controlled, site }) => {
  await site.put('film.webm', await film(controlled), 'video/webm; codecs=vp8');
  await addMedia(controlled, 'video', '/media/film.webm');
  const length = await controlled.evaluate(() => (document.querySelector('video') as HTMLVideoElement).duration);
  expect(length).toBeCloseTo(60, 1);
  for (const position of [0, 45.3, 1.5, 30]) {
    const { from, to, ended } = await playFrom(controlled, position);
    expect(from).toBeCloseTo(position, 0);
    expect(to).toBeGreaterThan(from + 0.3);
    expect(to).toBeLessThan(from + 10);
    expect(ended).toBe(false);
  }
  expect(await controlled.evaluate(() => (document.querySelector('video') as HTMLVideoElement).videoWidth)).toBe(320);
});

test('a picture shows; HTML and SVG never run; a wrong or missing message is an error with a code', async ({
  controlled,
  site,
}) => {
  const png = await controlled.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 12, height: 7 });
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
    return [...new Uint8Array(await (blob as Blob).arrayBuffer())];
  });
  await site.put('dot.png', Uint8Array.from(png), 'image/png');
  const script = new TextEncoder().encode('<script>document.title = "ran"; parent.document.title = "ran"</script>');
  await site.put('page.html', script, 'text/html');
  const flipped = Uint8Array.from(await site.put('broken.png', Uint8Array.from(png), 'image/png'));
  flipped[flipped.length - 1] = (flipped.at(-1) as number) ^ 1;
  site.putRaw('broken.png', flipped);
  // A message that was put in the place of another one.
  site.putRaw('moved.png', await site.put('other.png', Uint8Array.from(png), 'image/png'));

  const seen = await controlled.evaluate(async () => {
    const size = async (src: string) => {
      const image = Object.assign(new Image(), { src });
      return image.decode().then(
        () => `${image.naturalWidth}x${image.naturalHeight}`,
        () => 'error',
      );
    };
    const ask = async (path: string) => {
      const { status, headers } = await fetch(path);
      return [status, headers.get('Bulla-Error'), headers.get('Content-Type')];
    };
    return {
      picture: await size('/media/dot.png'),
      broken: await size('/media/broken.png'),
      answers: await Promise.all(['page.html', 'broken.png', 'moved.png', 'none'].map((name) => ask(`/media/${name}`))),
    };
  });
  expect(seen.picture).toBe('12x7');
  expect(seen.broken).toBe('error');
  expect(seen.answers).toEqual([
    [200, null, 'application/octet-stream'],
    [422, 'ERR_DECRYPTION_FAILED', 'application/problem+json'],
    [422, 'ERR_DECRYPTION_FAILED', 'application/problem+json'],
    [404, 'ERR_SOURCE_NOT_FOUND', 'application/problem+json'],
  ]);
  expect(await controlled.title()).toBe('test');
});
