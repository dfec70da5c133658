/** A TCP relay in front of PostgreSQL that fails as networks do: it delays, resets, swallows, or loses the answer to a commit. */

import { connect, createServer, type Socket } from 'node:net';

/** What stands between a service and its database. */
export interface Relay {
  readonly port: number;
  /** The connection string that goes through it. */
  url(target: string): string;
  /** Connections at the moment. */
  connections(): number;
  /** Messages of clients so far that carry a statement. */
  statements(): number;
  /** From now on nothing gets through on the present connections, and neither end hears of it. Their number. */
  blackhole(): number;
  /** Resets the present connections at both ends. */
  reset(): void;
  /** What happens at the next commit: the server gets it and the answer is lost, or it is lost itself. */
  loseCommit(what: 'answer' | 'question'): void;
  /** New connections are refused until it is called with `false`. */
  refuse(refuse: boolean): void;
  /** New connections lead to another server, as after a failover. */
  lead(port: number): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  swallowed: boolean;
  /** The server's answers are swallowed. */
  mute: boolean;
}

const commits = [Buffer.from('commit\0'), Buffer.from('bulla_commit(')];

/** Listens on a free port and passes everything on to `targetPort`. */
export async function startRelay(targetPort: number, delayMs = 0): Promise<Relay> {
  const pairs = new Set<Pair>();
  let [statements, refusing] = [0, false];
  let target = targetPort;
  let losing: 'answer' | 'question' | undefined;
  const write = (to: Socket, data: Buffer): void => {
    if (delayMs > 0) setTimeout(() => to.write(data), delayMs);
    else to.write(data);
  };
  const fromClient = (pair: Pair, data: Buffer): void => {
    if (pair.swallowed) return;
    // 'P' and 'Q' begin a statement; pg sends one at a time.
    if (data[0] === 0x50 || data[0] === 0x51) statements += 1;
    if (losing !== undefined && commits.some((each) => data.includes(each))) {
      const what = losing;
      losing = undefined;
      if (what === 'question') {
        reset(pair);
        return;
      }
      pair.mute = true;
      pair.server.once('data', () => reset(pair));
    }
    write(pair.server, data);
  };
  const listener = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    const pair: Pair = { client, server: connect(target, '127.0.0.1'), swallowed: false, mute: false };
    pairs.add(pair);
    client.setNoDelay(true);
    pair.server.setNoDelay(true);
    client.on('data', (data) => fromClient(pair, data));
    pair.server.on('data', (data) => {
      if (!pair.swallowed && !pair.mute) write(client, data);
    });
    for (const [socket, other] of [
      [client, pair.server],
      [pair.server, client],
    ] as const) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(pair);
        if (!pair.swallowed) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  return {
    port,
    url(target) {
      const url = new URL(target);
      url.port = String(port);
      return url.href;
    },
    connections: () => pairs.size,
    statements: () => statements,
    blackhole() {
      for (const pair of pairs) pair.swallowed = true;
      return pairs.size;
    },
    reset() {
      for (const pair of pairs) reset(pair);
    },
    loseCommit(what) {
      losing = what;
    },
    refuse(refuse) {
      refusing = refuse;
    },
    lead(port) {
      target = port;
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}

function reset({ client, server }: Pair): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}
