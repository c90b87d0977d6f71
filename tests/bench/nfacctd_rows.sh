#!/usr/bin/env bash
# Rows per second into MariaDB with durable commits, ours and Debian's nfacctd, on the
# same private server (innodb_flush_log_at_trx_commit=1) and the same stock table.
#
# What is timed is the writing alone, from the start of the purge to its last commit:
# ours by plugin_write_ms (sorting, connecting and the wait for COMMIT are in it), the
# reference's by the moments at which its lines "Purging cache - START" and "- END"
# arrive.  It aggregates before the first of them as we do, and its rows are counted by
# the QN of the second.  Of several runs in turns the fastest counts, for both.
#
# "new": the table is empty; "existing": the same capture again, so every row adds to
# one that is there.  The reference runs as it comes over fewer rows: UPDATE, then
# INSERT where that found nothing, each a round trip, and one durable commit a row; so
# its "existing" is half the statements of its "new", and the ratio depends on how long
# the disk takes for a commit.  At its best tuning (sql_dont_try_update +
# sql_multi_values) it can do new keys only.
#
# Beside them a loop that writes the same rows into the same table and does nothing
# else (bench_rows.c): what the server takes over as many connections.
#
# Ours has a flow_ledger beside the table, as sql/README advises: a purge then goes over
# sql_connections connections in a part each.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/lib.sh
. "$here/../e2e/lib.sh"
peer=${PEER_NFACCTD:-/usr/sbin/nfacctd}
rows=${BENCH_ROWS:-100000}
peer_rows=${BENCH_PEER_ROWS:-2000}
runs=${BENCH_RUNS:-3}

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

# Both leave "ROWS SECONDS" of the run in $TMP/took.
ours_took() { # CONFIG CAPTURE
	"$NFACCTD" -f "$1" -I "$2" >"$TMP/log" 2>&1
	awk -F'\t' '$1 ~ /^plugin_write_ms/ { ms += $2 } $1 ~ /^plugin_rows_(inserted|updated)/ { n += $2 }
		END { print n, ms / 1000 }' "$TMP/stats" >"$TMP/took"
}

peer_took() { # CONFIG CAPTURE
	setsid "$peer" -f "$1" -I "$2" 2> >(while IFS= read -r line; do
		printf '%s %s\n' "$(date +%s%N)" "$line"
	done >"$TMP/log"; touch "$TMP/log.end") >/dev/null &
	PID[peer-run]=$!
	wait "${PID[peer-run]}" 2>/dev/null
	# Its writers are processes of their own; they hold its group, and the log.
	wait_for 300 peer_group_gone "${PID[peer-run]}"
	unset 'PID[peer-run]'
	wait_for 10 test -e "$TMP/log.end"
	rm -f "$TMP/log.end"
	awk '/Purging cache - START/ { if (!from) from = $1 }
		/Purging cache - END/ { to = $1; sub(/.*QN: /, ""); n += $0 }
		END { print n, (to - from) / 1e9 }' "$TMP/log" >"$TMP/took"
}

# The rows that stand in the table, written again by the bare loop.
bare_new=0 bare_old=0
bare() {
	local new old
	read -r new old < <("$BUILD/bench-rows" "unix:$DB_SOCKET" bench acct_v9)
	[ "${new:-0}" -gt "$bare_new" ] && bare_new=$new
	[ "${old:-0}" -gt "$bare_old" ] && bare_old=$old
}

rate=0
best() { # RATE-SO-FAR: the faster of it and the run that was
	rate=$(awk -v so_far="$1" '{ r = $2 > 0 ? $1 / $2 : 0; printf "%.0f", (r > so_far ? r : so_far) }' "$TMP/took")
}

fresh_table() {
	sql "drop database if exists bench; create database bench"
	sql_file bench "$here/../../sql/pmacct-create-table_v9.mysql"
	sql_file bench "$here/../../sql/flow_ledger.mysql"
}

for n in "$rows" "$peer_rows"; do
	scenario "$n" >"$TMP/s.yaml"
	must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --write "$TMP/$n.pcap" >/dev/null
done
config "nfacctd_stats_file: $TMP/stats" >"$TMP/ours.conf"
config "pcap_savefile: $TMP/$peer_rows.pcap" >"$TMP/peer.conf"
config "pcap_savefile: $TMP/$rows.pcap
plugin_pipe_size: 500000000
plugin_buffer_size: 1000000
sql_cache_entries: 262147
sql_dont_try_update: true
sql_multi_values: 4000000" >"$TMP/peer_best.conf"
echo "nfacctd: rows per second into MariaDB, durable commits, 5-column text key (ours $rows rows, peer's default $peer_rows)"
ours_new=0 ours_old=0 peer_new=0 peer_old=0 peer_best=0 stored=
for _ in $(seq "$runs"); do
	fresh_table
	ours_took "$TMP/ours.conf" "$TMP/$rows.pcap"
	best "$ours_new"
	ours_new=$rate
	got=$(count_rows)
	ours_took "$TMP/ours.conf" "$TMP/$rows.pcap"
	best "$ours_old"
	ours_old=$rate
	[ "$got" = "$(count_rows)" ] || echo "warning: the second run made new rows"
	bare
	[ -x "$peer" ] || continue
	fresh_table
	peer_took "$TMP/peer.conf" "$TMP/$peer_rows.pcap"
	best "$peer_new"
	peer_new=$rate
	peer_took "$TMP/peer.conf" "$TMP/$peer_rows.pcap"
	best "$peer_old"
	peer_old=$rate
	fresh_table
	peer_took "$TMP/peer_best.conf" "$TMP/$rows.pcap"
	best "$peer_best"
	peer_best=$rate
	stored=$(count_rows)
done
bench_line "new keys, beside a bare loop" "$ours_new rows/s" "$bare_new rows/s" "$(ratio "$ours_new" "$bare_new")x" -
bench_line "existing keys, beside a bare loop" "$ours_old rows/s" "$bare_old rows/s" "$(ratio "$ours_old" "$bare_old")x" -
if [ ! -x "$peer" ]; then
	bench_line "new keys" "$ours_new rows/s" "no Debian nfacctd" - 100x
	bench_line "existing keys" "$ours_old rows/s" "no Debian nfacctd" - 100x
	exit 0
fi
bench_line "new keys, peer's default" "$ours_new rows/s" "$peer_new rows/s" "$(ratio "$ours_new" "$peer_new")x" 100x
bench_line "existing keys, peer's default" "$ours_old rows/s" "$peer_old rows/s" "$(ratio "$ours_old" "$peer_old")x" 100x
bench_line "new keys, peer's best (INSERT only, batches)" "$ours_new rows/s" "$peer_best rows/s" \
	"$(ratio "$ours_new" "$peer_best")x" "2x; the peer stored $stored of $got rows"
