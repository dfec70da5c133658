/** Request headers, judged before `fetch` sees them: its errors quote a value, and a value may be a secret. */

import { assert } from './assert.ts';

/** Throws a `TypeError` for a header that cannot be sent. It has the header's name, and nothing of its value. */
export function assertHeaders(headers: Readonly<Record<string, string>>, what: string): void {
  for (const [name, value] of Object.entries(headers)) {
    // RFC 9110 §5.1. A name that is none may be a value that went astray.
    assert(/^[\w!#$%&'*+.^`|~-]+$/.test(name), `each name in ${what}`, 'the name of a header');
    // RFC 9110 §5.5, without what `fetch` takes away around it.
    const isValue = /^[\t\x20-\x7e\x80-\xff]*$/.test(value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, ''));
    assert(isValue, `${what}["${name}"]`, 'what a header can hold, without line breaks');
  }
}
