// Bytes are taken when a call is made, wherever they lie: in memory that is resizable or a part of other memory alike, and never in memory that is shared or gone.

import { describe, expect, test } from 'vitest';
import { rewrapAll } from '../../src/bulk.ts';
import { createFieldEncryption, defineFields, encrypted, memoryDataKeyStore } from '../../src/fields.ts';
import { decryptBlob, encryptBlob } from '../../src/files.ts';
import {
  attach,
  decrypt,
  decryptMany,
  decryptStream,
  detach as detachMessage,
  encrypt,
  encryptMany,
  encryptStream,
  fromText,
  inspect,
  open,
  reencrypt,
  rewrap,
  toText,
} from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { importDataKey, type Keyring } from '../../src/keyrings/custom.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { generateRsaKey, rsaKeyring } from '../../src/keyrings/rsa.ts';
import { createDecryptingHandler } from '../../src/service-worker.ts';
import { tenantKeyring } from '../fields/support.ts';
import { collect, fastKeyring, pattern, rejection, s } from '../support/data.ts';
import { meanwhile, unusable, usable } from '../support/memory.ts';

const keyring = fastKeyring();
const data = pattern(3 * s + 5);
const dataKey = pattern(32, 3);
const message = await encrypt(data, { keyring, segmentSize: s });
const halves = detachMessage(message);
const ecdh = await generateEcdhKey();
const rsa = await generateRsaKey();

type Bytes = Uint8Array<ArrayBuffer>;
const opened = async (bytes: Uint8Array | string, by: Keyring = keyring) =>
  (await decrypt(bytes, { keyring: by })).plaintext;
const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
/** One chunk, after which the stream ends. */
const streamOf = (chunk: Uint8Array) =>
  new ReadableStream<Bytes>({
    start(controller) {
      controller.enqueue(chunk as Bytes);
      controller.close();
    },
  });
/** What a keyring wraps must be what it unwraps. */
async function wrapped(by: Keyring, bytes: Uint8Array): Promise<Uint8Array> {
  const wrappedKeys = await by.wrapDataKey(bytes as Bytes);
  const unwrapped = await by.unwrapDataKeyBytes(wrappedKeys);
  return unwrapped?.dataKey as Uint8Array;
}
const fields = defineFields({ t: { row: 'id', tenant: 'tenant', columns: { blob: encrypted.bytes() } } });
const cells = createFieldEncryption({ fields, keyring: tenantKeyring, dataKeys: memoryDataKeyStore() });

/** A use of bytes: which ones are right, and what must come of it. The bytes are those of the first call. */
interface Use {
  readonly bytes: Uint8Array;
  readonly use: (bytes: Uint8Array) => unknown;
  readonly result: unknown;
}
const plaintext = (use: Use['use']): Use => ({ bytes: data, use, result: data });
const sealed = (use: Use['use'], bytes: Uint8Array = message): Use => ({ bytes, use, result: data });
const key = (use: Use['use']): Use => ({ bytes: dataKey, use, result: dataKey });

/** Whatever takes bytes when it is called. */
const taking: Readonly<Record<string, Use>> = {
  encrypt: plaintext(async (bytes) => opened(await encrypt(bytes, { keyring, segmentSize: s }))),
  encryptMany: plaintext(async (bytes) => opened((await encryptMany([{ data: bytes }], { keyring }))[0] as Uint8Array)),
  'encryptMany, several': plaintext(async (bytes) => {
    const messages = await encryptMany([{ data: 'x' }, { data: bytes }], { keyring });
    return opened(messages[1] as Uint8Array);
  }),
  decrypt: sealed((bytes) => opened(bytes)),
  'decrypt, an envelope': sealed(
    async (envelope) => (await decrypt({ envelope, body: halves.body }, { keyring })).plaintext,
    halves.envelope,
  ),
  'decrypt, a body': sealed(
    async (body) => (await decrypt({ envelope: halves.envelope, body: body as Bytes }, { keyring })).plaintext,
    halves.body,
  ),
  decryptMany: sealed(async (bytes) => (await decryptMany([{ message: bytes }], { keyring }))[0]?.plaintext),
  open: sealed(async (bytes) => (await open(bytes, { keyring })).read()),
  'open, a stream': sealed(async (bytes) => collect((await open(bytes, { keyring })).stream())),
  'open, an envelope': sealed(
    async (envelope) => (await open(halves.body, { keyring, envelope })).read(),
    halves.envelope,
  ),
  'decryptStream, an envelope': sealed(
    (envelope) => collect(streamOf(halves.body).pipeThrough(decryptStream({ keyring, envelope }))),
    halves.envelope,
  ),
  inspect: { bytes: message, use: (bytes) => inspect(bytes).header.segmentSize, result: s },
  'attach, an envelope': sealed((envelope) => opened(attach({ envelope, body: halves.body })), halves.envelope),
  'attach, a body': sealed((body) => opened(attach({ envelope: halves.envelope, body: body as Bytes })), halves.body),
  detach: sealed((bytes) => opened(attach(detachMessage(bytes)))),
  toText: { bytes: message, use: (bytes) => fromText(toText(bytes)), result: message },
  rewrap: sealed(async (bytes) => opened(await rewrap(bytes, { from: keyring, to: keyring }))),
  'rewrap, an envelope': sealed(async (bytes) => {
    const envelope = await rewrap(bytes, { from: keyring, to: keyring });
    return (await decrypt({ envelope, body: halves.body }, { keyring })).plaintext;
  }, halves.envelope),
  reencrypt: sealed(async (bytes) => opened(await reencrypt(bytes, { from: keyring, to: keyring }))),
  'aesKeyring, the key': sealed(
    (bytes) => opened(message, aesKeyring({ keyId: 'test', key: bytes })),
    new Uint8Array(32).fill(7),
  ),
  'ecdhKeyring, a point': {
    bytes: ecdh.publicKey.point,
    use: async (point) => {
      const recipients = [{ ...ecdh.publicKey, point: point as Bytes }];
      return opened(
        await encrypt(data, { keyring: ecdhKeyring({ recipients }) }),
        ecdhKeyring({ privateKeys: [ecdh] }),
      );
    },
    result: data,
  },
  importDataKey: {
    bytes: dataKey,
    use: async (bytes) => {
      const made = await importDataKey(bytes);
      const wrappedKeys = await keyring.wrapDataKey(dataKey);
      const custom: Keyring = {
        ...keyring,
        generateDataKey: async () => ({ dataKey: made, wrappedKeys, keyUse: 'single' }),
      };
      return opened(await encrypt(data, { keyring: custom }));
    },
    result: data,
  },
  'wrapDataKey of aesKeyring': key((bytes) => wrapped(keyring, bytes)),
  'wrapDataKey of ecdhKeyring': key((bytes) =>
    wrapped(ecdhKeyring({ recipients: [ecdh.publicKey], privateKeys: [ecdh] }), bytes),
  ),
  'wrapDataKey of rsaKeyring': key((bytes) =>
    wrapped(rsaKeyring({ recipients: [rsa.publicKey], privateKeys: [rsa.privateKey] }), bytes),
  ),
  'a column of bytes': plaintext(async (blob) => {
    const rows = await cells.seal('t', [{ id: '1', tenant: 'a', blob }]);
    return (await cells.open('t', rows))[0]?.['blob'];
  }),
};

