#!/usr/bin/env bash
# endurance.sh [HOURS [EXPORTERS [WORKERS]]] - days in minutes: many exporters of all protocols, by
# the capture's clock.  Memory at the end of the long run is that of one a quarter as
# long (it settles within the first hours), every purge is made, every counter adds up.
# CI runs 16 hours of 100 exporters; `endurance.sh 24 1000` is a day of a large network.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

hours=${1:-16} exporters=${2:-100} workers=${3:-2}
e2e_begin endurance
export TZ=UTC

scenario() { # SECONDS
	cat <<EOC
seed: 11
start: 2026-01-01T00:00:00Z
rate: $((exporters / 2)) records/s
duration: ${1}s
customers:
  - prefix: 100.64.0.0/16
    hosts: 2000
remotes:
  - prefix: 198.18.0.0/15
    hosts: 500
exporters:
EOC
	local i protocols=(netflow5 netflow9 ipfix sflow5)
	for ((i = 0; i < exporters; i++)); do
		printf '  - address: 10.%d.%d.1\n    port: 40001\n    protocol: %s\n    domain: %d\n' \
			$((i / 256)) $((i % 256)) "${protocols[i % 4]}" $((i % 7))
	done
}

said_the_end() {
	grep -q 'read to its end' "$TMP/$1.log" || is_gone "${PID[$1]}"
}

# The rows leave as they come; what stays is what may not grow.
run() { # NAME SECONDS -> $peak (kB)
	scenario "$2" >"$TMP/$1.yaml"
	mkfifo "$TMP/$1.pcap"
	cat >"$TMP/$1.conf" <<EOC
pcap_savefile: $TMP/$1.pcap
pcap_sf_wait: true
nfacctd_stats_file: $TMP/$1.stats
nfacctd_silence: 600
nfacctd_workers: $workers
plugins: print[hosts], print[pairs]
print_output: csv
print_history: 5m
print_history_roundoff: mh
print_refresh_time: 300
aggregate[hosts]: sum_host
aggregate[pairs]: src_host, dst_host, proto, src_port, dst_port
EOC
	"$PCAPGEN" craft --scenario "$TMP/$1.yaml" --write "$TMP/$1.pcap" >"$TMP/$1.sent" 2>"$TMP/$1.said" &
	PID[craft]=$!
	"$NFACCTD" -f "$TMP/$1.conf" >/dev/null 2>"$TMP/$1.log" &
	PID[$1]=$!
	check "$1: reads to the end" wait_for 600 said_the_end "$1"
	wait "${PID[craft]}"
	unset "PID[craft]"
	peak=$(awk '/^VmHWM/ { print $2 }' "/proc/${PID[$1]}/status")
	check "$1: stops" stop_daemon "$1"
}

adds_up() { # NAME SECONDS
	local stats=$TMP/$1.stats
	check_equal "$1: every record" "$(stat_value "$TMP/$1.sent" records)" "$(stat_value "$stats" records_decoded)"
	check_equal "$1: every octet" "$(stat_value "$TMP/$1.sent" octets)" "$(stat_value "$stats" octets_exported)"
	check_equal "$1: every octet twice is in the rows of sum_host" "$((2 * $(stat_value "$TMP/$1.sent" octets)))" \
		"$(stat_value "$stats" 'plugin_octets_written{plugin="hosts"}')"
	check_equal "$1: nothing is unexplained" 0 "$(stat_sum "$stats" unexplained)"
	check_equal "$1: nothing is lost, late, shed or waiting" 0 \
		"$(stat_sum "$stats" '^sequence_(lost|late|gaps|restarts)$|_shed|_pending|_lost|waiting')"
	check_equal "$1: every exporter is known" "$exporters" "$(stat_value "$stats" streams)"
	check_equal "$1: a purge each five minutes" "$(($2 / 300))" \
		"$(stat_value "$stats" 'plugin_purges{plugin="pairs"}')"
}

long=$((hours * 3600)) short=$((hours * 900))
run short "$short"
adds_up short "$short"
peak_short=$peak
run long "$long"
adds_up long "$long"
echo "peak memory: $peak_short kB after $short s, $peak kB after $long s of $exporters exporters"
# Measured: 14 MB of 100 exporters, 52 MB of 1000; a purge holds each row three times.
check "memory is as small as the manual says" test "$peak" -le $(((16 + exporters / 12) << 10))
check "memory does not grow" test "$peak" -le $((peak_short + peak_short / 20 + 1024))
e2e_end
