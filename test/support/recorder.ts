// Events of a client or a cache, collected.

import type { BullaEvent } from '../../src/cache.ts';

/** Collects events; `calls` counts the requests whose operation has a part. */
export function recorder(): {
  events: BullaEvent[];
  onEvent: (event: BullaEvent) => void;
  calls: (part: string) => number;
} {
  const events: BullaEvent[] = [];
  return {
    events,
    onEvent: (event) => void events.push(event),
    calls: (part) => events.filter((event) => event.type === 'service-call' && event.operation.includes(part)).length,
  };
}
