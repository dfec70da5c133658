// Takes WebCrypto away from this Node, so that the SDK falls back to @peculiar/webcrypto.

Reflect.deleteProperty(globalThis, 'crypto');
