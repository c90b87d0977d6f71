-- sql_table_type: bgp, table acct_bgp: AS numbers, peers, the tag.
-- comms, as_path, local_pref and med are of BGP: empty or 0 without a session.
-- With sql_table_version: 9 the column agent_id is named tag.
-- Run: psql -d pmacct -v ON_ERROR_STOP=1 -f sql/pmacct-create-table_bgp_v1.pgsql

CREATE TABLE acct_bgp (
  agent_id       BIGINT NOT NULL DEFAULT 0,
  as_src         BIGINT NOT NULL DEFAULT 0,
  as_dst         BIGINT NOT NULL DEFAULT 0,
  peer_as_src    BIGINT NOT NULL DEFAULT 0,
  peer_as_dst    BIGINT NOT NULL DEFAULT 0,
  peer_ip_src    INET NOT NULL DEFAULT '0.0.0.0',
  peer_ip_dst    INET NOT NULL DEFAULT '0.0.0.0',
  comms          CHAR(24) NOT NULL DEFAULT ' ',
  as_path        CHAR(24) NOT NULL DEFAULT ' ',
  local_pref     BIGINT NOT NULL DEFAULT 0,
  med            BIGINT NOT NULL DEFAULT 0,
  packets        BIGINT NOT NULL,
  bytes          BIGINT NOT NULL,
  stamp_inserted TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  stamp_updated  TIMESTAMP WITHOUT TIME ZONE,
  PRIMARY KEY (agent_id, as_src, as_dst, peer_as_src, peer_as_dst, peer_ip_src, peer_ip_dst,
    comms, as_path, local_pref, med, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE ON acct_bgp TO pmacct;
