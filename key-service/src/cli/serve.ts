/** `serve`: the service of a configuration. */

import { readConfig } from '../config.ts';
import { createApp } from '../http/app.ts';
import { createLogger } from '../logger.ts';
import { openRootKey, openStore } from '../open-store.ts';
import { openerOf } from '../secrets/secrets.ts';
import { startServer } from '../server.ts';
import { createService } from '../service.ts';
import { readOptions } from './options.ts';
import { untilStopped } from './until-stopped.ts';

export async function serveCommand(args: string[]): Promise<void> {
  const { values } = readOptions(args, { config: { type: 'string' } }, ['config']);
  const config = readConfig(values.config ?? '');
  const logger = createLogger(config.log_level);
  const rootKey = openRootKey(config);
  const store = openStore(config);
  try {
    await store.migrate(openerOf(rootKey));
    const service = await createService({ config, store, rootKey, logger });
    const server = await startServer(createApp(service), config.listen, {
      maxSockets: config.limits.sockets,
    });
    process.stdout.write(
      `listening on ${config.listen.host}:${server.port}\nidentity ${service.identity.thumbprint}\n`,
    );
    await untilStopped(async () => {
      await server.close();
      await service.close();
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}
