#!/usr/bin/env bash
# Purges that wait for their database stand in files, each of them, and are written
# once: by this run or by the next.  A second server takes what the first does not.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$ROOT/tests/e2e/netflow5.sh"
e2e_begin mysql_spool
command -v mariadbd >/dev/null || e2e_skip "no mariadbd"
# shellcheck disable=SC2119 # its arguments are the server's
mariadb_start
sql "create database spool"
sql_file spool "$ROOT/sql/pmacct-create-table_v1.mysql"
sql_file spool "$ROOT/sql/flow_ledger.mysql"
# Rows of an older table without a key: they go through other statements.
sql "create table spool.keyless as select * from spool.acct"
mariadb_stop
cp -a "$TMP/db/data" "$TMP/db/second" # another server that has the same tables
durable=--innodb-flush-log-at-trx-commit=1
mariadb_start $durable
port=$(free_udp_port)
config() { # NAME [LINE...]
	cat >"$TMP/$1.conf" <<END
plugins: mysql[a], mysql[b]
aggregate: src_host
sql_table[b]: keyless
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_time_new: true
nfacctd_stats_file: $TMP/$1.stats
sql_host: unix:$DB_SOCKET
sql_user: root
sql_passwd:
sql_db: spool
sql_refresh_time: 1
sql_history: 1M
sql_history_roundoff: M
END
	printf '%s\n' "${@:2}" >>"$TMP/$1.conf"
}
config n "sql_recovery_logfile: $TMP/spool"
sums() { # WANT
	[ "$(sql 'select (select coalesce(sum(bytes), 0) from spool.acct), (select coalesce(sum(bytes), 0) from spool.keyless)' \
		2>/dev/null | tr '\t' ' ')" = "$1" ]
}
files() { # NUMBER
	[ "$(find "$TMP" -maxdepth 1 -name 'spool.*.spool' | wc -l)" -eq "$1" ]
}
die() { # NAME
	kill -9 "${PID[$1]}"
	wait "${PID[$1]}" 2>/dev/null
	unset "PID[$1]"
}
balanced() { # NAME
	[ "$(stat_sum "$TMP/$1.stats" 'unexplained')" = 0 ]
}

must start_daemon one "$port" "$NFACCTD" -f "$TMP/n.conf"
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 1000)"
check "a purge is written, and leaves no file" wait_for 20 sums "1000 1000"
check "no file" files 0
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 200)" "$(v5_record 192.0.2.2 192.0.2.9 1 2 1 30)"
check "with the database away both plugins' purges stand in files" wait_for 30 files 2
v5_send "$port" "$(v5_record 192.0.2.3 192.0.2.9 1 2 1 4)"
check "and so do the next ones" wait_for 30 files 4
spooled() {
	[ "$(stat_sum "$TMP/n.stats" 'plugin_octets_spooled')" = 468 ] && balanced n
}
check "the books know, and balance" wait_for 10 spooled
"$NFACCTD" -f "$TMP/n.conf" --spool >"$TMP/list"
check_equal "--spool lists them, whole" "4 468" "$(awk -F'\t' '$3 == "whole" { n++; o += $7 } END { print n, o }' "$TMP/list")"
dumped=$(for file in "$TMP"/spool.a.*; do "$NFACCTD" -f "$TMP/n.conf" --spool-dump "$file"; done | grep ',192' | cut -d, -f2- | sort)
check_equal "--spool-dump prints their rows" "192.0.2.1,1,200 192.0.2.2,1,30 192.0.2.3,1,4" "$(echo "$dumped" | tr '\n' ' ' | sed 's/ $//')"
mkdir "$TMP/kept"
cp "$TMP"/spool.*.spool "$TMP/kept"
die one
mariadb_start $durable
check "the daemon died, the database has not got it" sums "1000 1000"
must start_daemon two "$port" "$NFACCTD" -f "$TMP/n.conf"
check "the next start writes it" wait_for 20 sums "1234 1234"
check "and removes the files" wait_for 20 files 0
check "and says so" wait_for 20 grep -q '2 rows of an earlier run written, 0 refused' "$TMP/two.log"

# The database comes back under the same run.
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 6)"
check "away again" wait_for 30 files 2
mariadb_start $durable
check "back: written once" wait_for 60 sums "1240 1240"
check "the files go" wait_for 20 files 0
check "by this run" grep -q '1 rows of this run written, 0 refused' "$TMP/two.log"

