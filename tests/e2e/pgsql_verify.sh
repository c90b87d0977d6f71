#!/usr/bin/env bash
# verify against PostgreSQL: what the collector wrote into the typed, the unified and
# the users' own tables, in the session's zone; a row that is wrong, one that is missing.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_begin pgsql_verify
pgsql_find || e2e_skip "no PostgreSQL server here"
pgsql_start -c timezone=Asia/Kolkata
must pg postgres "create user pmacct"

must "$PCAPGEN" craft --scenario "$ROOT/conf/scenario-protocols.yaml" --write "$TMP/x.pcap" \
	--truth "$TMP/x.tsv" >"$TMP/craft" 2>&1
make_conf() { # NAME VERSION AGGREGATE LINE...
	printf '%s\n' "plugins: pgsql[p]" "sql_host: $PG_HOST" "sql_user: postgres" "sql_db: $1" \
		"sql_refresh_time: 60" "sql_history: 1m" "sql_history_roundoff: mh" "aggregate[p]: $3" \
		"sql_table_version: $2" "${@:4}" >"$TMP/$1.conf"
}
# shellcheck disable=SC2317 # called through check
verified() { # NAME STATUS WORDS
	local got=0
	"$PCAPGEN" verify --truth "$TMP/x.tsv" --conf "$TMP/$1.conf" >"$TMP/$1.out" 2>&1 || got=$?
	[ "$got" -eq "$2" ] && grep -qF -- "$3" "$TMP/$1.out" && return
	echo "     exit $got, expected $2 with \"$3\":"
	head -5 "$TMP/$1.out" | sed 's/^/     /'
	return 1
}
N=0
one() { # WHAT VERSION AGGREGATE LINE...
	local what=$1 name=c$((N += 1))
	shift
	must pg postgres "create database $name"
	must pg_file "$name" "$ROOT/sql/pmacct-create-table_v$1.pgsql"
	must pg_file "$name" "$ROOT/sql/flow_ledger.pgsql"
	must pg "$name" "create table t (ip_src inet, net_src inet, mask_src int, iface_in bigint, ip_proto int,
		port_src int, peer_ip_src inet, packets bigint not null, bytes bigint not null, flows bigint,
		stamp_inserted timestamp without time zone not null, stamp_updated timestamp without time zone)"
	make_conf "$name" "$@"
	check "$what: nfacctd reads the capture" "$NFACCTD" -f "$TMP/$name.conf" -I "$TMP/x.pcap" >"$TMP/$name.log" 2>&1 ||
		sed 's/^/     /' "$TMP/$name.log"
	check "$what: verified" verified "$name" 0 "0 wrong, 0 unexplained: verified"
}
one "hosts" 1 "src_host, dst_host, src_port, proto"
one "everything of version 7" 7 "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, flows, src_as, dst_as"
one "unified" 2 "src_host, src_port" "sql_data: unified"
one "AS numbers" 1 "src_as, dst_as"
one "no columns but our own" 9 "src_net, src_mask, in_iface, peer_src_ip, flows" "sql_optimize_clauses: true" "sql_table: t"
one "one sum in all" 1 "none" "sql_optimize_clauses: true" "sql_table: public.t"
one "UTC" 1 "sum_host" "timestamps_utc: true"

row="(select ctid from acct order by bytes desc limit 1)"
must pg c1 "update acct set bytes = bytes * 2, packets = packets * 2 where ctid = $row"
check "a doubled row" verified c1 1 ": doubled"
must pg c1 "delete from acct where ctid = $row"
check "a missing row" verified c1 1 ": missing"
make_conf c1 1 sum_host "sql_table: nosuch"
check "no such table" verified c1 3 'sql_table: "nosuch": there is no such table'
pgsql_stop
make_conf c1 1 sum_host
check "no server" verified c1 3 "sql_host: \"$PG_HOST\""
e2e_end
