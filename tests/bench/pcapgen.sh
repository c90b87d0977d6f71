#!/usr/bin/env bash
# pcapgen.sh - datagrams per second against a bare UDP_SEGMENT loop on the same
# core, how exactly a schedule is kept, how many new records are made.  The two
# loops take turns, and a second is one of CPU: what else the machine does slows
# both, and hits now the one, now the other.
#
# The receiver is a socket that nobody reads: what is measured is sending.
set -u
here=$(cd "$(dirname "$0")" && pwd)
B=${B:-build}
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"

core=()
command -v taskset >/dev/null && core=(taskset -c 0)
port=29871
seconds=${SECONDS_EACH:-1} rounds=${ROUNDS:-7}

# nc, socat and bench-udp all read; bash can hold a UDP socket only as a client.  So: a receiver that is stopped.
"$B/bench-udp" count 600 $port >/dev/null &
receiver=$!
bench_pids+=("$receiver")
for _ in $(seq 50); do
	grep -q "$(printf ':%04X ' $port)" /proc/net/udp && break
	sleep 0.1
done
kill -STOP "$receiver"
trap 'kill -CONT "$receiver" 2>/dev/null; bench_cleanup' EXIT

scenario() { # PROTOCOL RATE CYCLE
	cat <<-YAML
		seed: 1
		duration: ${seconds}s
		rate: $2
		cycle: $3
		exporters:
		  - { address: 127.0.0.9, port: 0, protocol: $1, families: 4 }
		customers: [ { prefix: 10.0.0.0/20, as: 64500, interface: 3 } ]
		remotes: [ { prefix: 198.51.0.0/16, as: 65010, interface: 1, next_hop: 192.0.2.1 } ]
		applications: [ { proto: tcp, port: 443, weight: 3 }, { proto: udp, port: 53 } ]
	YAML
}

figure() { # NAME FILE -> value
	awk -F'\t' -v n="$1" '$1 == n { print $2 }' "$2"
}

craft() { # PROTOCOL RATE CYCLE -> $bench_tmp/craft, CPU seconds in $cpu
	scenario "$@" >"$bench_tmp/s.yaml"
	cpu_of cpu "${core[@]}" "$B/pcapgen" craft --scenario "$bench_tmp/s.yaml" --to 127.0.0.1:$port
	[ "$cpu_status" = 0 ] || echo "pcapgen.sh: exit status $cpu_status" >&2
	cp "$bench_tmp/out" "$bench_tmp/craft"
}

bare() {
	cpu_of cpu "${core[@]}" "$B/bench-udp" send $port "$seconds" 1464 gso
	cp "$bench_tmp/out" "$bench_tmp/bare"
}

a_second() { # NAME FILE [SECONDS]: of the clock when left out
	awk -F'\t' -v name="$1" -v s="${3:-}" '$1 == name { n = $2 } $1 == "seconds" && s == "" { s = $2 }
		END { printf "%.0f", n / s }' "$2"
}

bares=() ours=() ratios=() walls=()
for ((i = 0; i < rounds; i++)); do
	bare
	bares+=("$(a_second sent "$bench_tmp/bare" "$cpu")")
	craft netflow5 max 256
	ours+=("$(a_second datagrams "$bench_tmp/craft" "$cpu")") walls+=("$(a_second datagrams "$bench_tmp/craft")")
	ratios+=("$(ratio "${ours[-1]}" "${bares[-1]}")")
done
b=$(median "${bares[@]}") o=$(median "${walls[@]}")
bench_line "pcapgen: datagrams a CPU s, v5, bare UDP_SEGMENT loop" "$(median "${ours[@]}")" "$b" "$(median "${ratios[@]}")" 0.8
for p in netflow9 ipfix sflow5; do
	craft $p max 256
	got=$(a_second datagrams "$bench_tmp/craft" "$cpu")
	bench_line "pcapgen: datagrams a CPU s, $p" "$got" "$b" "$(ratio "$got" "$b")" "-"
done

for part in 100 10 2; do	# hundredths of the maximum; a schedule over one second and more
	craft netflow5 "$((o / part)) datagrams/s" 256
	got=$(figure rate_reached "$bench_tmp/craft") want=$(figure rate_asked "$bench_tmp/craft")
	bench_line "pcapgen: pacing at 1/$part of the maximum" "$got" "$want" \
		"$(awk -v a="$got" -v b="$want" 'BEGIN { printf "%.3f%%", (a > b ? a - b : b - a) * 100 / b }')" "0.1%"
done

for p in netflow5 netflow9 ipfix sflow5; do
	craft $p max 0
	bench_line "pcapgen: new records a CPU s, $p" \
		"$(a_second records "$bench_tmp/craft" "$cpu")" - - -
done

# ---- two workers over one, to a file: by the clock, in turns, where no disk is waited for ----------
files=$bench_tmp
[ -d /dev/shm ] && [ -w /dev/shm ] && files=$(mktemp -d /dev/shm/flowledger-bench.XXXXXX)
trap 'kill -CONT "$receiver" 2>/dev/null; rm -rf "$files"; bench_cleanup' EXIT

four() { # RATE CYCLE: two exporters of two protocols each
	cat <<-YAML
		seed: 1
		start: 2026-01-05T12:00:00Z
		duration: 1s
		rate: $1
		cycle: $2
		exporters:
		  - { address: 127.0.0.9, protocol: netflow5, families: 4, count: 2 }
		  - { address: 127.0.0.19, protocol: ipfix, families: 4, count: 2 }
		customers: [ { prefix: 10.0.0.0/20, as: 64500, interface: 3 } ]
		remotes: [ { prefix: 198.51.0.0/16, as: 65010, interface: 1, next_hop: 192.0.2.1 } ]
		applications: [ { proto: tcp, port: 443, weight: 3 }, { proto: udp, port: 53 } ]
	YAML
}

clock_of() { # COMMAND... -> seconds
	local TIMEFORMAT=%R
	{ time "$@" >/dev/null 2>&1; } 2>&1
}

write_file() { # WORKERS NAME
	"$B/pcapgen" craft --scenario "$bench_tmp/four.yaml" --write "$files/$2.pcap" --workers "$1"
}

both() {	# what two that know nothing of each other take: no two workers are better than that
	write_file 1 a &
	write_file 1 b
	wait $!
}

for what in "new records:3M records/s:0" "a cycle:400k datagrams/s:256"; do
	IFS=: read -r name rate cycle <<<"$what"
	four "$rate" "$cycle" >"$bench_tmp/four.yaml"
	ones=() twos=() pairs=() bares=()
	for ((i = 0; i < rounds; i++)); do
		ones+=("$(clock_of write_file 1 a)")
		twos+=("$(clock_of write_file 2 a)")
		pairs+=("$(clock_of both)")
		size=$(stat -c %s "$files/a.pcap")
		bares+=("$(clock_of dd if=/dev/zero of="$files/c" bs=1M count=$((size >> 20)))")
		rm -f "$files"/*
	done
	one=$(least "${ones[@]}") two=$(least "${twos[@]}") pair=$(least "${pairs[@]}")
	bench_line "pcapgen: $name to a file, s, 2 workers over 1" "$two" "$one" "$(ratio "$one" "$two")" 1.7
	bench_line "... two processes, each such a file" "$pair" "$one" \
		"$(awk -v a="$one" -v b="$pair" 'BEGIN { printf "%.2f", 2 * a / b }')" "-"
	bench_line "... the file's octets written, nothing else" "$(least "${bares[@]}")" "$one" - -
done
