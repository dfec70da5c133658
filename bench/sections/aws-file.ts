// A file by the AWS Encryption SDK, as one would write it: streams of files through its stream. `aws-file.mjs encrypt best FROM TO`.

import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { aws } from '../peers/aws.ts';

const [action, variant, from, to] = process.argv.slice(2) as [string, string, string, string];
const key = new Uint8Array(32).fill(7);
const client = variant === 'best' ? aws({ signed: false, frameLength: 2 ** 20 }, key) : aws({ signed: true }, key);
const stream = action === 'encrypt' ? client.encryptStream() : client.decryptStream();
const [reading, writing] = [createReadStream(from, { highWaterMark: 2 ** 20 }), createWriteStream(to)];
await pipeline(reading, stream as NodeJS.ReadWriteStream, writing);
