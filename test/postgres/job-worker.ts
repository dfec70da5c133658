// A worker in a process of its own, to be killed: `node --conditions=bulla-source test/postgres/job-worker.ts URL JOB [hang]`.
// It says `working` once its first batch asks for a key. With `hang` it never gets one.

import pg from 'pg';
import { tenantKeyring } from '../fields/support.ts';
import { jobsOn, migrating } from './migrating.ts';

const [url = '', id = '', mode = ''] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: 4 });
pool.on('error', () => {});
let isFirst = true;
const { jobs } = jobsOn(pool, migrating, {
  async keyring(tenant) {
    if (isFirst) process.stdout.write('working\n');
    isFirst = false;
    if (mode === 'hang') await new Promise(() => setInterval(() => {}, 1_000));
    return tenantKeyring(tenant);
  },
});
await jobs.run(id, { batch: 50, lease: 1_000 });
await pool.end();
