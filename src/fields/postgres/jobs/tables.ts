/** The tables that jobs keep their state in: `docs/fields.md` §10.10. */

/** What {@link migrationSql} makes for the step `tables`. */
export const jobTables: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS bulla_jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('backfill', 'verify', 'reencrypt', 'reindex', 'rewrap')),
  field text NOT NULL,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled')),
  pass integer NOT NULL DEFAULT 1,
  total bigint NOT NULL,
  created timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended timestamptz
)`,
  `CREATE UNIQUE INDEX IF NOT EXISTS bulla_jobs_running ON bulla_jobs (kind, field) WHERE state = 'running'`,
  `CREATE TABLE IF NOT EXISTS bulla_job_shards (
  job bigint NOT NULL REFERENCES bulla_jobs ON DELETE CASCADE,
  shard integer NOT NULL,
  lower_key text[],
  upper_key text[],
  position text[],
  is_done boolean NOT NULL DEFAULT false,
  owner uuid,
  lease_until timestamptz,
  looked_at bigint NOT NULL DEFAULT 0,
  written bigint NOT NULL DEFAULT 0,
  missed bigint NOT NULL DEFAULT 0,
  changes_in_pass bigint NOT NULL DEFAULT 0,
  missed_in_pass bigint NOT NULL DEFAULT 0,
  faults bigint NOT NULL DEFAULT 0,
  fault_list jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (job, shard)
)`,
];
