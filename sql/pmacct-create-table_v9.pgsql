-- sql_table_version: 9 for plugins of type pgsql: version 8 with agent_id named tag.
-- Run: psql -d pmacct -v ON_ERROR_STOP=1 -f sql/pmacct-create-table_v9.pgsql

CREATE TABLE acct_v9 (
  tag            BIGINT NOT NULL DEFAULT 0,
  class_id       CHAR(16) NOT NULL DEFAULT ' ',
  mac_src        MACADDR NOT NULL DEFAULT '0:0:0:0:0:0',
  mac_dst        MACADDR NOT NULL DEFAULT '0:0:0:0:0:0',
  vlan           INTEGER NOT NULL DEFAULT 0,
  as_src         BIGINT NOT NULL DEFAULT 0,
  as_dst         BIGINT NOT NULL DEFAULT 0,
  ip_src         INET NOT NULL DEFAULT '0.0.0.0',
  ip_dst         INET NOT NULL DEFAULT '0.0.0.0',
  port_src       INTEGER NOT NULL DEFAULT 0,
  port_dst       INTEGER NOT NULL DEFAULT 0,
  tcp_flags      INTEGER NOT NULL DEFAULT 0,
  ip_proto       SMALLINT NOT NULL DEFAULT 0,
  tos            INTEGER NOT NULL DEFAULT 0,
  packets        BIGINT NOT NULL,
  bytes          BIGINT NOT NULL,
  flows          BIGINT NOT NULL DEFAULT 0,
  stamp_inserted TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  stamp_updated  TIMESTAMP WITHOUT TIME ZONE,
  PRIMARY KEY (tag, class_id, mac_src, mac_dst, vlan, as_src, as_dst, ip_src, ip_dst, port_src,
    port_dst, ip_proto, tos, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE ON acct_v9 TO pmacct;
