#!/usr/bin/env bash
# The collector as a daemon: it stops when told, also while nothing comes; it tells
# Prometheus about each exporter; several workers keep each exporter's order.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$here/netflow5.sh"

e2e_begin nfacctd_life
export TZ=UTC
port=$(free_udp_port)
web=$(free_udp_port) # for TCP: nobody else takes its number meanwhile

# ---- INT while idle and daemonized (case 39) -------------------------------------

cat >"$TMP/idle.conf" <<EOC
daemonize: true
pidfile: $TMP/idle.pid
logfile: $TMP/logs/idle.log
$([ "$(id -u)" = 0 ] && printf 'files_uid: nobody\nfiles_gid: 12345')
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_metrics: 127.0.0.1:$web
plugins: print
print_output: csv
print_output_file: $TMP/idle.csv
print_refresh_time: 3600
aggregate: src_host
EOC
must "$NFACCTD" -f "$TMP/idle.conf"
check "daemonized: the pid file is there when the command returns" test -s "$TMP/idle.pid"
pid=$(cat "$TMP/idle.pid")
PID[idle]=$pid
if [ "$(id -u)" = 0 ]; then
	check_equal "files_uid, files_gid: whose the files are, and the folder made for one" "nobody:12345 nobody:12345 nobody:12345" \
		"$(stat -c %U:%g "$TMP/idle.pid" "$TMP/logs/idle.log" "$TMP/logs" | paste -sd' ')"
fi
v5_send "$port" "$(v5_record 10.1.1.1 10.2.2.2 1 2 10 1000)"
V5_SEQUENCE=4 # three records are lost
v5_send "$port" "$(v5_record 10.1.1.1 10.2.2.2 1 2 1 5)"
wait_udp_drained "$port"

scrape() {
	exec 3<>"/dev/tcp/127.0.0.1/$web" || return 1
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
	cat <&3
	exec 3>&-
}

told() { # LINE
	scrape >"$TMP/metrics" && grep -qxF "$1" "$TMP/metrics"
}

labels='{exporter="127.0.0.1",protocol="netflow5",domain="0"}'
check "metrics: an exporter's datagrams" wait_for 10 told "nfacctd_exporter_datagrams_total$labels 2"
check "metrics: what is lost on the way" told "nfacctd_exporter_lost$labels 3"
check "metrics: nothing is unexplained" told 'nfacctd_unexplained_records_total 0'
kill -USR1 "$pid"
check "USR1: the line of the reference" wait_for 5 grep -q \
	"stats \[127.0.0.1:$port\] agent=127.0.0.1:0 time=[0-9]* packets=2 bytes=144 seq_good=1 seq_jmp_fwd=1" "$TMP/logs/idle.log"
started=$(date +%s%N)
kill -INT "$pid"
check "39: INT while idle ends it" wait_gone "$pid" 5
took=$((($(date +%s%N) - started) / 1000000))
check "39: everything is written" grep -q '^10.1.1.1,11,1005$' "$TMP/idle.csv"
check "39: the pid file is gone" test ! -e "$TMP/idle.pid"
unset "PID[idle]"
# A machine that is busy with other things gets two more tries.
for _ in 1 2; do
	[ "$took" -gt 1000 ] || break
	must "$NFACCTD" -f "$TMP/idle.conf"
	pid=$(cat "$TMP/idle.pid")
	PID[idle]=$pid
	started=$(date +%s%N)
	kill -INT "$pid"
	wait_gone "$pid" 5
	took=$((($(date +%s%N) - started) / 1000000))
	unset "PID[idle]"
done
check "39: within a second ($took ms)" test "$took" -le 1000

# ---- four workers, eight exporters -------------------------------------------------

cat >"$TMP/scenario.yaml" <<EOC
seed: 7
start: 2026-01-01T00:00:00Z
rate: 20000 records/s
duration: 2s
exporters:
$(for i in 2 3 4 5 6 7 8 9; do
	printf '  - address: 127.0.0.%d\n    port: 4000%d\n    protocol: %s\n    domain: 1\n' "$i" "$i" \
		"$([ $((i % 2)) = 0 ] && echo netflow5 || echo ipfix)"
done)
customers:
  - prefix: 100.64.0.0/16
    hosts: 200
remotes:
  - prefix: 198.18.0.0/15
    hosts: 50
EOC
cat >"$TMP/workers.conf" <<EOC
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_workers: 4
nfacctd_stats_file: $TMP/workers.stats
plugins: print
print_output: csv
print_output_file: $TMP/workers.csv
print_refresh_time: 1
print_output_file_append: true
aggregate: src_host
EOC
start_daemon workers "$port" "$NFACCTD" -f "$TMP/workers.conf"
must "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$port" --truth "$TMP/truth.tsv" >"$TMP/said" 2>&1
wait_udp_drained "$port"
check "workers: stop" stop_daemon workers
sent=$(awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next } { n++; o += $col["octets"] } END { print n, o }' \
	"$TMP/truth.tsv")
got="$(stat_value "$TMP/workers.stats" records_decoded) $(stat_value "$TMP/workers.stats" octets_exported)"
check_equal "workers: every record arrived" "$sent" "$got"
check_equal "workers: the rows add up" "${sent#* }" "$(awk -F, '$1 != "SRC_IP" { o += $NF } END { print o }' "$TMP/workers.csv")"
for counter in sequence_lost sequence_late sequence_gaps sequence_restarts unexplained_records unexplained_datagrams; do
	check_equal "workers: $counter" 0 "$(stat_value "$TMP/workers.stats" $counter)"
done
check_equal "workers: each exporter is known to one of them" 8 "$(stat_value "$TMP/workers.stats" streams)"

# ---- INT while a capture's pipe is waited for ---------------------------------------

must "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --write "$TMP/pipe.pcap" --truth "$TMP/pipe.tsv" >"$TMP/said" 2>&1
must mkfifo "$TMP/fifo"
for workers in 1 3; do
	sed "s/workers/pipe/; s/^nfacctd_pipe: .*/nfacctd_workers: $workers/" "$TMP/workers.conf" >"$TMP/pipe.conf"
	rm -f "$TMP/pipe.csv"
	"$NFACCTD" -f "$TMP/pipe.conf" -I - <"$TMP/fifo" 2>"$TMP/pipe.log" &
	PID[pipe]=$!
	exec {pipe}>"$TMP/fifo"
	cat "$TMP/pipe.pcap" >&"$pipe"
	kill -INT "${PID[pipe]}"
	exec {pipe}>&-
	check "pipe, $workers workers: it stops" wait_gone "${PID[pipe]}" 10
	check "pipe, $workers workers: and says so" grep -q stopped "$TMP/pipe.log"
	read=$(stat_value "$TMP/pipe.stats" capture_datagrams)
	check "pipe, $workers workers: something was read" test "$read" -gt 0
	check_equal "pipe, $workers workers: all that was is in the books" "$read" "$(stat_value "$TMP/pipe.stats" datagrams_received)"
	check_equal "pipe, $workers workers: and in the rows" "$(stat_value "$TMP/pipe.stats" octets_exported)" \
		"$(awk -F, '$1 != "SRC_IP" { o += $NF } END { printf "%.0f", o }' "$TMP/pipe.csv")"
done
e2e_end
