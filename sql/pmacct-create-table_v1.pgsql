-- sql_table_version: 1 for plugins of type pgsql: addresses, ports, protocol.
-- Run: psql -d pmacct -v ON_ERROR_STOP=1 -f sql/pmacct-create-table_v1.pgsql

CREATE TABLE acct (
  mac_src        MACADDR NOT NULL DEFAULT '0:0:0:0:0:0',
  mac_dst        MACADDR NOT NULL DEFAULT '0:0:0:0:0:0',
  ip_src         INET NOT NULL DEFAULT '0.0.0.0',
  ip_dst         INET NOT NULL DEFAULT '0.0.0.0',
  port_src       INTEGER NOT NULL DEFAULT 0,
  port_dst       INTEGER NOT NULL DEFAULT 0,
  ip_proto       SMALLINT NOT NULL DEFAULT 0,
  packets        BIGINT NOT NULL,
  bytes          BIGINT NOT NULL,
  stamp_inserted TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  stamp_updated  TIMESTAMP WITHOUT TIME ZONE,
  PRIMARY KEY (mac_src, mac_dst, ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE ON acct TO pmacct;

-- sql_data: unified
CREATE TABLE acct_uni (
  mac_src        CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0',
  mac_dst        CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0',
  ip_src         CHAR(45) NOT NULL DEFAULT '0.0.0.0',
  ip_dst         CHAR(45) NOT NULL DEFAULT '0.0.0.0',
  port_src       INTEGER NOT NULL DEFAULT 0,
  port_dst       INTEGER NOT NULL DEFAULT 0,
  ip_proto       SMALLINT NOT NULL DEFAULT 0,
  packets        BIGINT NOT NULL,
  bytes          BIGINT NOT NULL,
  stamp_inserted TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  stamp_updated  TIMESTAMP WITHOUT TIME ZONE,
  PRIMARY KEY (mac_src, mac_dst, ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE ON acct_uni TO pmacct;

-- aggregate: src_as, dst_as: AS numbers in the place of addresses
CREATE TABLE acct_as (
  mac_src        MACADDR NOT NULL DEFAULT '0:0:0:0:0:0',
  mac_dst        MACADDR NOT NULL DEFAULT '0:0:0:0:0:0',
  ip_src         BIGINT NOT NULL DEFAULT 0,
  ip_dst         BIGINT NOT NULL DEFAULT 0,
  port_src       INTEGER NOT NULL DEFAULT 0,
  port_dst       INTEGER NOT NULL DEFAULT 0,
  ip_proto       SMALLINT NOT NULL DEFAULT 0,
  packets        BIGINT NOT NULL,
  bytes          BIGINT NOT NULL,
  stamp_inserted TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  stamp_updated  TIMESTAMP WITHOUT TIME ZONE,
  PRIMARY KEY (mac_src, mac_dst, ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE ON acct_as TO pmacct;
