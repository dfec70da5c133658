// The JSON that goes between client and service, as far as this client reads it (docs/key-service.md §1.4, §2.3, §6.2, §7.5).

import type { KeyContext } from './encodings.ts';

/** The claims of the discovery document that this client reads (§2.3). */
export interface Discovery {
  readonly iss: string;
  readonly exp: number;
  readonly serial: number;
  readonly service_id: string;
  readonly audience: string;
  readonly token_endpoint: string;
  readonly transport_keys: readonly { kid: string; key: string; exp: number }[];
  readonly audit: {
    origin: string;
    verifier_key: string;
    previous_verifier_keys: { verifier_key: string; size: number }[];
  };
  readonly limits: { items: number; body_bytes: number };
}

/** The signed public key of a key (§7.5). */
export interface PublicKeyDocument {
  readonly iss: string;
  readonly exp: number;
  readonly serial: number;
  readonly service_id: string;
  readonly tenant: string;
  readonly key_id: string;
  readonly newest_version: number;
  readonly floor: number;
  readonly keys: readonly { version: number; key: string }[];
}

/** A problem document (§1.4). */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string;
  readonly check?: string;
  readonly limit?: number;
  readonly error?: string;
  readonly errors?: readonly { path: string; message: string }[];
}

/** An item of the data plane (§6.2); `data_key` is what `wrap` seals. */
export interface Item {
  readonly key?: string;
  readonly version?: number;
  readonly key_context?: KeyContext;
  readonly wrapped_key?: string;
  readonly method?: 'service' | 'service-ecdh';
  readonly to?: { readonly key?: string; readonly key_context?: KeyContext };
  readonly data_key?: Uint8Array;
}

/** A result of the data plane (§6.2); `data_key` is what `sealed_key` held. */
export interface Result {
  readonly key_id: string;
  readonly version: number;
  readonly newest_version: number;
  readonly floor: number;
  readonly wrapped_key: string;
  readonly sealed_key?: string;
  readonly data_key?: Buffer;
  readonly problem?: ProblemDocument;
}
