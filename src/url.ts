/** A URL as a source for `open`: with headers, credentials and repetition of your own. */

export type { RetryOptions } from './lib/retry.ts';
export type { Source } from './message/source.ts';
export { type RequestHeaders, type UrlSourceOptions, urlSource } from './message/url-source.ts';
