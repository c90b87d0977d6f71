#!/usr/bin/env bash
# Rows per second into MariaDB with durable commits: from the end of the capture to
# the last row in the table, ours and Debian's nfacctd, on the same private server.
#
# "new": the table is empty; "existing": the same capture again, so every row adds to
# one that is there.  The reference runs as it comes (UPDATE, then INSERT, one
# round trip and one durable commit each) over fewer rows, and at its best tuning
# (sql_dont_try_update + sql_multi_values, which can do new keys only).
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/lib.sh
. "$here/../e2e/lib.sh"
peer=${PEER_NFACCTD:-/usr/sbin/nfacctd}
rows=${BENCH_ROWS:-100000}
peer_rows=${BENCH_PEER_ROWS:-2000}

e2e_begin bench_rows
mariadb_start --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=512M --innodb-log-file-size=128M

scenario() { # ROWS
	cat <<EOF
seed: 7
start: 2026-01-01T00:00:00Z
rate: 1000 records/s
duration: $(($1 / 1000))s
exporters:
  - address: 127.0.0.1
    port: 40001
    protocol: netflow5
customers:
  - prefix: 100.64.0.0/12
    hosts: 1000000
remotes:
  - prefix: 198.18.0.0/15
    hosts: 100000
EOF
}

config() { # EXTRA
	cat <<EOF
plugins: mysql
sql_db: bench
sql_host: unix:$DB_SOCKET
sql_user: root
sql_passwd:
sql_table: acct_v9
sql_table_version: 9
aggregate: src_host, dst_host, src_port, dst_port, proto
sql_refresh_time: 86400
sql_history: 1h
sql_history_roundoff: h
$1
EOF
}

count_rows() {
	sql "select count(*) from bench.acct_v9" 2>/dev/null
}

settled() { # COUNT: that many rows, and the program is gone
	[ "$(count_rows)" -ge "$1" ] && is_gone "$run_pid"
}

# Seconds that the writing took: the whole run less a run of the same file into nothing.
run_seconds() { # PROGRAM CONFIG CAPTURE
	local from to
	from=$(date +%s%N)
	setsid "$1" -f "$2" -I "$3" >"$TMP/log" 2>&1 &
	run_pid=$!
	PID[peer-run]=$run_pid
	wait "$run_pid" 2>/dev/null
	# The reference's writers are processes of their own; they hold its group.
	wait_for 300 peer_group_gone "$run_pid"
	to=$(date +%s%N)
	unset 'PID[peer-run]'
	seconds=$(awk -v a="$from" -v b="$to" 'BEGIN { printf "%.4f", (b - a) / 1e9 }')
}

measure() { # PROGRAM CONFIG CAPTURE ROWS -> $rate
	local with without
	sed -e 's/^plugins: mysql/plugins: print/' -e '/^sql_/d' "$2" >"$TMP/null.conf"
	printf 'print_output_file: /dev/null\nprint_refresh_time: 86400\n' >>"$TMP/null.conf"
	run_seconds "$1" "$TMP/null.conf" "$3"
	without=$seconds
	run_seconds "$1" "$2" "$3"
	with=$seconds
	rate=$(awk -v n="$4" -v w="$with" -v o="$without" 'BEGIN { d = w - o; if (d < 0.001) d = 0.001; printf "%.0f", n / d }')
}

fresh_table() {
	sql "drop database if exists bench; create database bench"
	sql_file bench "$here/../../sql/pmacct-create-table_v9.mysql"
}

for n in "$rows" "$peer_rows"; do
	scenario "$n" >"$TMP/s.yaml"
	must "$B/pcapgen" craft --scenario "$TMP/s.yaml" --write "$TMP/$n.pcap" >/dev/null
done
config "" >"$TMP/ours.conf"
echo "nfacctd: rows per second into MariaDB, durable commits, 5-column text key (ours $rows rows, peer's default $peer_rows)"
fresh_table
measure "$B/nfacctd" "$TMP/ours.conf" "$TMP/$rows.pcap" "$rows"
ours_new=$rate
got=$(count_rows)
measure "$B/nfacctd" "$TMP/ours.conf" "$TMP/$rows.pcap" "$rows"
ours_old=$rate
[ "$got" = "$(count_rows)" ] || echo "warning: the second run made new rows"
if [ ! -x "$peer" ]; then
	bench_line "new keys" "$ours_new rows/s" "no Debian nfacctd" - 100x
	exit 0
fi
config "pcap_savefile: $TMP/$peer_rows.pcap" >"$TMP/peer.conf"
fresh_table
measure "$peer" "$TMP/peer.conf" "$TMP/$peer_rows.pcap" "$peer_rows"
bench_line "new keys, peer's default" "$ours_new rows/s" "$rate rows/s" "$(ratio "$ours_new" "$rate")x" 100x
measure "$peer" "$TMP/peer.conf" "$TMP/$peer_rows.pcap" "$peer_rows"
bench_line "existing keys, peer's default" "$ours_old rows/s" "$rate rows/s" "$(ratio "$ours_old" "$rate")x" 100x
config "pcap_savefile: $TMP/$rows.pcap
plugin_pipe_size: 500000000
plugin_buffer_size: 1000000
sql_cache_entries: 262147
sql_dont_try_update: true
sql_multi_values: 4000000" >"$TMP/peer.conf"
fresh_table
measure "$peer" "$TMP/peer.conf" "$TMP/$rows.pcap" "$rows"
stored=$(count_rows)
bench_line "new keys, peer's best (INSERT only, batches)" "$ours_new rows/s" "$rate rows/s" \
	"$(ratio "$ours_new" "$rate")x" "2x; the peer stored $stored of $got rows"
