#!/usr/bin/env bash
# The examples in conf/ and the scripts in sql/, as their own comments tell to use
# them: the scripts load, --check finds nothing, rows arrive.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$here/netflow5.sh"

e2e_begin examples
export TZ=UTC
# shellcheck disable=SC2119 # its arguments are the server's
mariadb_start
export MYSQL_UNIX_PORT=$DB_SOCKET # "sql_host: localhost" means the default socket

have_pgsql=
if pgsql_find; then
	# shellcheck disable=SC2119
	pgsql_start
	have_pgsql=1
fi

sqlite_load() { # DATABASE SCRIPT
	sqlite3 -bail "$1" <"$ROOT/sql/$2.sqlite3"
}

# Every table version, alone in its database.
for version in 1 2 3 4 5 6 7 8 9; do
	sql "create database v$version"
	check "sql: table version $version loads (MySQL)" \
		sql_file "v$version" "$ROOT/sql/pmacct-create-table_v$version.mysql"
	if command -v sqlite3 >/dev/null; then
		check "sql: table version $version loads (SQLite)" \
			sqlite_load "$TMP/v$version.db" "pmacct-create-table_v$version"
		check "sql: the ledger beside it (SQLite)" sqlite_load "$TMP/v$version.db" flow_ledger
	fi
	if [ -n "$have_pgsql" ]; then
		[ "$version" -gt 1 ] || check "sql: database and user (PostgreSQL)" pg_file postgres "$ROOT/sql/pmacct-create-db.pgsql"
		check "sql: table version $version loads (PostgreSQL)" \
			pg_file pmacct "$ROOT/sql/pmacct-create-table_v$version.pgsql"
	fi
done

# What the first lines of the MySQL examples say, in that order.
for script in pmacct-create-db_v1 pmacct-create-db_v2 mx80-in-out pmacct-grant-db; do
	check "sql: $script loads" sql_file "" "$ROOT/sql/$script.mysql"
done
check "sql: flow_ledger loads" sql_file pmacct "$ROOT/sql/flow_ledger.mysql"
check "sql: flow_exporters loads" sql_file pmacct "$ROOT/sql/flow_exporters.mysql"
if command -v sqlite3 >/dev/null; then
	check "sql: flow_exporters loads (SQLite)" sqlite_load "$TMP/exporters.db" flow_exporters
fi

if [ -n "$have_pgsql" ]; then
	check "sql: flow_ledger loads (PostgreSQL)" pg_file pmacct "$ROOT/sql/flow_ledger.pgsql"
	check "sql: flow_exporters loads (PostgreSQL)" pg_file pmacct "$ROOT/sql/flow_exporters.pgsql"
fi

# The paths that need root or an installation, and ports of our own.
adapt() { # NAME PORT
	sed -e "s#/var/run/#$TMP/#; s#/run/nfacctd/#$TMP/#; s#/var/log/#$TMP/#; s#/var/lib/nfacctd/#$TMP/#; s#/var/spool/nfacctd/#$TMP/spool/#; s#$TMP/postgresql#${PG_HOST:-}#" \
		-e "s#: */etc/.*nfacctd.networks#: $ROOT/conf/nfacctd.networks#" \
		-e "s#: */etc/.*nfacctd-tags.map#: $ROOT/conf/nfacctd-tags.map#;" \
		-e "s#: */etc/.*nfacctd-nat.map#: $ROOT/conf/nfacctd-nat.map#;" \
		-e "s#: */etc/.*nfacctd.primitives#: $ROOT/conf/nfacctd.primitives#" \
		-e "s#^nfacctd_port:.*#nfacctd_port: $2#; s#^daemonize:.*#daemonize: false#" \
		"$ROOT/conf/$1.conf" >"$TMP/$1.conf"
}
if command -v sqlite3 >/dev/null; then
	sqlite_load "$TMP/pmacct.db" pmacct-create-table_v7
	sqlite_load "$TMP/pmacct.db" flow_ledger
