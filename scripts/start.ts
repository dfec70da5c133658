// Runs the demonstration: the development key service, and a page with its ciphertext store: `npm start`.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildDemo } from '../examples/demo/server/build.ts';
import { startKeyService } from '../examples/demo/server/key-service.ts';
import { prepareKeys } from '../examples/demo/server/prepare.ts';
import { startDemoServer } from '../examples/demo/server/server.ts';

const root = resolve(import.meta.dirname, '..');
const usage = `npm start -- [--port 8080] [--service-port 8400] [--data .bulla-demo]

  --port           where the page is
  --service-port   where the key service is
  --data           the folder of keys and ciphertext
`;
const values = readOptions();
if (values.help) {
  process.stdout.write(usage);
  process.exit();
}
const [port, servicePort] = [readPort(values.port, '--port'), readPort(values['service-port'], '--service-port')];
const site = resolve(root, '.tmp/demo');
await buildDemo(site);
const service = await startKeyService(servicePort, resolve(values.data, 'keys')).catch((error: Error) => {
  fail(
    error.message.includes('EADDRINUSE')
      ? `Port ${servicePort} is taken; another one: npm start -- --service-port ${servicePort + 1}`
      : error.message,
  );
});
try {
  await prepareKeys(service);
  const { url, pin } = service;
  const demo = await startDemoServer({ port, site, data: resolve(values.data, 'store'), service: { url, pin } });
  console.log(`
The demonstration is at ${demo.url}

  1. Sign in as Alice, drop some files: pictures, music, a film. They are encrypted in the page.
  2. Open them: the service worker decrypts what is played, and nothing else. Rotate the key and re-wrap.
  3. Sign in as Bob, of another tenant, and try to open what is Alice's. Then look at the audit log.

Key service   ${url}, identity ${pin}
Ciphertext    ${resolve(values.data, 'store')}

A tour of the key service's protocol, in another terminal:

  npm run --silent example -w key-service -- --url ${url} --identity=${pin}

Ctrl-C ends it. What was stored is there at the next start; delete ${values.data} to start over.`);
  const stopped = new Promise<'stopped'>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done('stopped'));
  });
  const end = await Promise.race([stopped, service.ended]);
  await demo.close();
  if (end !== 'stopped') fail('The key service has ended.');
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  process.exitCode = 1;
  console.error(
    code === 'EADDRINUSE' ? `Port ${port} is taken; another one: npm start -- --port ${port + 1}` : message,
  );
} finally {
  await service.stop();
}

function readOptions() {
  const options = {
    port: { type: 'string', default: '8080' },
    'service-port': { type: 'string', default: '8400' },
    data: { type: 'string', default: resolve(root, '.bulla-demo') },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    // What follows the first sentence is about arguments that begin with a dash.
    return misused((error as Error).message.replace(/\. (To specify a positional argument|This command).*/s, ''));
  }
}

function readPort(text: string, name: string): number {
  const number = Number(text);
  const isPort = /^\d+$/.test(text) && number <= 65_535;
  return isPort ? number : misused(`${name} is a number up to 65535`);
}

function misused(words: string): never {
  process.stderr.write(`${words}\n\n${usage}`);
  process.exit(2);
}

function fail(words: string): never {
  console.error(words);
  process.exit(1);
}
