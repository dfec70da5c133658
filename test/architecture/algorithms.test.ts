import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { readSources } from './sources.ts';

/** What a source may call an algorithm, with what docs/compliance.md calls it. */
const documented: Record<string, string> = {
  'AES-GCM': 'AES-256-GCM',
  'aes-256-gcm': 'AES-256-GCM',
  HKDF: 'HKDF with HMAC-SHA-384',
  'SHA-384': 'SHA-384',
  sha384: 'SHA-384',
  'SHA-256': 'SHA-256',
  sha256: 'SHA-256',
  'SHA-512': 'PBKDF2-HMAC-SHA-512',
  ECDH: 'ECDH on P-384',
  'P-384': 'P-384',
  'P-256': 'P-256',
  'RSA-OAEP': 'RSA-OAEP with SHA-384',
  RSA: 'RSA-OAEP with SHA-384',
  PBKDF2: 'PBKDF2-HMAC-SHA-512',
  HMAC: 'HMAC-SHA-384',
  ECDSA: 'ECDSA on P-256 and P-384',
  ES256: 'ES256',
  ES384: 'ES384',
};

/** Whether a text names an algorithm, a hash or a curve of WebCrypto, node:crypto or JOSE. */
const isAlgorithm = (text: string) =>
  /^(aes-.+|des(-.+|3)?|rc[245].*|chacha20.*|sha-?\d+|md5|hkdf|pbkdf2|scrypt|argon2.*|ecdh|ecdsa|x25519|x448|ed25519|ed448|eddsa|rsa(-.+|ssa.*)?|hmac|[hrpe]s\d{3}|p-\d+|secp.+|prime256v1|none)$/i.test(
    text,
  );

const found = readSources().flatMap(({ path, tree }) => literals(tree).map((text) => ({ path, text })));

/** Every string of a source that names an algorithm; words of types and messages have blanks, and do not. */
function literals(tree: ts.SourceFile): string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) && isAlgorithm(node.text)) texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return texts;
}

/** The names of wrapping methods, which are no algorithms of a library. */
const methods = new Set(['ecdh', 'rsa']);

describe('algorithms', () => {
  test('sources name those of docs/compliance.md and no others', () => {
    const unknown = found.filter(({ text }) => !methods.has(text) && !Object.hasOwn(documented, text));
    expect(unknown).toEqual([]);
    expect(found.length).toBeGreaterThan(10);
  });

  test('the page names all of them', () => {
    const page = readFileSync('docs/compliance.md', 'utf8');
    for (const name of Object.values(documented)) expect(page).toContain(name);
  });

  test('sizes are fixed: no other key, nonce or tag can be asked for', async () => {
    const { nonceLength, tagLength } = await import('../../src/crypto/aes-gcm.ts');
    const { minIterations, minRsaBits } = await import('../../src/lib/limits.ts');
    expect([nonceLength, tagLength, minIterations, minRsaBits]).toEqual([12, 16, 600_000, 3_072]);
  });
});
