// What must not leak from a URL or its headers, schemes that are not read, and a `fetch` that does not answer.

import { describe, expect, test, vi } from 'vitest';
import { open } from '../../src/index.ts';
import { urlSource } from '../../src/url.ts';
import { codeOf, errorTexts, fastKeyring, rejection } from '../support/data.ts';

const keyring = fastKeyring();
const secret = 'S3CRETS3CRET';
const nobody = new URL('http://127.0.0.1:1/');

describe('headers', () => {
  test.each([
    ['a line end within', `Bearer ${secret}\nX: 1`],
    ['a NUL', `Bearer ${secret}\0`],
    ['a control character', `Bearer ${secret}\x01`],
    ['what is not Latin-1', `Bearer ${secret}\u2019`],
    ['a byte order mark', `\ufeffBearer ${secret}`],
    ['an array', [secret]],
  ])('%s is refused before anything is sent, by its name alone', async (_, value) => {
    const fetch = vi.fn();
    const headers = { Authorization: value } as Record<string, string>;
    for (const given of [headers, () => headers, async () => headers]) {
      const error = await rejection(urlSource(nobody, { headers: given, fetch, retry: { delay: 1 } }));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('headers["Authorization"]');
      expect(errorTexts(error)).not.toContain(secret);
    }
    expect(fetch).not.toHaveBeenCalled();
  });

  test('a name that is none may be a value that went astray', async () => {
    for (const name of [`Authorization: Bearer ${secret}`, `${secret}\n`, `${secret}\u2019`]) {
      const error = await rejection(urlSource(nobody, { headers: { [name]: '' } }));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('headers');
      expect(errorTexts(error)).not.toContain(secret);
    }
  });

  test.each(['Range', 'range', 'RANGE'])('%s is not for the caller', async (name) => {
    const error = await rejection(urlSource(nobody, { headers: { [name]: 'bytes=0-' } }));
    expect(error.message).toBe('headers must be without Range');
  });

  test('what stands around a value is taken away, as fetch does', async () => {
    const sent: (string | null)[] = [];
    const fetch = async (_: string, { headers }: RequestInit) => {
      sent.push(new Headers(headers).get('Authorization'));
      return new Response(null, { status: 404 });
    };
    await rejection(urlSource(nobody, { headers: { Authorization: ' Bearer abc\r\n' }, fetch }));
    expect(sent).toEqual(['Bearer abc']);
  });
});

/** Both ways to a URL. */
const ways: [string, (url: URL) => Promise<unknown>][] = [
  ['open', (url) => open(url, { keyring })],
  ['urlSource', (url) => urlSource(url, { retry: { limit: 0 } })],
];

describe.each(ways)('%s', (_, read) => {
  test.each([`http://user:${secret}@127.0.0.1:1/`, `http://${secret}@127.0.0.1:1/`, `http://:${secret}@127.0.0.1:1/`])(
    'a password in the URL is refused and not repeated: %s',
    async (url) => {
      const error = await rejection(read(new URL(url)));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(/^url must be without user and password/);
      expect(errorTexts(error)).not.toContain(secret);
    },
  );

  test.each([
    'data:,hello',
    'data:;base64,YnVsbGE=',
    'blob:nodedata:x',
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'about:blank',
  ])('a scheme without ranges is refused: %s', async (url) => {
    const error = await rejection(read(new URL(url)));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^url must be a URL object of http: or https:/);
  });

  test('what only says that it is a URL is none', async () => {
    for (const url of [{ [Symbol.toStringTag]: 'URL' }, { [Symbol.toStringTag]: 'URL', href: 7 }] as never as URL[]) {
      expect(await rejection(read(url))).toBeInstanceOf(TypeError);
    }
  });
});

describe('a fetch that takes no notice of its signal', () => {
  const never = new Promise<never>(() => {});
  const range = { status: 206, headers: { 'Content-Range': 'bytes 0-0/100' } };
  const hanging: [string, () => Promise<Response>][] = [
    ['gives no answer', () => never],
    ['gives a body that hangs', async () => new Response(new ReadableStream({ pull: () => never }), range)],
  ];

  test.each(hanging)('%s: given up after the time', async (_, answer) => {
    const fetch = vi.fn(answer);
    expect(await codeOf(urlSource(nobody, { fetch, timeout: 20, retry: { limit: 1, delay: 1 } }))).toBe(
      'ERR_SOURCE_UNAVAILABLE',
    );
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test.each(hanging)('%s: ended by the signal', async (_, answer) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const fetch = vi.fn(answer);
    const opening = rejection(urlSource(nobody, { fetch, signal: controller.signal }));
    await vi.waitFor(() => expect(fetch).toHaveBeenCalled());
    controller.abort(reason);
    expect(await opening).toBe(reason);
  });

  test('what comes too late is ended: an answer, and the body of one', async () => {
    const ended: string[] = [];
    const bodyOf = (name: string) =>
      new Response(new ReadableStream({ pull: () => never, cancel: () => void ended.push(name) }), range);
    let answerLate = (_: Response) => {};
    const late = new Promise<Response>((resolve) => {
      answerLate = resolve;
    });
    const answers = [late, Promise.resolve(bodyOf('body'))];
    const fetch = () => answers.shift() as Promise<Response>;
    expect(await codeOf(urlSource(nobody, { fetch, timeout: 20, retry: { limit: 1, delay: 1 } }))).toBe(
      'ERR_SOURCE_UNAVAILABLE',
    );
    answerLate(bodyOf('answer'));
    await vi.waitFor(() => expect(ended.sort()).toEqual(['answer', 'body']));
  });

  test.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['no response', async () => ({})],
    ['chunks that are no bytes', async () => new Response(new ReadableStream({ start: (c) => c.enqueue('x') }), range)],
    ['objects', async () => new Response(new ReadableStream({ start: (c) => c.enqueue({ byteLength: 1 }) }), range)],
  ])('%s is no answer', async (_, answer) => {
    const fetch = answer as () => Promise<Response>;
    const code = await codeOf(urlSource(nobody, { fetch, timeout: 50, retry: { limit: 0 } }));
    expect(code).toMatch(/^ERR_SOURCE_UN(AVAILABLE|READABLE)$/);
  });
});
