/** The configuration: the example is right, and wrong ones are refused by name. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';

const text = readFileSync(new URL('../../config.example.json', import.meta.url), 'utf8');
type Json = Record<string, unknown>;
const example = (change: (config: Json & { listen: Json; issuers: Json[] }) => void): unknown => {
  const config = JSON.parse(text);
  change(config);
  return config;
};

describe('the example', () => {
  it('is a configuration', () => {
    expect(parseConfig(JSON.parse(text)).service_id).toBe('example');
  });
});

describe('refuses', () => {
  it.each([
    ['an unknown member', (c: Json) => Object.assign(c, { bogus: 1 }), /bogus/],
    ['plain HTTP beyond loopback', (c: Json) => Object.assign(c, { external_url: 'http://keys.example' }), /https/],
    [
      '§1.2 a trailing slash',
      (c: Json) => Object.assign(c, { external_url: 'https://keys.example/' }),
      /trailing slash/,
    ],
    ['no TLS beyond loopback', (c: { listen: Json }) => delete c.listen['tls'], /loopback only/],
    [
      'anonymous metrics beyond loopback',
      (c: Json) => Object.assign(c, { metrics: { anonymous: true } }),
      /Anonymous metrics/,
    ],
    [
      'a symmetric algorithm',
      (c: { issuers: Json[] }) => Object.assign(c.issuers[0] ?? {}, { algorithms: ['HS256'] }),
      /algorithms/,
    ],
    ['no tenants', (c: { issuers: Json[] }) => Object.assign(c.issuers[0] ?? {}, { tenants: [] }), /tenants/],
    [
      'an unknown role',
      (c: { issuers: Json[] }) => Object.assign(c.issuers[0] ?? {}, { roles: [{ claim: 'a', roles: ['root'] }] }),
      /no role root/,
    ],
    [
      'two kinds of keys',
      (c: { issuers: Json[] }) => Object.assign(c.issuers[0] ?? {}, { jwks: { keys: [{}] } }),
      /one of them/,
    ],
    [
      'a key set over plain HTTP',
      (c: { issuers: Json[] }) => Object.assign(c.issuers[0] ?? {}, { jwks_uri: 'http://login.example/jwks' }),
      /https/,
    ],
    [
      'a secret in a key set',
      (c: { issuers: Json[] }) =>
        Object.assign(c.issuers[0] ?? {}, { jwks_uri: undefined, jwks: { keys: [{ kty: 'oct', k: 'x' }] } }),
      /secret key/,
    ],
  ] as [string, (config: never) => unknown, RegExp][])('%s', (_, change, message) => {
    expect(() => parseConfig(example((config) => change(config as never)))).toThrow(message);
  });
});
