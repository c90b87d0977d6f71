-- How complete the bill is: one line an exporter, time bin and run of nfacctd, written
-- beside the sums of a plugin with  sql_exporters_table: flow_exporters
-- Run: psql -d pmacct -v ON_ERROR_STOP=1 -f sql/flow_exporters.pgsql
-- `received` and `lost` count what the exporter's sequence numbers count: records in
-- netflow5 and ipfix, datagrams in netflow9 and sflow.  So, for May:
--   SELECT exporter, SUM(lost) / NULLIF(SUM(received) + SUM(lost), 0) AS missing
--     FROM flow_exporters WHERE stamp_inserted >= '2026-05-01' AND stamp_inserted < '2026-06-01'
--    GROUP BY exporter;
-- A counter may be negative: what was lost in one bin and came late in the next is taken back there.
CREATE TABLE IF NOT EXISTS flow_exporters (
  stamp_inserted TIMESTAMP WITHOUT TIME ZONE NOT NULL, -- start of the bin
  exporter       VARCHAR(45) NOT NULL,
  protocol       VARCHAR(16) NOT NULL,               -- netflow5, netflow9, ipfix, sflow
  domain         BIGINT NOT NULL,                    -- source ID, observation domain, sub-agent, engine
  worker         INT NOT NULL,                       -- thread; 1000 more when counting began anew
  run_id         NUMERIC(20) NOT NULL,               -- one start of nfacctd
  datagrams      BIGINT NOT NULL,
  octets         BIGINT NOT NULL,                    -- of the datagrams, not of the traffic
  records        BIGINT NOT NULL,
  received       BIGINT NOT NULL,
  lost           BIGINT NOT NULL,
  gaps           BIGINT NOT NULL,
  late           BIGINT NOT NULL,
  duplicates     BIGINT NOT NULL,
  restarts       BIGINT NOT NULL,
  undecodable    BIGINT NOT NULL,                    -- Sets, templates and samples that were damaged
  unscaled       BIGINT NOT NULL,                    -- records without a sampling interval, where one is asked for
  clamped        BIGINT NOT NULL,                    -- records whose time was too far off
  templates      BIGINT NOT NULL,
  last_seen      TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  PRIMARY KEY (stamp_inserted, exporter, protocol, domain, worker, run_id)
);
GRANT SELECT, INSERT, UPDATE ON flow_exporters TO pmacct;
