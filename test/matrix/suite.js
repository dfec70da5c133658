// The portable suite: what the installed package must do in every runtime, under every bundler and test runner. Plain
// JavaScript on Web APIs. `load` gives the modules (by import or by require), `environment` what a runtime cannot know.

/** Sizes around the default segment of 262,144 bytes. */
const segment = 262_144;
const context = { record: '4711', name: 'Zoë \u{1F600}' };

/** The subpaths of the package that can be imported everywhere. */
export const subpaths = [
  '.',
  './keyrings/ecdh',
  './keyrings/aes',
  './keyrings/rsa',
  './keyrings/passphrase',
  './keyrings/any-of',
  './keyrings/custom',
  './keyrings/service',
  './keyrings/observed',
  './keyrings/transit',
  './bulk',
  './service',
  './cache',
  './service-worker',
  './files',
  './workers',
  './fields',
];

/**
 * Runs all cases, one after the other, and returns `{ name, error }` for each: `error` is `undefined` where the case
 * passed, else the code or the text of what was thrown.
 *
 * @param {(subpath: string) => Promise<any>} load
 * @param {{
 *   service?: { url: string, pin: string, keyId: string },
 *   node?: () => Promise<any>,
 *   fs?: () => Promise<any>,
 *   isTimed?: boolean,
 * }} environment What a runtime has besides Web APIs: `bulla/node` with the files of `node:fs/promises`.
 */
export async function runSuite(load, environment = {}) {
  const results = [];
  const modules = {};
  for (const subpath of subpaths) {
    results.push(
      await attempt(`import ${subpath}`, async () => {
        Object.assign(modules, await load(subpath));
      }),
    );
  }
  for (const [name, run] of Object.entries(cases)) results.push(await attempt(name, () => run(modules, environment)));
  if (environment.service !== undefined) {
    for (const [name, run] of Object.entries(serviceCases)) {
      results.push(await attempt(name, () => run(modules, environment.service)));
    }
  }
  for (const [name, run] of Object.entries(environment.node === undefined ? {} : fileCases)) {
    results.push(await attempt(name, () => run(modules, environment)));
  }
  for (const [name, run] of Object.entries(environment.isTimed ? timedCases : {})) {
    results.push(await attempt(name, () => run(modules)));
  }
  return results;
}

async function attempt(name, run) {
  try {
    await run();
    return { name, error: undefined };
  } catch (error) {
    return { name, error: String(error?.code ?? error?.stack ?? error).slice(0, 500) };
  }
}

