-- One line a purge and worker, committed together with the purge's rows: which
-- purge it was, up to which batch of the worker's input it accounts, and its sums.
-- Its primary key is why a purge that is written again is never billed twice.
-- Run: psql -d pmacct -v ON_ERROR_STOP=1 -f sql/flow_ledger.pgsql
-- Old lines may go: DELETE FROM flow_ledger WHERE stamp < now() - INTERVAL '1 year';
CREATE TABLE IF NOT EXISTS flow_ledger (
  run_id        NUMERIC(20) NOT NULL,            -- one start of nfacctd
  plugin        VARCHAR(64) NOT NULL,            -- intl_in
  purge_id      BIGINT NOT NULL,                 -- 1, 2, ... of this plugin in this run
  worker        BIGINT NOT NULL,
  batch         BIGINT NOT NULL,                 -- the worker's input up to here is in
  purge_rows    BIGINT NOT NULL DEFAULT 0,       -- sums of the purge: in its first line,
  purge_packets NUMERIC(20) NOT NULL DEFAULT 0,  -- 0 in those of further workers, so that
  purge_octets  NUMERIC(20) NOT NULL DEFAULT 0,  -- SUM() is what was handed over
  stamp         TIMESTAMP WITHOUT TIME ZONE,
  PRIMARY KEY (run_id, plugin, purge_id, worker)
);
GRANT SELECT, INSERT ON flow_ledger TO pmacct;