# The end of the run while the database is away.
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 60)"
wait_udp_drained "$port"
stop_daemon two 30
check_equal "stops, and its status says that not all is in the database" 1 $?
check "what it had is in files" files 2
check "the books of its end balance" balanced n

# Old files once more, and one that is damaged.
cp "$TMP"/kept/spool.* "$TMP/"
for file in "$TMP"/kept/spool.a.*; do
	sed 's/\xc0\x00\x02\x03/\xc0\x00\x02\x07/' "$file" >"$TMP/spool.a.7.7.spool"
	cmp -s "$file" "$TMP/spool.a.7.7.spool" || break
done
mariadb_start $durable
must start_daemon three "$port" "$NFACCTD" -f "$TMP/n.conf"
check "the last purges come in, what is there already stays single" wait_for 20 sums "1300 1300"
check "and that is said" wait_for 10 grep -q 'is in the database already' "$TMP/three.log"
check "a damaged file is named" wait_for 10 grep -q 'spool.a.7.7.spool: checksum is wrong; it is left as it is' "$TMP/three.log"
check "and left" wait_for 20 files 1
check "stops at the end" stop_daemon three 20
rm "$TMP"/spool.*

# A second server, for what the first does not take; and no room in the spool.
config pair "sql_recovery_logfile[a]: $TMP/spool" "sql_recovery_backup_host[a]: unix:$TMP/db/s2" \
	"sql_recovery_logfile[b]: $TMP/spool" "sql_recovery_size[b]: 10"
as_root=()
[ "$(id -u)" -eq 0 ] && as_root=(--user=root)
mariadbd --no-defaults "${as_root[@]}" --datadir="$TMP/db/second" --socket="$TMP/db/s2" --pid-file="$TMP/db/pid2" \
	--tmpdir="$TMP/db/second" --skip-networking --skip-name-resolve --innodb-log-file-size=4M --innodb-buffer-pool-size=64M \
	--performance-schema=OFF >"$TMP/db/log2" 2>&1 &
PID[second]=$!
second() { # BYTES
	[ "$(mariadb --no-defaults -S "$TMP/db/s2" -uroot -N -B -e 'select coalesce(sum(bytes), 0) from spool.acct' 2>/dev/null)" = "$1" ]
}
wait_for 20 second 0
check "--check looks at both servers" "$NFACCTD" -f "$TMP/pair.conf" --check
must start_daemon pair "$port" "$NFACCTD" -f "$TMP/pair.conf"
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 3)"
check "with both there the first has it" wait_for 20 sums "1303 1303"
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 7)"
check "with the first server away the second has it" wait_for 30 second 7
check "and no file" files 0
check "a full spool: in memory, and said" wait_for 30 grep -q 'sql_recovery_size: 0 bytes wait in files; purge 2 waits in memory' "$TMP/pair.log"
mariadb_start $durable
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 50)"
check "back: the first has the rest, and nothing twice" wait_for 60 sums "1353 1360"
check "the second has what it had" second 7
elsewhere() {
	[ -f "$TMP/pair.stats" ] && [ "$(stat_sum "$TMP/pair.stats" 'plugin_octets_elsewhere')" = 7 ] && balanced pair
}
check "the books know" wait_for 10 elsewhere
check "stops with all written" stop_daemon pair 20

# The shell ignores INT for what it starts in the background; a second one ends it all the same.
config hung
must start_daemon hung "$port" "$NFACCTD" -f "$TMP/hung.conf"
wait_for 10 grep -q "started" "$TMP/hung.log"
kill -STOP "${PID[mariadb]}"
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 9)"
wait_udp_drained "$port"
told_to_end() {
	is_gone "${PID[hung]}" || ! kill -INT "${PID[hung]}"
}
check "a second INT does not wait for a server that hangs" wait_for 10 told_to_end
# Two plugins wait for it, five seconds each, before the line that says so.
config early "pidfile: $TMP/early.pid"
must start_daemon early "$port" "$NFACCTD" -f "$TMP/early.conf"
check "INT before the start does not wait for it either" stop_daemon early 9
check_equal "and there was none" 0 "$(grep -c started "$TMP/early.log")"
check "nor is a pid file left" test ! -e "$TMP/early.pid"
kill -CONT "${PID[mariadb]}"
mariadb_stop
e2e_end