const cases = {
  async 'aes: there and back'(bulla) {
    await roundTrip(bulla, aes(bulla));
  },
  async 'ecdh: there and back'(bulla) {
    const key = await bulla.generateEcdhKey();
    await roundTrip(bulla, bulla.ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] }));
  },
  async 'ecdh: keys as strings'(bulla) {
    const key = await bulla.generateEcdhKey({ extractable: true });
    const copy = await bulla.importEcdhPrivateKey(await bulla.exportEcdhPrivateKey(key));
    const recipient = await bulla.importEcdhPublicKey(bulla.exportEcdhPublicKey(key.publicKey));
    await roundTrip(bulla, bulla.ecdhKeyring({ recipients: [recipient], privateKeys: [copy] }));
  },
  async 'ecdh: a stranger has no key'(bulla) {
    const [alice, eve] = [await bulla.generateEcdhKey(), await bulla.generateEcdhKey()];
    const message = await bulla.encrypt('x', { keyring: bulla.ecdhKeyring({ recipients: [alice.publicKey] }) });
    await fails('ERR_NO_MATCHING_KEY', bulla.decrypt(message, { keyring: bulla.ecdhKeyring({ privateKeys: [eve] }) }));
  },
  async 'rsa: there and back'(bulla) {
    const algorithm = {
      name: 'RSA-OAEP',
      modulusLength: 3072,
      publicExponent: Uint8Array.of(1, 0, 1),
      hash: 'SHA-384',
    };
    const pair = await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt']);
    const privateKey = await bulla.importRsaPrivateKey(await crypto.subtle.exportKey('jwk', pair.privateKey));
    const publicKey = await bulla.importRsaPublicKey(await crypto.subtle.exportKey('jwk', pair.publicKey));
    await roundTrip(bulla, bulla.rsaKeyring({ recipients: [publicKey], privateKeys: [privateKey] }));
  },
  async 'passphrase: there and back'(bulla) {
    await roundTrip(bulla, bulla.passphraseKeyring({ passphrase: 'orbit-velvet-cactus-lantern' }));
  },
  async 'passphrase: a wrong one'(bulla) {
    const keyring = bulla.passphraseKeyring({ passphrase: 'orbit-velvet-cactus-lantern' });
    const message = await bulla.encrypt('x', { keyring });
    const other = bulla.passphraseKeyring({ passphrase: 'orbit-velvet-cactus-lanterns' });
    await fails('ERR_DECRYPTION_FAILED', bulla.decrypt(message, { keyring: other }));
  },
  async 'any of two keyrings'(bulla) {
    const key = await bulla.generateEcdhKey();
    const both = bulla.anyOf(aes(bulla), bulla.ecdhKeyring({ recipients: [key.publicKey] }));
    const message = await bulla.encrypt('x', { keyring: both });
    for (const keyring of [aes(bulla), bulla.ecdhKeyring({ privateKeys: [key] })]) {
      equal(text(await bulla.decrypt(message, { keyring })), 'x');
    }
  },
  async 'an observed keyring'(bulla) {
    const events = [];
    const keyring = bulla.observedKeyring(aes(bulla), ({ type }) => void events.push(type));
    await bulla.decrypt(await bulla.encrypt('x', { keyring }), { keyring });
    equal(events.join(), 'encrypt,decrypt');
  },
  async 'sizes around a segment'(bulla) {
    const keyring = aes(bulla);
    for (const size of [0, 1, segment - 1, segment, segment + 1, 2 * segment, 2 * segment + 1]) {
      const plaintext = pattern(size);
      const opened = await bulla.decrypt(await bulla.encrypt(plaintext, { keyring }), { keyring });
      sameBytes(opened.plaintext, plaintext);
    }
  },
  async 'eight mebibytes'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(8 * 2 ** 20);
    sameBytes((await bulla.decrypt(await bulla.encrypt(plaintext, { keyring }), { keyring })).plaintext, plaintext);
  },
  async 'a view into a larger buffer'(bulla) {
    const keyring = aes(bulla);
    const view = new Uint8Array(pattern(100).buffer, 7, 20);
    const message = await bulla.encrypt(view, { keyring });
    const framed = new Uint8Array(message.byteLength + 9);
    framed.set(message, 5);
    const opened = await bulla.decrypt(framed.subarray(5, 5 + message.byteLength), { keyring });
    sameBytes(opened.plaintext, view);
    equal(Object.prototype.toString.call(opened.plaintext), '[object Uint8Array]');
  },
  async 'metadata and content type'(bulla) {
    const keyring = aes(bulla);
    const message = await bulla.encrypt('x', { keyring, metadata: { name: 'ä' }, contentType: 'text/plain' });
    const { header } = await bulla.decrypt(message, { keyring });
    equal(header.metadata.name, 'ä');
    equal(header.contentType, 'text/plain');
    equal(Math.abs(header.created.getTime?.() ?? header.created) > 0, true);
  },
  async 'a wrong context name'(bulla) {
    const keyring = aes(bulla);
    const message = await bulla.encrypt('x', { keyring, context });
    await fails('ERR_CONTEXT_MISMATCH', bulla.decrypt(message, { keyring }));
  },
  async 'a wrong context value'(bulla) {
    const keyring = aes(bulla);
    const message = await bulla.encrypt('x', { keyring, context });
    await fails('ERR_DECRYPTION_FAILED', bulla.decrypt(message, { keyring, context: { ...context, record: '4712' } }));
  },
  async 'a changed bit in each tenth byte'(bulla) {
    const keyring = aes(bulla);
    const message = await bulla.encrypt('attack at dawn', { keyring });
    for (let i = 0; i < message.byteLength; i += 10) {
      const changed = message.slice();
      changed[i] ^= 1;
      await bulla.decrypt(changed, { keyring }).then(
        () => {
          throw new Error(`byte ${i} may be changed`);
        },
        (error) => equal(bulla.isBullaError(error), true),
      );
    }
  },
  async 'a message that was cut'(bulla) {
    const keyring = aes(bulla);
    const message = await bulla.encrypt(pattern(2 * segment), { keyring });
    await fails('ERR_DECRYPTION_FAILED', bulla.decrypt(message.subarray(0, message.byteLength - 1), { keyring }));
  },
  async 'no message at all'(bulla) {
    await fails('ERR_NOT_A_MESSAGE', bulla.decrypt(new Uint8Array(100), { keyring: aes(bulla) }));
  },
  async 'a wrong option is a TypeError'(bulla) {
    const error = await bulla.encrypt('x', { keyring: aes(bulla), contxt: {} }).catch((thrown) => thrown);
    equal(error.name, 'TypeError');
    equal(error.message.includes('contxt'), true);
  },
  async 'the text form'(bulla) {
    const keyring = aes(bulla);
    const cell = bulla.toText(await bulla.encrypt('x', { keyring }));
    equal(cell.startsWith('bulla1.'), true);
    equal(text(await bulla.decrypt(cell, { keyring })), 'x');
    sameBytes(bulla.fromText(bulla.toText(bulla.fromText(cell))), bulla.fromText(cell));
  },
  async 'detached and attached'(bulla) {
    const keyring = aes(bulla);
    const { envelope, body } = await bulla.encrypt('x', { keyring, detached: true });
    equal(text(await bulla.decrypt({ envelope, body }, { keyring })), 'x');
    equal(text(await bulla.decrypt(bulla.attach({ envelope, body }), { keyring })), 'x');
    equal(text(await bulla.decrypt(bulla.detach(bulla.attach({ envelope, body })), { keyring })), 'x');
  },
  async inspect(bulla) {
    const { header, wrappedKeys } = bulla.inspect(await bulla.encrypt('x', { keyring: aes(bulla), context }));
    equal(wrappedKeys[0].keyId, 'k');
    equal([...header.contextNames].sort().join(), 'name,record');
  },
  async 'rewrap to another key'(bulla) {
    const key = await bulla.generateEcdhKey();
    const [from, to] = [aes(bulla), bulla.ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] })];
    const message = await bulla.rewrap(await bulla.encrypt('x', { keyring: from, context }), { from, to, context });
    equal(text(await bulla.decrypt(message, { keyring: to, context })), 'x');
    await fails('ERR_NO_MATCHING_KEY', bulla.decrypt(message, { keyring: from, context }));
  },
  async reencrypt(bulla) {
    const [from, to] = [aes(bulla), aes(bulla, 'other')];
    const message = await bulla.reencrypt(await bulla.encrypt('x', { keyring: from, context }), { from, to, context });
    equal(text(await bulla.decrypt(message, { keyring: to, context })), 'x');
  },
  async 'two hundred small messages at once'(bulla) {
    const keyring = bulla.cachingKeyring(aes(bulla));
    const items = Array.from({ length: 200 }, (_, i) => ({ data: `value ${i}`, context: { row: String(i) } }));
    const messages = await bulla.encryptMany(items, { keyring });
    const opened = await bulla.decryptMany(
      messages.map((message, i) => ({ message, context: { row: String(i) } })),
      { keyring },
    );
    equal(opened.map(text).join(), items.map(({ data }) => data).join());
  },
  async 're-wrapping many'(bulla) {
    const [from, to] = [aes(bulla), aes(bulla, 'k', 1)];
    const messages = await Promise.all(['a', 'b', 'c'].map((data) => bulla.encrypt(data, { keyring: from })));
    const written = [];
    const items = messages.map((message, i) => ({ id: String(i), message }));
    const report = await bulla.rewrapAll(items, { from, to, write: async (message) => void written.push(message) });
    equal(report.done, 3);
    equal(text(await bulla.decrypt(written[0], { keyring: to })).length, 1);
  },
  async 'streams, in odd chunks'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(3_000_000);
    const sealed = await collect(streamOf(plaintext, 77_777).pipeThrough(bulla.encryptStream({ keyring, context })));
    sameBytes(
      await collect(streamOf(sealed, 65_537).pipeThrough(bulla.decryptStream({ keyring, context }))),
      plaintext,
    );
    sameBytes((await bulla.decrypt(sealed, { keyring, context })).plaintext, plaintext);
  },
  async 'a stream that ends early'(bulla) {
    const keyring = aes(bulla);
    const message = await bulla.encrypt(pattern(2 * segment), { keyring });
    const cut = streamOf(message.subarray(0, message.byteLength - 20), 50_000);
    await fails('ERR_DECRYPTION_FAILED', collect(cut.pipeThrough(bulla.decryptStream({ keyring }))));
  },
  async 'a stream that is aborted'(bulla) {
    const controller = new AbortController();
    const stream = bulla.encryptStream({ keyring: aes(bulla), signal: controller.signal });
    const reading = collect(streamOf(pattern(2 ** 20), 2 ** 16).pipeThrough(stream));
    controller.abort(new Error('enough'));
    equal((await reading.catch((error) => error)).message, 'enough');
  },
  async 'the body of a response'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(segment + 1);
    const response = new Response(await bulla.encrypt(plaintext, { keyring }));
    sameBytes(await collect(response.body.pipeThrough(bulla.decryptStream({ keyring }))), plaintext);
  },
  async progress(bulla) {
    let bytes = 0;
    const onProgress = (count) => {
      bytes = count;
    };
    const stream = bulla.encryptStream({ keyring: aes(bulla), onProgress });
    await collect(streamOf(pattern(segment * 2), segment).pipeThrough(stream));
    equal(bytes, segment * 2);
  },
  async 'random access to bytes'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(3 * segment);
    const opened = await bulla.open(await bulla.encrypt(plaintext, { keyring }), { keyring });
    equal(opened.size, plaintext.byteLength);
    sameBytes(await opened.read(segment - 5, segment + 5), plaintext.subarray(segment - 5, segment + 5));
  },
  async 'random access to a blob'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(3 * segment);
    const opened = await bulla.open(new Blob([await bulla.encrypt(plaintext, { keyring })]), { keyring });
    sameBytes(
      await opened.read(2 * segment - 1, 2 * segment + 1),
      plaintext.subarray(2 * segment - 1, 2 * segment + 1),
    );
    sameBytes(await collect(opened.stream()), plaintext);
  },
  async 'blobs there and back'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(2 * segment + 3);
    const message = await bulla.encryptBlob(new Blob([plaintext], { type: 'text/plain' }), { keyring });
    const opened = await bulla.decryptBlob(message, { keyring });
    sameBytes(new Uint8Array(await opened.plaintext.arrayBuffer()), plaintext);
  },
  async 'streams by workers'(bulla) {
    const workers = bulla.createWorkerPool({ size: 2 });
    try {
      const keyring = aes(bulla);
      const plaintext = pattern(2 ** 21);
      const sealed = await collect(streamOf(plaintext, 2 ** 16).pipeThrough(bulla.encryptStream({ keyring, workers })));
      sameBytes(
        await collect(streamOf(sealed, 2 ** 16).pipeThrough(bulla.decryptStream({ keyring, workers }))),
        plaintext,
      );
    } finally {
      workers.close();
    }
  },
  async 'a fetch handler'(bulla) {
    const keyring = aes(bulla);
    const plaintext = pattern(2 * segment);
    const message = new Blob([await bulla.encrypt(plaintext, { keyring, contentType: 'audio/mpeg' })]);
    const handler = bulla.createDecryptingHandler({
      match: (url) => (url.pathname === '/song' ? { source: message, keyring } : null),
    });
    const request = new Request('https://app.example/song', { headers: { Range: 'bytes=10-19' } });
    const response = await handler.respond(request);
    equal(response.status, 206);
    sameBytes(new Uint8Array(await response.arrayBuffer()), plaintext.subarray(10, 20));
  },
  async 'a cache of data keys'(bulla) {
    let made = 0;
    const inner = aes(bulla);
    const counted = {
      ...inner,
      generateDataKey: (options) => {
        made++;
        return inner.generateDataKey(options);
      },
    };
    const keyring = bulla.cachingKeyring(counted);
    for (let i = 0; i < 10; i++)
      equal(text(await bulla.decrypt(await bulla.encrypt('x', { keyring }), { keyring })), 'x');
    equal(made, 1);
  },
  async 'fields: cells of every type there and back'(bulla) {
    const encryption = fieldEncryption(bulla);
    const row = {
      ...{ id: 42n, clinic: 'north', email: 'Zoë@example', born: new Date(86_400_000), visits: 7, total: -(2n ** 63n) },
      ...{ price: '12.50', isNew: false, picture: pattern(70), record: { blood: ['0', null] } },
    };
    const [sealed] = await encryption.seal('patient', [row]);
    equal(sealed.email.byteLength, 72 + 12);
    const [opened] = await encryption.open('patient', [sealed]);
    for (const name of ['email', 'visits', 'total', 'price', 'isNew']) equal(opened[name], row[name]);
    equal(opened.born.getTime(), row.born.getTime());
    equal(JSON.stringify(opened.record), JSON.stringify(row.record));
    sameBytes(opened.picture, row.picture);
  },
  async 'fields: a thousand cells, of which one was moved and one changed'(bulla) {
    const encryption = fieldEncryption(bulla);
    const rows = Array.from({ length: 1_000 }, (_, id) => ({ id, clinic: 'north', email: `m${id}@example` }));
    const sealed = await encryption.seal('patient', rows);
    equal(
      (await encryption.open('patient', sealed)).every(({ email }, i) => email === rows[i].email),
      true,
    );
    const changed = sealed[3].email.slice();
    changed[50] ^= 1;
    for (const email of [sealed[1].email, changed]) {
      await fails('ERR_FIELD_OPEN', encryption.open('patient', [sealed[0], { ...sealed[3], email }]));
    }
    const plain = [{ id: 1, clinic: 'north', email: new TextEncoder().encode('a@example') }];
    await fails('ERR_FIELD_PLAINTEXT', encryption.open('patient', plain));
  },
  async 'fields: a cell that another runtime has sealed, and its tag'(bulla) {
    const store = bulla.memoryDataKeyStore();
    await store.add(keyRows, []);
    const encryption = fieldEncryption(bulla, store);
    const [opened] = await encryption.open('patient', [{ id: 42, clinic: 'north', email: unhex(cell) }]);
    equal(opened.email, 'Zoë@example');
    const { tags } = await encryption.index('patient.email', 'ZOË@example', { tenant: 'north' });
    sameBytes(tags[0].tag, unhex(cell).subarray(3, 15));
  },
  async 'errors are known without instanceof'(bulla) {
    const error = await bulla.decrypt(new Uint8Array(3), { keyring: aes(bulla) }).catch((thrown) => thrown);
    equal(bulla.isBullaError(error), true);
    equal(bulla.isBullaError({ code: 'ERR_NOT_A_MESSAGE' }), false);
    equal(error instanceof Error, true);
  },
  async 'an abort before the call'(bulla) {
    const signal = AbortSignal.abort(new Error('never'));
    equal((await bulla.encrypt('x', { keyring: aes(bulla), signal }).catch((error) => error)).message, 'never');
  },
};

