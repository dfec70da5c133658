/** Answers requests of a page from messages: a service worker's fetch handler that decrypts what is asked for, with ranges. */

export {
  createDecryptingHandler,
  type DecryptingHandler,
  type DecryptingHandlerOptions,
  type FetchEventLike,
} from './service-worker/handler.ts';
export type { MessageResource } from './service-worker/resource.ts';