fi
sees_flow() {
	[ "$("$BUILD/pmacct" -p "$TMP/hosts.sock" -c src_host -N 111.222.1.2)" = 1000 ]
}
for path in "$ROOT"/conf/nfacctd-*.conf; do
	name=$(basename "$path" .conf)
	port=$(free_udp_port)
	adapt "$name" "$port"
	if [ "$name" = nfacctd-sqlite3 ] && ! command -v sqlite3 >/dev/null; then
		continue
	fi
	if [ "$name" = nfacctd-pgsql ] && [ -z "$have_pgsql" ]; then
		continue
	fi
	if ! check "$name: --check finds nothing" "$NFACCTD" -f "$TMP/$name.conf" --check >"$TMP/said" 2>&1; then
		sed 's/^/     /' "$TMP/said"
	fi
	check "$name: --check shows a row of each plugin" test "$(grep -c "a row looks like .*bytes\"*[=:] *64" "$TMP/said")" \
		= "$(sed -n 's/^plugins: *//p' "$TMP/$name.conf" | tr , '\n' | wc -l)"
	start_daemon "$name" "$port" "$NFACCTD" -f "$TMP/$name.conf" || continue
	v5_send "$port" "$(v5_record 111.222.1.2 8.8.8.8 5 7 10 1000)"
	wait_udp_drained "$port"
	if [ "$name" = nfacctd-memory ]; then
		check "memory: the client sees the flow" wait_for 5 sees_flow
	fi
	check "$name: stops" stop_daemon "$name"
done
check_equal "tutorial: rows arrived" "111.222.1.2 1000" \
	"$(sql "select concat(ip_src, ' ', bytes) from pmacct.acct_v1 where ip_src not in ('0.0.0.0', '8.8.8.8')")"
check_equal "evidence: one datagram, one record, nothing lost" "127.0.0.1 netflow5 1 1 0 0" \
	"$(sql "select concat_ws(' ', exporter, protocol, datagrams, records, lost, undecodable) from pmacct.flow_exporters")"
if [ -n "$have_pgsql" ]; then
	check_equal "pgsql: rows arrived" "111.222.1.2	8.8.8.8	17	1000	1" \
		"$(pg pmacct 'select ip_src, ip_dst, ip_proto, bytes, flows from acct_v7')"
fi
check_equal "in-out: rows arrived, multiplied" "111.222.1.2 1000000" \
	"$(sql "select concat(ip_src, ' ', bytes) from pmacct.mx80_INTL_out")"
check "print: the newest file has the flow" grep -q '"bytes": *1000' "$TMP/spool/latest.json"
check "tags: what no rule knows is in a file of its own" grep -q '"iface_in": 5.*"bytes": 1000' \
	"$TMP/spool/rest.json"
check "nat: a flow is no event" test "$(cat "$TMP"/spool/flows-*.csv | grep -c '^111.222.1.2,10,1000$') $(ls "$TMP"/spool/translations-* 2>/dev/null | wc -l)" = "1 0"
check "own: NetFlow v5 tells no application" grep -q '"app_id": "0", "app_name": "".*"bytes": 1000' \
	"$TMP/spool/applications.json"
if command -v sqlite3 >/dev/null; then
	check_equal "sqlite3: rows arrived" "111.222.1.2|8.8.8.8|1000" \
		"$(sqlite3 "$TMP/pmacct.db" 'select ip_src, ip_dst, bytes from acct_v7')"
fi

for path in "$ROOT"/conf/scenario-*.yaml; do
	name=$(basename "$path" .yaml)
	check "$name: craft takes it" "$PCAPGEN" craft --scenario "$path" --write "$TMP/$name.pcap" >"$TMP/said" 2>&1 ||
		sed 's/^/     /' "$TMP/said"
	check "$name: there is a capture" test -s "$TMP/$name.pcap"
done
# The demo's customers are the own networks of the example: a first try shows hosts, not only the row of all others.
check "demo: its customers are in nfacctd.networks" test "$("$NFACCTD" -P print -O csv -c sum_host \
	-n "$ROOT/conf/nfacctd.networks" -I "$TMP/scenario-demo.pcap" 2>/dev/null | grep -c '^111\.222\.\|^2001:db8:111:')" -gt 50

e2e_end