/** Cases that need a development service, its `url` and `pin`, and the id of a key of the tenant north. */
const serviceCases = {
  async 'service: there and back'(bulla, service) {
    await roundTrip(bulla, serviceKeyring(bulla, service));
  },
  async 'service: cached'(bulla, service) {
    const keyring = bulla.cachingKeyring(serviceKeyring(bulla, service));
    for (let i = 0; i < 5; i++) await roundTrip(bulla, keyring);
  },
  async 'service: another tenant'(bulla, service) {
    const message = await bulla.encrypt('x', { keyring: serviceKeyring(bulla, service) });
    await fails('ERR_NOT_ALLOWED', bulla.decrypt(message, { keyring: serviceKeyring(bulla, service, 'bob@south') }));
  },
  async 'service: another identity than the pin'(bulla, service) {
    const keyring = serviceKeyring(bulla, { ...service, pin: 'A'.repeat(43) });
    await fails('ERR_SERVICE_IDENTITY', bulla.encrypt('x', { keyring }));
  },
};

/** Cases of `bulla/node`, in the current folder. */
const fileCases = {
  async 'import ./node'(bulla, environment) {
    Object.assign(bulla, await environment.node());
  },
  async 'files there and back'(bulla, environment) {
    const fs = await environment.fs();
    const keyring = aes(bulla);
    await fs.writeFile('plain', pattern(3 * segment + 1));
    await bulla.encryptFile('plain', 'sealed', { keyring, context, overwrite: true });
    await bulla.decryptFile('sealed', 'opened', { keyring, context, overwrite: true });
    sameBytes(await fs.readFile('opened'), pattern(3 * segment + 1));
  },
  async 'a file that was cut'(bulla, environment) {
    const fs = await environment.fs();
    const keyring = aes(bulla);
    await fs.writeFile('cut', (await bulla.encrypt(pattern(2 * segment), { keyring })).subarray(0, -1));
    await fails('ERR_DECRYPTION_FAILED', bulla.decryptFile('cut', 'never', { keyring }));
    equal(await fs.access('never').catch(({ code }) => code), 'ENOENT');
  },
  async 're-wrapping a file'(bulla, environment) {
    const fs = await environment.fs();
    const [from, to] = [aes(bulla), aes(bulla, 'k', 1)];
    await fs.writeFile('old', await bulla.encrypt('x', { keyring: from }));
    await bulla.rewrapFile('old', 'new', { from, to, overwrite: true });
    equal(text(await bulla.decrypt(await fs.readFile('new'), { keyring: to })), 'x');
  },
};

