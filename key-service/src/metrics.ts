/** Counters for Prometheus. No key ids, no tenants, no subjects as labels. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'operation' | 'status'>;
  readonly items: Counter<'operation' | 'outcome'>;
  readonly failedAuthentications: Counter<'check'>;
  readonly duration: Histogram<'operation'>;
  readonly inFlight: Gauge;
  /** 1 while this replica refuses to publish. */
  readonly publicationRefused: Gauge;
  /** How often something in the store was not to be trusted. */
  readonly distrusted: Counter;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: 'bulla_requests_total',
      help: 'Requests answered',
      labelNames: ['operation', 'status'],
      registers,
    }),
    items: new Counter({
      name: 'bulla_items_total',
      help: 'Items of the data plane',
      labelNames: ['operation', 'outcome'],
      registers,
    }),
    failedAuthentications: new Counter({
      name: 'bulla_failed_authentications_total',
      help: 'Requests whose token or proof was refused',
      labelNames: ['check'],
      registers,
    }),
    duration: new Histogram({
      name: 'bulla_request_duration_seconds',
      help: 'Time from request to answer',
      labelNames: ['operation'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    inFlight: new Gauge({ name: 'bulla_requests_in_flight', help: 'Requests not answered yet', registers }),
    publicationRefused: new Gauge({
      name: 'bulla_publication_refused',
      help: '1 while the database does not continue what this replica has published or seen',
      registers,
    }),
    distrusted: new Counter({
      name: 'bulla_distrusted_total',
      help: 'Times that something in the store was not to be trusted, logged or not',
      registers,
    }),
  };
}
