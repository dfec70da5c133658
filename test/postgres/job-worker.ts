// A worker in a process of its own, to be killed: `node --conditions=bulla-source test/postgres/job-worker.ts URL JOB [hang] [ROWS] [NOT_BEFORE]`.
// It says `working` once its first batch asks for a key. With `hang` it never gets one.

import { tenantKeyring } from '../fields/support.ts';
import { jobsOn, migrating, openPool } from './migrating.ts';

const [url = '', id = '', mode = '', batch = '50', notBefore = '0'] = process.argv.slice(2);
const pool = openPool(url);
let isFirst = true;
const { jobs } = jobsOn(pool, migrating, {
  notBefore: new Date(Number(notBefore)),
  async keyring(tenant) {
    if (isFirst) process.stdout.write('working\n');
    isFirst = false;
    if (mode === 'hang') await new Promise(() => setInterval(() => {}, 1_000));
    return tenantKeyring(tenant);
  },
});
await jobs.run(id, { batch: Number(batch), lease: 1_000 });
await pool.end();