/** Cases that compare the time of streams with that of SubtleCrypto alone, in the same run. The best of several rounds counts. */
const timedCases = {
  async 'streams of 64 MiB at 0.7 of SubtleCrypto'(bulla) {
    const keyring = aes(bulla);
    const bytes = pattern(2 ** 26);
    const key = await crypto.subtle.importKey('raw', pattern(32), 'AES-GCM', false, ['encrypt', 'decrypt']);
    const bare = async (verb, pieces) => {
      const results = [];
      for (const [i, piece] of pieces.entries()) {
        const iv = new Uint8Array(new Uint32Array([i, 0, 0]).buffer);
        results.push(new Uint8Array(await crypto.subtle[verb]({ name: 'AES-GCM', iv }, key, piece)));
      }
      return results;
    };
    const plain = Array.from({ length: 2 ** 26 / segment }, (_, i) => bytes.subarray(i * segment, (i + 1) * segment));
    // What both get and give is alike: pieces, which nobody puts together.
    const through = async (pieces, stream) => {
      const reader = new ReadableStream({
        start(controller) {
          for (const piece of pieces) controller.enqueue(piece);
          controller.close();
        },
      })
        .pipeThrough(stream)
        .getReader();
      const results = [];
      for (let next = await reader.read(); !next.done; next = await reader.read()) results.push(next.value);
      return results;
    };
    const best = {};
    const timed = async (name, work) => {
      const begun = performance.now();
      const result = await work();
      best[name] = Math.min(best[name] ?? Infinity, performance.now() - begun);
      return result;
    };
    for (let round = 0; round < 5; round++) {
      const sealed = await timed('bare encrypt', () => bare('encrypt', plain));
      await timed('bare decrypt', () => bare('decrypt', sealed));
      const message = await timed('encrypt', () => through(plain, bulla.encryptStream({ keyring })));
      await timed('decrypt', () => through(message, bulla.decryptStream({ keyring })));
    }
    for (const verb of ['encrypt', 'decrypt']) {
      const ratio = best[`bare ${verb}`] / best[verb];
      if (ratio < 0.7) throw new Error(`${verb}: ${ratio.toFixed(2)}`);
    }
  },
};