/** What takes bytes when they reach it. */
const reached: Readonly<Record<string, Use>> = {
  encryptStream: plaintext(async (bytes) =>
    opened(await collect(streamOf(bytes).pipeThrough(encryptStream({ keyring, segmentSize: s })))),
  ),
  decryptStream: sealed((bytes) => collect(streamOf(bytes).pipeThrough(decryptStream({ keyring })))),
  'reencrypt of a stream': sealed(async (bytes) =>
    opened(await collect(reencrypt(streamOf(bytes), { from: keyring, to: keyring }))),
  ),
  encryptBlob: plaintext(async (bytes) => opened(await bytesOf(await encryptBlob(streamOf(bytes), { keyring })))),
  decryptBlob: sealed(async (bytes) => bytesOf((await decryptBlob(streamOf(bytes), { keyring })).plaintext)),
  rewrapAll: sealed(async (bytes) => {
    const written: Uint8Array[] = [];
    const write = async (result: Uint8Array | string) => void written.push(result as Uint8Array);
    const report = await rewrapAll([{ id: '1', message: bytes }], { from: keyring, to: keyring, write });
    if (report.failures[0] !== undefined) throw report.failures[0].error;
    return opened(written[0] as Uint8Array);
  }),
  'createDecryptingHandler, a source': sealed(async (source) => {
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const handler = createDecryptingHandler({ match: () => ({ source, keyring }), onError });
    const response = await handler.respond(new Request('https://app.example/1'));
    if (errors.length > 0) throw errors[0];
    return new Uint8Array(await (response as Response).arrayBuffer());
  }),
  'open, what a source reads': sealed(async (bytes) => {
    // A view of other memory than the message: read once, and whole.
    const read = async (offset: number, length: number) =>
      bytes.byteLength === message.byteLength ? (bytes.subarray(offset, offset + length) as Bytes) : (bytes as Bytes);
    return (await open({ size: message.byteLength, read }, { keyring })).read();
  }),
};

const all = Object.entries({ ...taking, ...reached });

describe.each(usable)('bytes in %s', (_kind, make) => {
  test.each(all)('%s', async (_, { bytes, use, result }) => {
    expect(await use(make(bytes))).toEqual(result);
  });
});

describe.each(unusable)('bytes in %s', (_kind, make) => {
  test.each(all)('%s refuses them with a TypeError', async (_, { bytes, use }) => {
    expect(await rejection((async () => use(make(bytes)))())).toBeInstanceOf(TypeError);
  });
});

describe.each(meanwhile)('a caller that %s right after the call', (_what, make, act) => {
  test.each(Object.entries(taking))('%s', async (_, { bytes, use, result }) => {
    const given = make(bytes);
    const call = use(given);
    act(given);
    expect(await call).toEqual(result);
  });

  test.each([
    ['encryptStream', data, () => encryptStream({ keyring, segmentSize: s }), (bytes: Uint8Array) => opened(bytes)],
    ['decryptStream', message, () => decryptStream({ keyring }), (bytes: Uint8Array) => bytes],
  ] as const)('%s, once a chunk was written', async (_, bytes, create, result) => {
    const { readable, writable } = create();
    const written = collect(readable);
    const writer = writable.getWriter();
    for (let at = 0; at < bytes.byteLength; at += 5_000) {
      const chunk = make(bytes.subarray(at, at + 5_000)) as Bytes;
      await writer.write(chunk);
      act(chunk);
    }
    await writer.close();
    expect(await result(await written)).toEqual(data);
  });
});
