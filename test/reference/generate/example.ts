// The worked example of docs/format.md §10: one valid vector, with every value on the way and its envelope byte by byte.

import { concat, split } from '../bulla.ts';
import { decodeBytes, type KeyMaterial, plaintextOf, type ValidVector } from '../vectors.ts';
import type { Case } from './build.ts';
import { ecdh } from './build.ts';
import { varint } from './raw.ts';

export const EXAMPLE: Case = {
  name: 'the worked example',
  clauses: ['§4.3', '§4.4', '§5.1', '§5.2', '§5.4', '§5.5', '§10'],
  context: [
    ['tenant', 'acme'],
    ['document', '4711'],
  ],
  contentType: 'text/plain',
  metadata: [['author', 'alice']],
  wraps: [ecdh('alice', { version: 1, keyContext: [['purpose', 'backup']] })],
};

const WIDTH = 96;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fold = (text: string, indent: string): string[] =>
  (text.match(new RegExp(`.{1,${WIDTH}}`, 'g')) ?? ['(empty)']).map((line) => `${indent}${line}`);

/** The fields of a message: their names, and the messages that they hold. */
interface Schema {
  readonly [number: number]: readonly [name: string, schema?: Schema];
}
const PAIR: Schema = { 1: ['name'], 2: ['value'] };
const HEADER: Schema = {
  1: ['suite'],
  2: ['salt'],
  3: ['segment_size_log2'],
  4: ['created'],
  5: ['key_use'],
  6: ['context_names'],
  7: ['content_type'],
  8: ['metadata', PAIR],
};
const ECDH: Schema = { 1: ['ephemeral_key'], 2: ['sealed_key'] };
const WRAPPED_KEY: Schema = {
  1: ['key_id'],
  2: ['version'],
  3: ['service_id'],
  4: ['key_context', PAIR],
  16: ['ecdh', ECDH],
};
const ENVELOPE: Schema = { 1: ['header', HEADER], 2: ['keys', WRAPPED_KEY], 3: ['commitment'] };

/** Each field on its line, what it holds indented below it. */
function annotate(bytes: Uint8Array, schema: Schema, indent: string): string[] {
  return split(bytes).flatMap(({ number, wire, value }) => {
    const [name = '', inner] = schema[number] ?? [];
    const line = (head: Uint8Array, comment: string): string =>
      `${indent}${hex(head).padEnd(12)}${' '.repeat(12 - indent.length)}${comment}`;
    if (typeof value === 'bigint') return [line(concat(varint(number * 8 + wire), varint(value)), `${name} ${value}`)];
    const head = concat(varint(number * 8 + wire), varint(value.length));
    const size = `${value.length} ${value.length === 1 ? 'byte' : 'bytes'}`;
    if (inner !== undefined) return [line(head, `${name}, ${size}`), ...annotate(value, inner, `${indent}  `)];
    const isText = value.length < 60 && value.every((byte) => byte >= 0x20 && byte < 0x7f);
    const text = isText ? ` "${Buffer.from(value).toString()}"` : '';
    return [line(head, `${name}, ${size}${text}`), ...fold(hex(value), `${indent}  `)];
  });
}

/** The Markdown between the markers. */
export function renderExample(vector: ValidVector, material: Readonly<Record<string, KeyMaterial>>): string {
  const { intermediates } = vector;
  const [wrap] = vector.wraps;
  const values = intermediates.wraps[0] ?? {};
  if (wrap?.method !== 'ecdh') throw new TypeError('the example has one wrapped key, of ecdh');
  const { jwk } = material[wrap.key] ?? {};
  const envelope = decodeBytes(intermediates.envelope);
  const message = decodeBytes(vector.message ?? '');
  const publicKey = `04${hex(decodeBytes(jwk?.x ?? ''))}${hex(decodeBytes(jwk?.y ?? ''))}`;
  const row = (name: string, value: string): string[] => [name, ...fold(value, '  ')];
  const bytes = (name: string, value: ValidVector['text'] | typeof intermediates.map = ''): string[] =>
    row(name, hex(decodeBytes(value)));
  const block = (title: string, lines: string[]): string => `**${title}**\n\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`;
  const given = [
    ...row('plaintext, in ASCII', Buffer.from(plaintextOf(vector)).toString()),
    ...row('context', JSON.stringify(Object.fromEntries(vector.context))),
    ...row('key context', JSON.stringify(Object.fromEntries(wrap.keyContext ?? []))),
    ...bytes('data key (random)', vector.dataKey),
    ...bytes('salt (random)', vector.salt),
    ...row('recipient public key', publicKey),
    ...bytes('recipient private key', jwk?.d),
    ...bytes('ephemeral private key (random)', wrap.ephemeralPrivateKey),
  ];
  const schedule = [
    ...bytes('header', intermediates.header),
    ...bytes('map(context)', intermediates.map),
    ...bytes('SHA-384( lp(header) || lp(map(context)) )', intermediates.transcriptDigest),
    ...bytes('info("bulla/v1/suite1 message key", header, map(context))', intermediates.messageKeyInfo),
    ...bytes('message key', intermediates.messageKey),
    ...bytes('info("bulla/v1/suite1 commitment", header, map(context))', intermediates.commitmentInfo),
    ...bytes('commitment', intermediates.commitment),
  ];
  const wrapped = [
    ...bytes('ephemeral_key', values['ephemeralKey']),
    ...bytes('binding', values['binding']),
    ...bytes('Z', values['Z']),
    ...bytes('info("bulla/v1 ecdh", ephemeral_key, recipient public key, binding)', values['info']),
    ...bytes('k', values['k']),
    ...bytes('sealed_key', values['sealedKey']),
  ];
  const framed = [
    `62756c6c61              magic "bulla"`,
    `01                      version`,
    `${hex(message.subarray(6, 10))}                envelope, ${envelope.length} bytes`,
    ...annotate(envelope, ENVELOPE, '  '),
    `${hex(message.subarray(10 + envelope.length))}`,
    `                        segment 0: ${plaintextOf(vector).length} bytes of ciphertext and the tag`,
  ];
  return [
    'Alice’s key opens this message, which is the first of `test/vectors/valid.json`. What is random or secret in it comes from',
    '`test/reference/generate/material.ts`; hex and text are folded (§1.7).\n',
    block('What is given', given),
    block('Key schedule (§4.4, §5)', schedule),
    block('Wrapped key (§7.3, §8.1)', wrapped),
    block(`The message, ${message.length} bytes (§1, §2)`, framed),
    block('Its text form, folded (§1.6, §1.7)', fold(vector.text ?? '', '')),
  ].join('\n');
}
