#!/usr/bin/env bash
# The pgsql sink against a private PostgreSQL: its unit suite, a server that is
# crashed again and again while purges are written, a purge that is saved and
# replayed, and the rows that Debian's nfacctd writes from the same capture.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$ROOT/tests/e2e/netflow5.sh"
e2e_begin pgsql_sink
pgsql_find || e2e_skip "no PostgreSQL server here"
must make -s -C "$ROOT" B="$BUILD" "$BUILD/bench-mysql" "$BUILD/check-nfacctd"
export TZ=UTC
# shellcheck disable=SC2119 # its arguments are the server's
pgsql_start

export FLOWLEDGER_PGSQL=$PG_HOST FLOWLEDGER_SQL=$ROOT/sql
CK_RUN_SUITE=pgsql check "the sink's unit tests" "$BUILD/check-nfacctd"

pg postgres "create user pmacct"
new_database() { # NAME VERSION
	pg postgres "create database $1"
	pg_file "$1" "$ROOT/sql/pmacct-create-table_v$2.pgsql"
	pg_file "$1" "$ROOT/sql/flow_ledger.pgsql"
}

# ---- a server that crashes ----------------------------------------------------
said() { # WORD: the number behind WORD=
	sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p" "$TMP/feed.out"
}
grew() { # ROWS: the ledger has more purges than that, or the feed is through
	is_gone "${PID[feed]}" && return 0
	[ "$(pg crash 'select count(*) from flow_ledger' 2>/dev/null || echo 0)" -gt "$1" ]
}
new_database crash 1
"$BUILD/bench-mysql" --feed pgsql "$PG_HOST" crash 40 1000 >"$TMP/feed.out" 2>"$TMP/feed.log" &
PID[feed]=$!
crashes=0
while ! is_gone "${PID[feed]}" && [ "$crashes" -lt 3 ]; do
	wait_for 60 grew $((crashes * 10 + RANDOM % 6))
	is_gone "${PID[feed]}" && break
	pgsql_stop immediate
	crashes=$((crashes + 1))
	pgsql_start
done
wait "${PID[feed]}"
check_equal "the feed outlives $crashes crashes of the server" 0 $?
unset 'PID[feed]'
check "the server crashed in mid-work" test "$(said reconnects)" -ge 2
check_equal "after the crashes: every octet once" "$(said packets)	$(said octets)" \
	"$(pg crash 'select sum(packets), sum(bytes) from acct')"
check_equal "the ledger has every purge once" "40	40000	$(said octets)" \
	"$(pg crash 'select count(*), sum(purge_rows), sum(purge_octets) from flow_ledger')"
check_equal "nothing refused, nothing in doubt" "0 0" "$(said rejected) $(said ambiguous)"

# ---- nfacctd while its database is away ------------------------------------------
new_database outage 1
pg_file outage "$ROOT/sql/flow_exporters.pgsql"
port=$(free_udp_port)
cat >"$TMP/outage.conf" <<END
plugins: pgsql
aggregate: src_host
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_time_new: true
sql_host: $PG_HOST
sql_user: postgres
sql_passwd:
sql_db: outage
sql_refresh_time: 1
sql_history: 1M
sql_history_roundoff: M
sql_exporters_table: flow_exporters
END
bytes() { # WANT
	[ "$(pg outage 'select coalesce(sum(bytes), 0) from acct' 2>/dev/null)" = "$1" ]
}
check "--check finds nothing" "$NFACCTD" -f "$TMP/outage.conf" --check
start_daemon outage "$port" "$NFACCTD" -f "$TMP/outage.conf"
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 1000)"
check "a purge is written" wait_for 20 bytes 1000
exporters() {
	[ "$(pg outage 'select exporter, protocol, datagrams, records, lost from flow_exporters')" = "127.0.0.1	netflow5	1	1	0" ]
}
check "beside it what its exporter sent" wait_for 20 exporters
pgsql_stop immediate
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 200)"
check "with the database away: kept, and said" wait_for 20 grep -q 'rows are kept and tried again' "$TMP/outage.log"
pgsql_start
check "when it is back: nothing lost, nothing twice" wait_for 60 bytes 1200
pgsql_stop immediate
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 34)"
wait_udp_drained "$port"
stop_daemon outage 30
check_equal "stops without its database, and its status says that not all is in it" 1 $?
pgsql_start
mapfile -t saved < <(sed -n "s/.* is saved in \(.*\.sql\);.*/\1/p" "$TMP/outage.log" | sed "s#^\./#$TMP/#")
check "its last purge is saved" test -s "${saved[0]}"
check "the saved purge can be replayed" pg_file outage "${saved[0]}"
check_equal "after the replay: everything is there" 1234 "$(pg outage 'select sum(bytes) from acct')"
pg_file outage "${saved[0]}" >"$TMP/said" 2>&1
check "a second replay stops" grep -q 'duplicate key value' "$TMP/said"
check_equal "and changes nothing" 1234 "$(pg outage 'select sum(bytes) from acct')"

# ---- Debian's nfacctd, the same capture -------------------------------------------
if [ -x /usr/sbin/nfacctd ]; then
	cat >"$TMP/s.yaml" <<END
seed: 11
start: 2026-01-01T00:05:00Z
rate: 100 records/s
duration: 6s
exporters:
  - address: 127.0.0.1
    port: 40001
    protocol: netflow5
customers:
  - prefix: 100.64.0.0/12
    hosts: 40
remotes:
  - prefix: 198.18.0.0/15
    hosts: 20
END
	must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --write "$TMP/flows.pcap" >/dev/null
	same() { # NAME VERSION TABLE AGGREGATE [KEYS]
		local who program
		for who in ours theirs; do
			pg postgres "drop database if exists $who" 2>/dev/null
			pg postgres "create database $who"
			pg_file "$who" "$ROOT/sql/pmacct-create-table_v$2.pgsql"
			cat >"$TMP/$who.conf" <<END
plugins: pgsql
aggregate: $4
pcap_savefile: $TMP/flows.pcap
sql_host: $PG_HOST
sql_port: 5432
sql_user: postgres
sql_db: $who
sql_table_version: $2
sql_refresh_time: 86400
sql_history: 10m
sql_history_roundoff: mh
${5:-}
END
			program=$NFACCTD
			[ "$who" = ours ] || program=/usr/sbin/nfacctd
			setsid "$program" -f "$TMP/$who.conf" >"$TMP/$who.log" 2>&1 &
			PID[peer-$who]=$!
			wait "${PID[peer-$who]}"
			wait_for 30 peer_group_gone "${PID[peer-$who]}"
			unset "PID[peer-$who]"
			pg "$who" "alter table $3 drop column stamp_updated"
			pg "$who" "select r::text from $3 r order by 1" >"$TMP/$who.rows"
		done
		check "$1: rows" test -s "$TMP/ours.rows"
		check "$1: the rows of Debian's nfacctd" cmp "$TMP/theirs.rows" "$TMP/ours.rows"
	}
	same "hosts, typed" 1 acct "src_host, dst_host, proto"
	same "AS numbers, typed" 1 acct_as "src_as, dst_as"
	same "AS numbers, unified" 2 acct_uni_v2 "src_as" "sql_data: unified"
	same "unified" 2 acct_uni_v2 "src_host, src_port" "sql_data: unified"
	same "everything of version 7" 7 acct_v7 \
		"tag, class, src_mac, vlan, src_as, src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, flows"
else
	echo "pgsql_sink: no Debian nfacctd: not compared"
fi

pgsql_stop
e2e_end
