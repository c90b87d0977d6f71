#!/usr/bin/env bash
# The mysql sink against a private MariaDB: its unit suite, arrays of rows and
# text giving the same table, and a server that is killed again and again while
# purges are written: every sum is exact afterwards.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$ROOT/tests/e2e/netflow5.sh"
e2e_begin mysql_sink
command -v mariadbd >/dev/null || e2e_skip "no mariadbd"
must make -s -C "$ROOT" B="$BUILD" "$BUILD/bench-mysql" "$BUILD/check-nfacctd"

# A kill loses what the server had not yet written: durable commits.
mariadb_start --innodb-flush-log-at-trx-commit=1
HOST=unix:$DB_SOCKET

export FLOWLEDGER_MYSQL=$HOST FLOWLEDGER_SQL=$ROOT/sql
CK_RUN_SUITE=mysql check "the sink's unit tests, arrays and text" "$BUILD/check-nfacctd"

new_database() { # NAME
	sql "create database $1"
	sql_file "$1" "$ROOT/sql/pmacct-create-table_v1.mysql"
	sql_file "$1" "$ROOT/sql/flow_ledger.mysql"
}

feed() { # NAME DATABASE PURGES ROWS, in the background
	"$BUILD/bench-mysql" --feed mysql "$HOST" "$2" "$3" "$4" >"$TMP/$1.out" 2>"$TMP/$1.log" &
	PID[$1]=$!
}

said() { # NAME WORD: the number behind WORD=
	sed -n "s/.*\\b$2=\\([0-9]*\\).*/\\1/p" "$TMP/$1.out"
}

# ---- both ways in give the same table ------------------------------------------
for way in on off; do
	new_database "way_$way"
	FLOWLEDGER_MYSQL_BULK=$way feed "$way" "way_$way" 6 3000
	check "rows as arrays $way: written" wait "${PID[$way]}"
	unset "PID[$way]"
	check_equal "rows as arrays $way: sums" "$(said "$way" packets)	$(said "$way" octets)" \
		"$(sql "select sum(packets), sum(bytes) from way_$way.acct")"
	sql "select * from way_$way.acct order by ip_src, ip_dst, src_port, ip_proto" >"$TMP/$way.rows"
done
check "arrays and text give the same rows" cmp "$TMP/on.rows" "$TMP/off.rows"
check_equal "keys that came again were added to" 10500 "$(wc -l <"$TMP/on.rows")"

# ---- a server that is killed ------------------------------------------------------
grew() { # ROWS: the ledger has more purges than that, or the feed is through
	is_gone "${PID[feed]}" && return 0
	[ "$(sql 'select count(*) from killed.flow_ledger' 2>/dev/null || echo 0)" -gt "$1" ]
}

new_database killed
feed feed killed 100 2000
kills=0
while ! is_gone "${PID[feed]}" && [ "$kills" -lt 5 ]; do
	wait_for 60 grew $((kills * 16 + RANDOM % 8))
	is_gone "${PID[feed]}" && break
	kill -9 "${PID[mariadb]}"
	wait "${PID[mariadb]}" 2>/dev/null
	kills=$((kills + 1))
	mariadb_start --innodb-flush-log-at-trx-commit=1
done
wait "${PID[feed]}"
check_equal "the feed outlives $kills kills of the server" 0 $?
unset 'PID[feed]'
check "the server was killed in mid-work" test "$(said feed reconnects)" -ge 3
check_equal "after the kills: every octet once" "$(said feed packets)	$(said feed octets)" \
	"$(sql 'select sum(packets), sum(bytes) from killed.acct')"
check_equal "after the kills: the ledger has every purge once" "100	200000	$(said feed octets)" \
	"$(sql 'select count(*), sum(purge_rows), sum(purge_octets) from killed.flow_ledger')"
check_equal "nothing refused, nothing in doubt" "0 0" "$(said feed rejected) $(said feed ambiguous)"
check_equal "rows handed over" 200000 "$(said feed rows)"

# ---- nfacctd while its database is away (collector.md 15, case 35) -------------------
new_database outage
port=$(free_udp_port)
cat >"$TMP/outage.conf" <<END
plugins: mysql
aggregate: src_host
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_time_new: true
sql_host: $HOST
sql_user: root
sql_passwd:
sql_db: outage
sql_refresh_time: 1
sql_history: 1M
sql_history_roundoff: M
END
bytes() { # WANT
	[ "$(sql 'select coalesce(sum(bytes), 0) from outage.acct' 2>/dev/null)" = "$1" ]
}
database_away() {
	kill -9 "${PID[mariadb]}"
	wait "${PID[mariadb]}" 2>/dev/null
}
start_daemon outage "$port" "$NFACCTD" -f "$TMP/outage.conf"
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 1000)"
check "a purge is written" wait_for 20 bytes 1000
database_away
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 200)"
check "with the database away: kept, and said" wait_for 20 grep -q 'rows are kept and tried again' "$TMP/outage.log"
v5_send "$port" "$(v5_record 192.0.2.2 192.0.2.9 1 2 1 30)"
mariadb_start --innodb-flush-log-at-trx-commit=1
check "when it is back: nothing lost, nothing twice" wait_for 60 bytes 1230
database_away
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 4)"
wait_udp_drained "$port"
stop_daemon outage 30
check_equal "stops without its database, and its status says that not all is in it" 1 $?
mariadb_start --innodb-flush-log-at-trx-commit=1
mapfile -t saved < <(sed -n "s/.* is saved in \(.*\.sql\);.*/\1/p" "$TMP/outage.log" | sed "s#^\./#$TMP/#")
check "its last purge is saved" test -s "${saved[0]}"
for file in "${saved[@]}"; do
	check "the saved purge can be replayed" sql_file outage "$file"
done
check_equal "after the replay: everything is there" 1234 "$(sql 'select sum(bytes) from outage.acct')"
sql_file outage "${saved[0]}" 2>"$TMP/said"
check "a second replay stops" grep -q 'ERROR 1062' "$TMP/said"
check_equal "and changes nothing" 1234 "$(sql 'select sum(bytes) from outage.acct')"

mariadb_stop
e2e_end
