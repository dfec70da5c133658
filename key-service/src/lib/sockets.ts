/** The connections of a server: where there are too many, one that nobody has authenticated on makes room. */

import type { Socket } from 'node:net';

type Ends = Pick<Socket, 'remoteAddress' | 'remotePort'>;

export class Sockets {
  readonly #max: number;
  // By their ends: what runs under TLS is another object.
  readonly #open = new Map<string, Socket>();
  readonly #unproven = new Map<string, Set<Socket>>();

  constructor(max: number) {
    this.#max = max;
  }

  add(socket: Socket): void {
    const { remoteAddress: address = '' } = socket;
    const name = nameOf(socket);
    const group = this.#unproven.get(address) ?? new Set();
    this.#unproven.set(address, group.add(socket));
    this.#open.set(name, socket);
    socket.once('close', () => {
      this.#open.delete(name);
      this.#forget(address, socket);
    });
    if (this.#open.size > this.#max) this.#dearest().destroy();
  }

  /** Its caller has authenticated. */
  prove(ends: Ends): void {
    const socket = this.#open.get(nameOf(ends));
    if (socket) this.#forget(ends.remoteAddress ?? '', socket);
  }

  /** The oldest of the address that has the most; the one that came last is among them. */
  #dearest(): Socket {
    let most = new Set<Socket>();
    for (const group of this.#unproven.values()) if (group.size > most.size) most = group;
    return [...most][0] as Socket;
  }

  #forget(address: string, socket: Socket): void {
    const group = this.#unproven.get(address);
    group?.delete(socket);
    if (group?.size === 0) this.#unproven.delete(address);
  }
}

function nameOf({ remoteAddress, remotePort }: Ends): string {
  return `${remoteAddress} ${remotePort}`;
}
