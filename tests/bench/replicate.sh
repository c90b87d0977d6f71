#!/usr/bin/env bash
# replicate.sh - one input to four receivers: replicator beside Debian's nfacctd
# tee and nfcapd -R.  The tee has one core; the source, which sends as fast as it
# can, and the four counters have another.  Datagrams that reached a counter a
# second, and the same for each second of CPU that the tee's processes used.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
: "${B:=$here/../../build}"
SECONDS_EACH=${SECONDS_EACH:-1} ROUNDS=${ROUNDS:-3}
COUNTER=count IN=23200 OUT=(23201 23202 23203 23204)

if ! [ -x "$B/bench-udp" ] || ! [ -x "$B/replicator" ]; then
	echo "replicate: $B/replicator or $B/bench-udp is not built"
	exit 1
fi
tee_core=() source_core=()
if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
	tee_core=(taskset -c 0) source_core=(taskset -c 1)
fi

is_bound() { # PORT
	grep -q "$(printf ':%04X ' "$1")" /proc/net/udp /proc/net/udp6 2>/dev/null
}

wait_bound() { # PORT PID
	for ((i = 0; i < 500; i++)); do
		is_bound "$1" && return 0
		kill -0 "$2" 2>/dev/null || return 1
		sleep .01
	done
	return 1
}

# PID and what it started, one generation after the other.
family() { # PID
	local children child
	echo "$1"
	read -ra children 2>/dev/null <"/proc/$1/task/$1/children"
	for child in "${children[@]}"; do
		family "$child"
	done
}

# Seconds of CPU that the threads of processes had so far; the scheduler counts nanoseconds.
cpu_seconds() { # PID...
	local p
	for p in "$@"; do
		cat "/proc/$p"/task/*/schedstat 2>/dev/null
	done | awk '{ t += $1 } END { printf "%.6f", t / 1e9 }'
}

start_ours() {
	"${tee_core[@]}" "$B/replicator" "$@" -p $IN "${OUT[@]/#/127.0.0.1/}" >"$bench_tmp/log" 2>&1 &
}

start_nfacctd() {
	local list
	list=$(printf '127.0.0.1:%s,' "${OUT[@]}")
	echo "id=1 ip=${list%,}" >"$bench_tmp/map"
	cat >"$bench_tmp/conf" <<-END
		daemonize: false
		nfacctd_ip: 127.0.0.1
		nfacctd_port: $IN
		nfacctd_pipe_size: 8388608
		plugins: tee[all]
		tee_receivers[all]: $bench_tmp/map
		plugin_pipe_size[all]: 67108864
	END
	"${tee_core[@]}" /usr/sbin/nfacctd -f "$bench_tmp/conf" >"$bench_tmp/log" 2>&1 &
}

start_nfcapd() {
	local repeaters=() port
	for port in "${OUT[@]}"; do
		repeaters+=(-R "127.0.0.1/$port")
	done
	mkdir -p "$bench_tmp/flows"
	"${tee_core[@]}" nfcapd -4 -B 8388608 -p $IN -l "$bench_tmp/flows" "${repeaters[@]}" >"$bench_tmp/log" 2>&1 &
}

stop_all() { # PID...
	kill -INT "$1" 2>/dev/null
	sleep .1
	kill -9 "$@" 2>/dev/null
	wait "$1" 2>/dev/null
	while is_bound $IN; do sleep .01; done
}

# Delivered datagrams a second and a CPU second, in $wall and $cpu.
measure() { # "SIZES [gso] [SOURCES]" STARTER [ARGUMENT...]
	local sizes=$1 pid counter before after processes
	shift
	"${source_core[@]}" "$B/bench-udp" "$COUNTER" 1 "${OUT[@]}" >"$bench_tmp/count" &
	counter=$!
	bench_pids+=("$counter")
	wait_bound "${OUT[3]}" "$counter"
	"$@"
	pid=$!
	bench_pids+=("$pid")
	if ! wait_bound $IN "$pid"; then
		kill "$counter"
		wait "$counter" 2>/dev/null
		return 1
	fi
	sleep .2
	mapfile -t processes < <(family "$pid")
	before=$(cpu_seconds "${processes[@]}")
	# shellcheck disable=SC2086 # two words
	"${source_core[@]}" "$B/bench-udp" send $IN "$SECONDS_EACH" $sizes >"$bench_tmp/sent"
	wait "$counter"
	# Once more: under load a plugin may have been born late.
	mapfile -t processes < <(family "$pid")
	after=$(cpu_seconds "${processes[@]}")
	stop_all "${processes[@]}"
	read -r wall cpu < <(awk -F'\t' -v c0="$before" -v c1="$after" '
		/^port/ { n += $2 }
		/^seconds/ { s = $2 }
		END { printf "%.0f %.0f\n", (s > 0 ? n / s : 0), (c1 > c0 ? n / (c1 - c0) : 0) }' "$bench_tmp/count")
}

# Medians in $wall and $cpu.
measure_median() { # SIZES STARTER [ARGUMENT...]
	local walls=() cpus=() r
	for ((r = 0; r < ROUNDS; r++)); do
		measure "$@" || return 1
		walls+=("$wall") cpus+=("$cpu")
	done
	wall=$(median "${walls[@]}") cpu=$(median "${cpus[@]}")
}

compare() { # WHAT SIZES PEER GOAL [OPTION...]
	local what=$1 sizes=$2 peer=$3 goal=$4 our_wall our_cpu
	shift 4
	if ! command -v "$peer" >/dev/null && ! [ -x "/usr/sbin/$peer" ]; then
		echo "$what: $peer is not installed"
		return
	fi
	measure_median "$sizes" start_ours "$@" || { echo "$what: replicator did not start: $(tail -1 "$bench_tmp/log")"; return; }
	our_wall=$wall our_cpu=$cpu
	measure_median "$sizes" "start_$peer" || { echo "$what: $peer did not start: $(tail -1 "$bench_tmp/log")"; return; }
	bench_line "$what, a second" "$our_wall" "$peer $wall" "$(ratio "$our_wall" "$wall")" "$goal"
	bench_line "$what, a CPU second" "$our_cpu" "$peer $cpu" "$(ratio "$our_cpu" "$cpu")" "$goal"
}

echo "replication to 4 receivers on loopback, datagrams out:"
compare "v5-sized, plain input" 1464 nfacctd 4
compare "v5-sized, plain input" 1464 nfcapd 4
compare "two workers, 8 exporters" "1464 8" nfacctd 4 --workers 2
compare "v5-sized, input as UDP GRO" "1464 gso" nfacctd 7
compare "the same, source kept" "1464 gso" nfacctd 7 -S
compare "every datagram another size, plain" 100-1464 nfcapd 1.3
# A collector that takes joined datagrams (ours does) spares the tee the cutting, if the tee sends runs.
COUNTER='join'
compare "plain input, collectors with UDP GRO" 1464 nfacctd 4
compare "input as GRO, collectors with UDP GRO" "1464 gso" nfacctd 7