/** A data key, an index key and a cell that Node has sealed with `fieldEncryption`. */
const wrappedPrefix =
  '000000850a066669656c6473220f0a0674656e616e7412056e6f72746822130a03757365120c62756c6c612d6669656c64739201540a20';
const keyOf = (purpose, version, created, id, wrapped) => ({
  ...{ tenant: 'north', subject: null, purpose, field: null, version, created, state: 'active' },
  ...{ id: unhex(id), wrapped: unhex(wrappedPrefix + wrapped) },
});
const keyRows = [
  keyOf(
    ...['data', 0, 1795936942033, 'be1c453de4b0f86f909027c49edbcda9'],
    '7702bf8c9e432370619af040656b05bfd02abe900c61477f8f0a7d97dde6712312306db1a5a6429cb97a746a177ba770c1d3d768d5eb2edce2e9ff2597b5d797aadc8bb3db11ff03b3bfc7b0c5bfa54da908',
  ),
  keyOf(
    ...['index', 1, 1795936942034, '14b97f0da22846e2dac30e1817c810a8'],
    '4afa60ba598de922bb98a0bd13ff61c4f7c001a7f22654f3e4ec4d0d4e35511f1230451d5e8faa9e0c4a7179374266453ae1c4cc0cf16b682383280f063ed58eba44a95d684375a1bfe0b7e9f11315941aa1',
  ),
];
const cell =
  'f901011f73ee4b57e473a5a602f752be1c453de4b0f86f909027c49edbcda9fd2233c91ad6deaa7558df448deb991dc5931213c4480ce252cb88d3a491f6aed9049ea1c8e4d6dca1ec799af117717dc8a6dd673e';

