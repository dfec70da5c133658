import { describe, expect, test } from 'vitest';
import { decryptBlob, encryptBlob } from '../../src/files.ts';
import { decrypt, encrypt, inspect, open } from '../../src/index.ts';
import type { Bytes } from '../../src/types.ts';
import { assertSameBytes, codeOf, fastKeyring, flipBit, pattern, rejection, s, streamOf } from '../support/data.ts';
import { segmentWorkers } from '../support/workers.ts';

const keyring = fastKeyring();
const context = { file: '4711' };
const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());

describe('blobs', () => {
  test.each([0, 1, s, 3 * s + 1, 40_000_000])('%i bytes there and back, with workers and without', async (size) => {
    const data = pattern(size);
    for (const workers of [undefined, segmentWorkers()]) {
      const message = await encryptBlob(new Blob([data]), { keyring, context, workers });
      const { plaintext } = await decrypt(await bytesOf(message), { keyring, context });
      assertSameBytes(plaintext, data);
      const decrypted = await decryptBlob(message, { keyring, context, workers });
      assertSameBytes(await bytesOf(decrypted.plaintext), data);
    }
  });

  test('the type of a blob is that of the message, unless another is given or it is too long for one', async () => {
    const typeOf = async (type: string, contentType?: string) =>
      inspect(await bytesOf(await encryptBlob(new Blob(['x'], { type }), { keyring, contentType }))).header.contentType;
    expect(await typeOf('image/png')).toBe('image/png');
    expect(await typeOf('image/png', 'text/plain')).toBe('text/plain');
    expect(await typeOf('')).toBeUndefined();
    expect(await typeOf(`a/${'b'.repeat(255)}`)).toBeUndefined();
  });

  test('a blob that cannot be streamed, as in jsdom, is read in pieces', async () => {
    const unstreamable = (bytes: Bytes) =>
      Object.defineProperty(new Blob([bytes], { type: 'image/png' }), 'stream', { value: undefined });
    for (const size of [0, 1, s, 3 * s + 1]) {
      const message = await bytesOf(await encryptBlob(unstreamable(pattern(size)), { keyring }));
      expect(inspect(message).header.contentType).toBe('image/png');
      const { plaintext } = await decryptBlob(unstreamable(message), { keyring });
      assertSameBytes(await bytesOf(plaintext), pattern(size));
      const opened = await open(unstreamable(message), { keyring });
      assertSameBytes(await opened.read(), pattern(size));
    }
  });

  test('what comes out is no page of this origin, whatever the writer says', async () => {
    const message = await encryptBlob(new Blob(['<script>'], { type: 'text/html' }), { keyring });
    expect(message.type).toBe('application/octet-stream');
    const { plaintext, header } = await decryptBlob(message, { keyring });
    expect(plaintext.type).toBe('application/octet-stream');
    expect(header.contentType).toBe('text/html');
  });

  test('from a stream', async () => {
    const data = pattern(3 * s);
    const message = await encryptBlob(streamOf(data, 1000) as ReadableStream<Bytes>, { keyring, context });
    const { plaintext } = await decryptBlob(message.stream(), { keyring, context });
    assertSameBytes(await bytesOf(plaintext), data);
  });

  test('§1.5 detached', async () => {
    const data = pattern(2 * s);
    const { envelope, body } = await encryptBlob(new Blob([data]), { keyring, detached: true, segmentSize: s });
    assertSameBytes((await decrypt({ envelope, body: await bytesOf(body) }, { keyring })).plaintext, data);
    assertSameBytes(await bytesOf((await decryptBlob(body, { keyring, envelope })).plaintext), data);
  });
});

describe('blobs that fail', () => {
  test('§6.4 §6.5 a changed and a cut message give no blob', async () => {
    const message = await encrypt(pattern(5 * s), { keyring, segmentSize: s });
    for (const bad of [flipBit(message, (message.byteLength - 2 * s) * 8), message.slice(0, -16)]) {
      expect(await codeOf(decryptBlob(new Blob([bad]), { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    }
  });

  test('the errors of streams, as they are', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    expect(await rejection(encryptBlob(new Blob(['x']), { keyring, signal }))).toBe(reason);
    expect(await codeOf(decryptBlob(new Blob(['x']), { keyring }))).toBe('ERR_NOT_A_MESSAGE');
    const message = await encryptBlob(new Blob(['x']), { keyring, context });
    expect(await codeOf(decryptBlob(message, { keyring }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(await codeOf(decryptBlob(message, { keyring: fastKeyring(8), context }))).toBe('ERR_DECRYPTION_FAILED');
  });

  test('what is no blob, and a wrong option, are refused by name', async () => {
    const wrong = new Uint8Array(1) as unknown as Blob;
    expect((await rejection(encryptBlob(wrong, { keyring }))).message).toMatch(/^source must be a Blob/);
    expect((await rejection(decryptBlob(wrong, { keyring }))).message).toMatch(/^message must be a Blob/);
    expect((await rejection(encryptBlob(new Blob([]), { keyring, key: 1 } as never))).message).toMatch(/"key"/);
  });
});
