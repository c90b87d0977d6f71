#!/usr/bin/env bash
# CPU per flow record of a collector that is sent records: nfacctd (to sums by
# host, in memory) and Debian's nfcapd (to its file).  nfcapd 1.7.1 of Debian
# reads no capture file, so both get the same datagrams live, one after the
# other, slowly enough that none is lost; receiving is in both figures.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
records=${BENCH_LIVE_RECORDS:-400000}
port=${BENCH_PORT:-29977}

scenario() { # PROTOCOL
	cat <<EOF
seed: 42
start: 2026-01-01T00:00:00Z
rate: 200000 records/s
duration: $((records / 200))ms
exporters:
  - address: 127.0.0.1
    port: 40001
    protocol: $1
    domain: 1
customers:
  - prefix: 100.64.0.0/16
    hosts: 20000
remotes:
  - prefix: 198.18.0.0/15
    hosts: 5000
EOF
}

ticks() { # PID -> CPU ticks so far
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

bound() {
	awk -v port="$(printf ':%04X' "$port")" 'substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
		/proc/net/udp /proc/net/udp6
}

# Bytes that wait in the socket and datagrams that it lost.
queue() {
	awk -v port="$(printf ':%04X' "$port")" 'substr($2, length($2) - 4) == port { split($5, q, ":"); print q[2], $NF }' \
		/proc/net/udp /proc/net/udp6
}

once() { # PROGRAM... -> $cost, ns a record; $note
	local pid before sent lost
	"$@" >"$bench_tmp/log" 2>&1 &
	pid=$!
	bench_pids=("$pid")
	for _ in $(seq 100); do
		bound && break
		sleep 0.05
	done
	before=$(ticks $pid)
	"$B/pcapgen" craft --scenario "$bench_tmp/scenario.yaml" --to "127.0.0.1:$port" --late 60000 \
		>"$bench_tmp/craft" 2>"$bench_tmp/err"
	sent=$(awk -F'\t' '$1 == "records" { print $2 }' "$bench_tmp/craft")
	for _ in $(seq 200); do
		case $(queue) in 00000000*) break ;; esac
		sleep 0.05
	done
	lost=$(queue | awk '{ n += $2 } END { print n + 0 }')
	sleep 0.3	# the last batch
	cost=$(awk -v n="$sent" -v t="$(($(ticks $pid) - before))" -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "%.0f", t * 1e9 / hz / n }')
	[ "$lost" = 0 ] || note=" ($lost datagrams lost)"
	kill -INT $pid
	wait $pid 2>/dev/null
	bench_pids=()
}

live() { # PROGRAM... -> $cost, the median of three
	local costs=()
	note=
	for _ in 1 2 3; do
		once "$@"
		costs+=("$cost")
	done
	cost=$(median "${costs[@]}")
}

echo "collectors: CPU per flow record sent live, receiving included, $records records of v5, v9, IPFIX each"
if ! command -v nfcapd >/dev/null; then
	echo "no Debian nfcapd"
	exit 1
fi
cat >"$bench_tmp/ours.conf" <<EOF
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_pipe_size: 8388608
plugins: print
print_output: csv
print_output_file: $bench_tmp/sums.csv
print_refresh_time: 86400
aggregate: sum_host
EOF
mkdir "$bench_tmp/nfcapd"
for protocol in netflow5 netflow9 ipfix; do
	scenario $protocol >"$bench_tmp/scenario.yaml"
	live "$B/nfacctd" -f "$bench_tmp/ours.conf"
	ours=$cost ours_note=$note
	live nfcapd -b 127.0.0.1 -p "$port" -w "$bench_tmp/nfcapd" -t 86400 -B 8388608
	bench_line "$protocol" "$ours ns$ours_note" "$cost ns$note" "$(ratio "$cost" "$ours")x" none
done
