// A gate before a server: what is uploaded stops after its first bytes until the test opens it, so that a test can do something in the middle.

import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server in front of another one, on a port of its own. */
export interface Gate {
  readonly url: string;
  /** Stops uploads from now on. */
  close(): void;
  /** Lets them go on. */
  open(): void;
  /** How many have stopped and still have a client. */
  readonly waiting: number;
  stop(): Promise<void>;
}

/** Starts a gate before a URL. */
export async function startGate(target: string): Promise<Gate> {
  let opened: Promise<void> = Promise.resolve();
  let open = () => {};
  let waiting = 0;
  const server = createServer(async (request, response) => {
    const { method, headers } = request;
    const path = request.url ?? '/';
    const onward = send(new URL(path, target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    if (method !== 'PUT' || !/^\/store\/[^/]+$/.test(path)) return void request.pipe(onward);
    waiting++;
    await Promise.race([opened, new Promise((done) => response.once('close', done))]);
    waiting--;
    request.pipe(onward);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close() {
      opened = new Promise((done) => {
        open = done;
      });
    },
    open: () => open(),
    get waiting() {
      return waiting;
    },
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
