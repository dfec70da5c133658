import { describe, expect, test } from 'vitest';
import { decrypt, decryptStream, encrypt, encryptStream, reencrypt } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import {
  boundarySizes,
  codeOf,
  collect,
  fastKeyring,
  flipBit,
  pattern,
  rejection,
  s,
  streamOf,
} from '../support/data.ts';

const keyring = fastKeyring();
const segmentSize = s;
const chunkings: [string, number[]][] = [
  ['one chunk', [1e9]],
  ['odd chunks', [1, 977, 5, 4095, 0, 13]],
  ['chunks of a segment', [s]],
  ['chunks of a sealed segment', [s + 16]],
  ['chunks of many segments and a bit', [5 * s + 3, 2]],
];

test('a keyring that throws when it hears of a changed segment changes nothing', async () => {
  const data = pattern(3 * s);
  const bad = await encrypt(data, { keyring, segmentSize: s });
  bad[bad.byteLength - 40] = (bad[bad.byteLength - 40] as number) ^ 1;
  let heard = 0;
  const throwing: Keyring = {
    ...keyring,
    segmentFailed() {
      heard++;
      throw new Error('a listener failed');
    },
  };
  expect(await codeOf(decrypt(bad, { keyring: throwing }))).toBe('ERR_DECRYPTION_FAILED');
  const stream = streamOf(bad, 1_000).pipeThrough(decryptStream({ keyring: throwing }));
  expect(await codeOf(collect(stream))).toBe('ERR_DECRYPTION_FAILED');
  expect(heard).toBe(2);
});

describe('streams', () => {
  test.each(chunkings)('§6.5 %s, both ways, agree with the one-shot calls', async (_, sizes) => {
    for (const size of boundarySizes) {
      const data = pattern(size, size + 3);
      const message = await collect(streamOf(data, ...sizes).pipeThrough(encryptStream({ keyring, segmentSize })));
      expect((await decrypt(message, { keyring })).plaintext).toEqual(data);
      expect(await collect(streamOf(message, ...sizes).pipeThrough(decryptStream({ keyring })))).toEqual(data);
    }
  });

  test('one byte at a time', async () => {
    const data = pattern(2 * s + 9);
    const message = await collect(streamOf(data, 1).pipeThrough(encryptStream({ keyring, segmentSize })));
    expect(await collect(streamOf(message, 1).pipeThrough(decryptStream({ keyring })))).toEqual(data);
  });

  test('§1.5 detached: the envelope aside, the body as a stream', async () => {
    const data = pattern(3 * s);
    const sealing = encryptStream({ keyring, segmentSize, detached: true });
    const body = await collect(streamOf(data, 1000).pipeThrough(sealing));
    const envelope = await sealing.envelope;
    expect((await decrypt({ envelope, body }, { keyring })).plaintext).toEqual(data);
    expect(await collect(streamOf(body, 999).pipeThrough(decryptStream({ keyring, envelope })))).toEqual(data);
    expect(() => decryptStream({ keyring, envelope: body })).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_A_MESSAGE' }),
    );
  });

  test('§6.4 a failure is heard of at once, also while nothing more arrives', async () => {
    const message = await encrypt(pattern(3 * s), { keyring, segmentSize });
    const stream = decryptStream({ keyring });
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    const reader = stream.readable.getReader();
    writer.write(flipBit(message, (message.byteLength - 3 * s) * 8).slice(0, -s)).catch(() => {});
    expect(await codeOf(reader.read().then(() => reader.read()))).toBe('ERR_DECRYPTION_FAILED');
  });

  test('a segment comes out as soon as it is in', async () => {
    const message = await encrypt(pattern(9 * s), { keyring, segmentSize, contentType: 'video/mp4' });
    const stream = decryptStream({ keyring });
    const writer = stream.writable.getWriter();
    writer.write(message.slice(0, 2 * s)).catch(() => {});
    const reader = stream.readable.getReader();
    expect((await reader.read()).value).toEqual(pattern(s));
    expect((await stream.header).contentType).toBe('video/mp4');
    await reader.cancel();
  });

  test('progress counts plaintext bytes, both ways', async () => {
    const data = pattern(2 * s + 10);
    const sealed: number[] = [];
    const opened: number[] = [];
    const sealing = encryptStream({ keyring, segmentSize, onProgress: (bytes) => sealed.push(bytes) });
    const opening = decryptStream({ keyring, onProgress: (bytes) => opened.push(bytes) });
    await collect(streamOf(data, 3000).pipeThrough(sealing).pipeThrough(opening));
    expect(sealed).toEqual([s, 2 * s, 2 * s + 10]);
    expect(opened).toEqual([s, 2 * s, 2 * s + 10]);
  });

  test('a writer may use its chunk again once it was written', async () => {
    const data = pattern(8 * s);
    const sealing = encryptStream({ keyring, segmentSize });
    const message = collect(sealing.readable);
    const writer = sealing.writable.getWriter();
    const chunk = new Uint8Array(2 * s);
    for (let at = 0; at < data.byteLength; at += chunk.byteLength) {
      chunk.set(data.subarray(at, at + chunk.byteLength));
      await writer.write(chunk);
    }
    await writer.close();
    expect((await decrypt(await message, { keyring })).plaintext).toEqual(data);
  });

  test('from memory to memory, others have their turn meanwhile', async () => {
    const keyring = fastKeyring();
    const chunk = new Uint8Array(2 ** 20);
    let left = 64;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => (left-- > 0 ? controller.enqueue(chunk) : controller.close()),
    });
    const turns: string[] = [];
    const timer = setInterval(() => turns.push('timer'), 0);
    const sealed = source.pipeThrough(encryptStream({ keyring }));
    for (const reader = sealed.getReader(); !(await reader.read()).done; );
    clearInterval(timer);
    expect(turns).toContain('timer');
  });

  test('back-pressure: a reader that waits holds the writer up', async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(pattern(s));
      },
    });
    const reader = endless.pipeThrough(encryptStream({ keyring, segmentSize })).getReader();
    for (let i = 0; i < 5; i++) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(pulled).toBeLessThan(20);
    await reader.cancel();
  });
});

