#!/usr/bin/env bash
# sql_trigger_exec: runs after each purge that was written, knows what was written
# (collector.md 3), is not started twice at a time, and holds up nothing.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$ROOT/tests/e2e/netflow5.sh"
e2e_begin trigger
command -v sqlite3 >/dev/null || e2e_skip "no sqlite3"
sqlite3 "$TMP/t.db" 'create table acct_127_0_0_1 (ip_src text, peer_ip_src text, packets int,
	bytes int, stamp_inserted int, stamp_updated int, primary key (ip_src, peer_ip_src, stamp_inserted))'
cat >"$TMP/trigger" <<END
#!/bin/sh
env | grep -E '^(SQL_|EFFECTIVE|TOTAL|INSERT|UPDATE)' | sort >"$TMP/env.new"
cat "$TMP/env.new" >>"$TMP/env"
echo end >>"$TMP/env"
while [ -e "$TMP/hang" ]; do sleep .1; done
END
chmod +x "$TMP/trigger"
port=$(free_udp_port)
cat >"$TMP/t.conf" <<END
plugins: sqlite3[t]
aggregate[t]: src_host, peer_src_ip
sql_table: acct_\$peer_src_ip
sql_optimize_clauses: true
sql_db: $TMP/t.db
sql_passwd: verysecret
sql_history: 1M
sql_history_roundoff: M
sql_refresh_time: 1
sql_trigger_exec: $TMP/trigger
nfacctd_time_new: true
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
END
ended() { # TIMES
	[ -e "$TMP/env" ] && [ "$(grep -c '^end$' "$TMP/env")" -ge "$1" ]
}
has() { # BYTES
	[ "$(sqlite3 -cmd '.timeout 5000' "$TMP/t.db" 'select sum(bytes) from acct_127_0_0_1')" = "$1" ]
}
must start_daemon t "$port" "$NFACCTD" -f "$TMP/t.conf"
v5_send "$port" "$(v5_record 10.0.0.1 10.9.9.9 1 2 1 100)" "$(v5_record 10.0.0.2 10.9.9.9 1 2 1 200)"
check "runs after a purge" wait_for 10 ended 1
month=$(date -d "$(date +%Y-%m-01)" +%s)
check_equal "knows what was written" "EFFECTIVE_ELEM_NUMBER=2
EFFECTIVE_SQL_TABLE=acct_127_0_0_1
INSERT_QUERIES_NUMBER=2
SQL_ACTIVE_WRITERS=1
SQL_DB=$TMP/t.db
SQL_HISTORY_BASETIME=$month
SQL_HISTORY_TIMESLOT=0
SQL_HOST=localhost
SQL_MAX_WRITERS=1
SQL_REFRESH_TIME=1
SQL_TABLE=acct_\$peer_src_ip
SQL_USER=pmacct
TOTAL_ELEM_NUMBER=2
UPDATE_QUERIES_NUMBER=0
end" "$(cat "$TMP/env")"
touch "$TMP/hang"
v5_send "$port" "$(v5_record 10.0.0.1 10.9.9.9 1 2 1 1)"
check "runs again" wait_for 10 ended 2
check "knows which rows were there" grep -q UPDATE_QUERIES_NUMBER=1 "$TMP/env"
v5_send "$port" "$(v5_record 10.0.0.1 10.9.9.9 1 2 1 7)"
check "one that hangs holds up nothing" wait_for 10 has 308
check "it is not started twice, and that is said" wait_for 10 grep -q 'still runs since the purge before' "$TMP/t.log"
check_equal "two runs" 2 "$(grep -c '^end$' "$TMP/env")"
check "stops" stop_daemon t 5
check "no password anywhere" test -z "$(grep verysecret "$TMP/env")"
e2e_end
