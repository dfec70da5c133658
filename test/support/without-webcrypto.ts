// Takes WebCrypto away from this Node, that of `node:crypto` too, so that the SDK falls back to @peculiar/webcrypto.

import { webcrypto } from 'node:crypto';

Object.defineProperty(Object.getPrototypeOf(webcrypto), 'subtle', { value: undefined });
Reflect.deleteProperty(globalThis, 'crypto');
