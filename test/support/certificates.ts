// Certificate authorities and certificates for tests with real TLS, made by openssl.

import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate with its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority. Its files lie in `folder` under its name. */
export function createAuthority(folder: string, name: string): Certificate {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ['-x509', '-days', '2', '-subj', `/CN=${name}`];
  openssl('req', ...subject, ...newKey, '-keyout', key, '-out', cert);
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** A certificate of an authority of `folder`, for names such as `DNS:localhost,IP:127.0.0.1`. */
export function createCertificate(folder: string, authority: string, name: string, names: string): Certificate {
  const at = (file: string) => join(folder, file);
  openssl('req', '-subj', `/CN=${name}`, ...newKey, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`));
  writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`);
  const signer = ['-CA', at(`${authority}.pem`), '-CAkey', at(`${authority}.key`), '-CAcreateserial', '-days', '2'];
  const files = ['-in', at(`${name}.csr`), '-extfile', at(`${name}.ext`), '-out', at(`${name}.pem`)];
  openssl('x509', '-req', ...signer, ...files);
  return { cert: readFileSync(at(`${name}.pem`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') };
}

/** The same, and its time was over in the year 2001. */
export function createExpiredCertificate(folder: string, authority: string, name: string, names: string): Certificate {
  createCertificate(folder, authority, name, names);
  const at = (file: string) => join(folder, file);
  writeFileSync(at('index.txt'), '');
  writeFileSync(
    at('ca.cnf'),
    `[ca]\ndefault_ca = own\n[own]\ndatabase = ${at('index.txt')}\nnew_certs_dir = ${folder}\ndefault_md = sha256\nrand_serial = yes\npolicy = any\n[any]\ncommonName = supplied\n`,
  );
  const times = ['-startdate', '20000101000000Z', '-enddate', '20010101000000Z', '-extfile', at(`${name}.ext`)];
  const signer = ['-cert', at(`${authority}.pem`), '-keyfile', at(`${authority}.key`), '-notext'];
  const files = ['-in', at(`${name}.csr`), '-out', at(`${name}.pem`)];
  openssl('ca', '-batch', '-config', at('ca.cnf'), ...signer, ...times, ...files);
  return { cert: readFileSync(at(`${name}.pem`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') };
}

/** SHA-256 of the public key of a certificate, base64. */
export function pinOf(cert: string): string {
  const { publicKey } = new X509Certificate(cert);
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}
