/** Which address a request comes from, behind proxies that are trusted to say so (RFC 7239). */

import { BlockList, isIP } from 'node:net';

/** The header in which proxies say for whom they ask. */
export type ForwardedHeader = 'forwarded' | 'x-forwarded-for';

export class TrustedProxies {
  readonly #trusted = new BlockList();
  readonly #header: ForwardedHeader;

  /** Of addresses and networks: `10.0.0.0/8`, `::1`. */
  constructor(networks: readonly string[], header: ForwardedHeader) {
    this.#header = header;
    for (const network of networks) {
      const [address = '', prefix] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(prefix), family);
    }
  }

  /** The nearest address that is no trusted proxy. What is not written by one is not believed. */
  addressOf(peer: string | undefined, headers: Headers): string | undefined {
    let address = peer && plain(peer);
    const header = headers.get(this.#header);
    if (address === undefined || header === null || header.length > 4096) return address;
    for (const hop of hopsOf(header, this.#header).reverse()) {
      if (!this.#isTrusted(address)) return address;
      // A name that hides the address (RFC 7239 §6.3) tells one hop from another at least.
      address = hop;
    }
    return address;
  }

  #isTrusted(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Whether a text is an address, or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
}

function hopsOf(header: string, name: ForwardedHeader): string[] {
  const elements = header.split(',');
  if (name === 'x-forwarded-for') return elements.map((element) => withoutPort(element.trim()));
  return elements.map((element) => {
    const [, value = 'unknown'] = /(?:^|;)\s*for\s*=\s*("[^"]*"|[^;,\s]*)/i.exec(element.trim()) ?? [];
    return withoutPort(value.replaceAll('"', ''));
  });
}

function withoutPort(node: string): string {
  const [, bracketed] = /^\[([^\]]+)\](?::\S*)?$/.exec(node) ?? [];
  if (bracketed !== undefined) return plain(bracketed);
  return plain(/^[\d.]+:\d+$/.test(node) ? (node.split(':')[0] ?? node) : node);
}

// IPv4 as sockets for both families have it.
function plain(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=[\d.]+$)/, '');
}