function unhex(digits) {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

function fieldEncryption(bulla, dataKeys = bulla.memoryDataKeyStore()) {
  const { encrypted } = bulla;
  const columns = {
    email: encrypted.string({ index: [bulla.blindIndex({ normalize: ['lower'] })] }),
    ...{ born: encrypted.date(), visits: encrypted.number(), total: encrypted.bigint(), price: encrypted.decimal() },
    ...{ isNew: encrypted.boolean(), picture: encrypted.bytes(), record: encrypted.json({ pad: 64 }) },
  };
  const fields = bulla.defineFields({ patient: { row: 'id', tenant: 'clinic', columns } });
  const key = new Uint8Array(32).fill(7);
  const keyring = (tenant) => bulla.aesKeyring({ keyId: 'fields', key, keyContext: { use: 'bulla-fields', tenant } });
  return bulla.createFieldEncryption({ fields, keyring, dataKeys });
}

function serviceKeyring(bulla, { url, pin, keyId }, user = 'alice@north') {
  const client = bulla.createKeyServiceClient({ url, pin, tokenSource: bulla.developmentToken(user) });
  return bulla.serviceKeyring({ client, keyId, keyContext: { tenant: 'north', purpose: 'test' } });
}

function aes(bulla, keyId = 'k', version = 0) {
  return bulla.aesKeyring({ keyId, key: pattern(32), version });
}

async function roundTrip(bulla, keyring) {
  const message = await bulla.encrypt('attack at dawn', { keyring, context });
  equal(text(await bulla.decrypt(message, { keyring, context })), 'attack at dawn');
}

function text({ plaintext }) {
  return new TextDecoder().decode(plaintext);
}

/** Bytes that repeat after 251, which divides no segment. */
export function pattern(length) {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i % 251;
  return bytes;
}

function streamOf(bytes, chunk) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(bytes.slice(at, at + chunk));
      at += chunk;
    },
  });
}

async function collect(stream) {
  const parts = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

async function fails(code, promise) {
  const error = await promise.then(
    () => 'nothing',
    (thrown) => thrown,
  );
  if (error?.code !== code) throw new Error(`${code} was expected, not ${error?.stack ?? error}`);
}

function equal(actual, expected) {
  if (actual !== expected) throw new Error(`${JSON.stringify(expected)} was expected, not ${JSON.stringify(actual)}`);
}

function sameBytes(actual, expected) {
  equal(actual.byteLength, expected.byteLength);
  for (let i = 0; i < expected.byteLength; i++) {
    if (actual[i] !== expected[i]) throw new Error(`byte ${i} is another`);
  }
}
