/** `dev`: the development service. */

import { resolve } from 'node:path';
import { startDev } from '../dev/dev-service.ts';
import { devUsers } from '../dev/users.ts';
import { OperatorError } from '../errors.ts';
import { readOptions, UsageError } from './options.ts';
import { untilStopped } from './until-stopped.ts';

export async function devCommand(args: string[]): Promise<void> {
  const { values } = readOptions(args, {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8400' },
    data: { type: 'string', default: '.bulla-dev' },
    'log-level': { type: 'string', default: 'warn' },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError('--port is a number up to 65535');
  const logLevel = values['log-level'] as 'warn';
  const data = resolve(values.data);
  const dev = await startDev({ host: values.host, port, data, logLevel }).catch((error: unknown) => {
    throw isTaken(error)
      ? new OperatorError(`${error.message}\nAnother port: --port <number>; 0 takes a free one`)
      : error;
  });
  const { thumbprint } = dev.service.identity;
  process.stdout.write(`bulla key service for development

  url        ${dev.url}
  identity   ${thumbprint}
  data       ${data}
  users      ${devUsers.map(({ user }) => user).join(', ')}

Try it, in another terminal:

  npm run --silent example -w key-service -- --url ${dev.url} --identity=${thumbprint}
  curl ${dev.url}/.well-known/bulla-key-service

`);
  await untilStopped(() => dev.close());
}

function isTaken(error: unknown): error is OperatorError {
  return error instanceof OperatorError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
}
