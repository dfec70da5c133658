// The limit of messages to a P-384 key: a key pair and an agreement to encrypt, an agreement to decrypt, and nothing else.

/** What happens once a message. */
export interface BareAgreement {
  encrypt(): Promise<unknown> | unknown;
  decrypt(): Promise<unknown> | unknown;
}

/** By `node:crypto`. */
export function bareAgreementNode({ generateKeyPairSync, diffieHellman }: typeof import('node:crypto')): BareAgreement {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const recipient = pair();
  const { publicKey } = pair();
  return {
    encrypt: () => diffieHellman({ privateKey: pair().privateKey, publicKey: recipient.publicKey }),
    decrypt: () => diffieHellman({ privateKey: recipient.privateKey, publicKey }),
  };
}

/** By SubtleCrypto. */
export async function bareAgreementSubtle(): Promise<BareAgreement> {
  const { subtle } = crypto;
  const curve = { name: 'ECDH', namedCurve: 'P-384' };
  const pair = () => subtle.generateKey(curve, false, ['deriveBits']);
  const [recipient, other] = [await pair(), await pair()];
  const agree = (own: CryptoKeyPair, theirs: CryptoKeyPair) =>
    subtle.deriveBits({ name: 'ECDH', public: theirs.publicKey }, own.privateKey, 384);
  return {
    encrypt: async () => agree(await pair(), recipient),
    decrypt: () => agree(recipient, other),
  };
}