describe('streams that fail', () => {
  const reason = new Error('enough');

  test('§6.4 what came out before the failure is authentic, and the end is missing', async () => {
    const data = pattern(6 * s);
    const message = await encrypt(data, { keyring, segmentSize });
    const bad = flipBit(message, (message.byteLength - 3 * (s + 16)) * 8);
    const reader = streamOf(bad, 700).pipeThrough(decryptStream({ keyring })).getReader();
    const seen: Uint8Array[] = [];
    const error = await rejection(
      (async () => {
        for (let part = await reader.read(); !part.done; part = await reader.read()) seen.push(part.value);
      })(),
    );
    expect(error.code).toBe('ERR_DECRYPTION_FAILED');
    const released = seen.flatMap((part) => [...part]);
    expect(released.length % s).toBe(0);
    expect(released.length).toBeLessThanOrEqual(3 * s);
    expect(Uint8Array.from(released)).toEqual(data.slice(0, released.length));
  });

  test('§6.5 a cut at a segment boundary is a failure', async () => {
    const message = await encrypt(pattern(4 * s), { keyring, segmentSize });
    const cut = message.slice(0, message.byteLength - 16);
    expect(await codeOf(collect(streamOf(cut, 500).pipeThrough(decryptStream({ keyring }))))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test.each<[string, number, string]>([
    ['nothing', 0, 'ERR_NOT_A_MESSAGE'],
    ['part of the magic', 4, 'ERR_NOT_A_MESSAGE'],
    ['the magic', 5, 'ERR_TRUNCATED'],
    ['part of the length', 9, 'ERR_TRUNCATED'],
    ['the preamble', 10, 'ERR_TRUNCATED'],
    ['part of the envelope', 30, 'ERR_TRUNCATED'],
  ])('§1.3 %s', async (_, length, code) => {
    const message = await encrypt('x', { keyring });
    const stream = decryptStream({ keyring });
    const error = await rejection(collect(streamOf(message.slice(0, length), 3).pipeThrough(stream)));
    expect(error.code).toBe(code);
    expect(await codeOf(stream.header)).toBe(code);
  });

  test('§1.3 a hostile length is refused before more is waited for', async () => {
    const stream = decryptStream({ keyring });
    const writer = stream.writable.getWriter();
    const preamble = Uint8Array.of(0x62, 0x75, 0x6c, 0x6c, 0x61, 1, 0xff, 0xff, 0xff, 0xff);
    writer.write(preamble).catch(() => {});
    expect(await codeOf(stream.readable.getReader().read())).toBe('ERR_LIMIT_EXCEEDED');
    writer.closed.catch(() => {});
  });

  test('a keyring that fails, a wrong option, a wrong chunk', async () => {
    const failing: Keyring = { ...keyring, generateDataKey: () => Promise.reject(reason) };
    const sealing = encryptStream({ keyring: failing });
    await expect(collect(streamOf(pattern(9), 9).pipeThrough(sealing))).rejects.toBe(reason);
    await expect(sealing.envelope).rejects.toBe(reason);
    expect(() => encryptStream({ keyring, onprogress: 1 } as never)).toThrow(/unknown option "onprogress"/);
    expect(() => encryptStream({ keyring, onProgress: 1 } as never)).toThrow(/^onProgress must be a function/);
    expect(() => decryptStream({ keyring, detached: true } as never)).toThrow(/unknown option "detached"/);
    const texts = new ReadableStream({
      start(controller) {
        controller.enqueue('text');
      },
    });
    await expect(collect(texts.pipeThrough(encryptStream({ keyring })))).rejects.toThrow(/^chunk must be a Uint8Array/);
  });

  test('abort before, during, and what is downstream hears the reason', async () => {
    const endless = () => new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(pattern(s)) });
    const aborted = encryptStream({ keyring, signal: AbortSignal.abort(reason) });
    await expect(collect(endless().pipeThrough(aborted))).rejects.toBe(reason);
    const controller = new AbortController();
    const stream = encryptStream({ keyring, segmentSize, signal: controller.signal });
    const reader = endless().pipeThrough(stream).getReader();
    await reader.read();
    await reader.read();
    controller.abort(reason);
    await expect(reader.closed).rejects.toBe(reason);
    const opening = decryptStream({ keyring, signal: AbortSignal.abort(reason) });
    await expect(collect(streamOf(pattern(9), 9).pipeThrough(opening))).rejects.toBe(reason);
    await expect(opening.header).rejects.toBe(reason);
  });

  test('cancel reaches the source', async () => {
    let cancelled: unknown;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(pattern(s)),
      cancel(why) {
        cancelled = why;
      },
    });
    const reader = source.pipeThrough(encryptStream({ keyring, segmentSize })).getReader();
    await reader.read();
    await reader.cancel(reason);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(cancelled).toBe(reason);
  });

  test('what a keyring is asked ends with the stream: by a signal, and by a reader that cancels where the platform tells', async () => {
    const message = await encrypt(pattern(s), { keyring });
    /** A keyring that answers nothing, and the reason with which its call was ended. */
    const hanging = () => {
      let heard: (why: unknown) => void;
      const ended = new Promise((resolve) => {
        heard = resolve;
      });
      let asked: () => void;
      const called = new Promise<void>((resolve) => {
        asked = resolve;
      });
      const hang = (signal: AbortSignal | undefined) => {
        asked();
        signal?.addEventListener('abort', () => heard(signal.reason));
        return new Promise<never>(() => {});
      };
      const hung: Keyring = {
        ...keyring,
        generateDataKey: (options) => hang(options?.signal),
        unwrapDataKey: (_, options) => hang(options?.signal),
      };
      return { hung, called, ended };
    };
    const streams = [
      (hung: Keyring, signal?: AbortSignal) =>
        streamOf(pattern(s), s).pipeThrough(encryptStream({ keyring: hung, signal })),
      (hung: Keyring, signal?: AbortSignal) =>
        streamOf(message, s).pipeThrough(decryptStream({ keyring: hung, signal })),
      (hung: Keyring, signal?: AbortSignal) => reencrypt(streamOf(message, s), { from: keyring, to: hung, signal }),
    ];
    for (const open of streams) {
      const aborted = hanging();
      const controller = new AbortController();
      const failing = collect(open(aborted.hung, controller.signal));
      await aborted.called;
      controller.abort(reason);
      await expect(failing).rejects.toBe(reason);
      expect(await aborted.ended).toBe(reason);

      if (!(await tellsOfCancelling())) continue;
      const left = hanging();
      const reader = open(left.hung).getReader();
      await left.called;
      await reader.cancel(reason);
      expect(await left.ended).toBe(reason);
    }
  });
});

/** Whether this platform tells a TransformStream that its reader has gone. */
async function tellsOfCancelling(): Promise<boolean> {
  let told = false;
  const transformer: Transformer & { cancel(): void } = {
    cancel() {
      told = true;
    },
  };
  await new TransformStream(transformer).readable.cancel();
  return told;
}
