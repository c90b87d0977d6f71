#!/usr/bin/env bash
# replicate.sh - one input to four receivers: replicator beside Debian's nfacctd
# tee and nfcapd -R, in turns.  The tee has one core; the source, which sends as
# fast as it can, and the receivers have another.  Datagrams out for each second
# of CPU that the tee's processes used, and a second of the clock; where the
# first is the larger, the tee had nothing to do for part of the time.
#
# Where to decides what is measured, since the kernel delivers a datagram to a
# socket of this host in the sender's time.  The ways:
#	card	an interface whose driver takes a run of datagrams whole and
#		cuts it itself, as cards with UDP segmentation do
#	cable	the same, the kernel cuts the run: any other card
#	ours	sockets on this host with UDP_GRO, as our nfacctd has
#	host	sockets on this host without, as other collectors have
set -u
here=$(cd "$(dirname "$0")" && pwd)
# A network namespace of our own: the interface, and nobody else's datagrams.
if [ "${1:-}" != --inside ]; then
	if unshare -n true 2>/dev/null; then
		exec unshare -n "$0" --inside
	elif unshare -rn true 2>/dev/null; then
		exec unshare -rn "$0" --inside
	fi
fi
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
: "${B:=$here/../../build}"
SECONDS_EACH=${SECONDS_EACH:-1} ROUNDS=${ROUNDS:-3}
IN=23200 OUT=(23201 23202 23203 23204) NET=192.0.2
HEADERS=42	# octets of Ethernet, IPv4 and UDP that the interface counts with a packet
# Which lines are wanted: all, or those that have this in them.
ONLY=${ONLY:-}

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

# An interface that takes what it is given and frees it.
have_card=
open_card() {
	[ "${1:-}" = --inside ] || return 1
	ip link set lo up || return 1
	ip link add out0 type dummy 2>/dev/null || ip link add out0 type ifb 2>/dev/null || return 1
	ip addr add $NET.1/24 dev out0 && ip link set out0 up && have_card=1
}

# Packets and octets that left so far.
card_counters() {
	ip -s link show out0 | awk '/[RT]X:/ { getline; o += $1; p += $2 } END { printf "%.0f %.0f\n", p, o }'
}

set_way() { # WAY
	way=$1 input=127.0.0.1 receivers=("${OUT[@]/#/127.0.0.1/}")
	[ "$way" = card ] || [ "$way" = cable ] || return 0
	input=$NET.1 receivers=("${OUT[@]/#/$NET.9/}")
	ip link set out0 gso_max_segs "$([ "$way" = card ] && echo 65535 || echo 1)" 2>/dev/null
}

start_ours() {
	"${tee_core[@]}" "$B/replicator" --stats "$bench_tmp/stats" "${options[@]}" -p $IN "${receivers[@]}" >"$bench_tmp/log" 2>&1 &
}

start_bare() {
	"${tee_core[@]}" "$B/bench-udp" bare "0.0.0.0:$IN" "${receivers[@]/\//:}" >"$bench_tmp/log" 2>&1 &
}

start_nfacctd() {
	local list
	list=$(printf '%s,' "${receivers[@]/\//:}")
	echo "id=1 ip=${list%,}" >"$bench_tmp/map"
	cat >"$bench_tmp/conf" <<-END
		daemonize: false
		nfacctd_ip: $input
		nfacctd_port: $IN
		nfacctd_pipe_size: 8388608
		plugins: tee[all]
		tee_receivers[all]: $bench_tmp/map
		plugin_pipe_size[all]: 67108864
	END
	"${tee_core[@]}" /usr/sbin/nfacctd -f "$bench_tmp/conf" >"$bench_tmp/log" 2>&1 &
}

start_nfcapd() {
	local repeaters=() r
	for r in "${receivers[@]}"; do
		repeaters+=(-R "$r")
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

start_counters() {
	counter=
	[ "$way" = host ] || [ "$way" = ours ] || return 0
	"${source_core[@]}" "$B/bench-udp" "$([ "$way" = ours ] && echo join || echo count)" 1 "${OUT[@]}" >"$bench_tmp/count" &
	counter=$!
	bench_pids+=("$counter")
	wait_bound "${OUT[3]}" "$counter"
}

# Datagrams out and the seconds it took, on one line.
read_counters() { # PACKETS-BEFORE OCTETS-BEFORE
	if [ "$counter" ]; then
		wait "$counter"
		awk -F'\t' '/^port/ { n += $2 } /^seconds/ { s = $2 } END { print n, s }' "$bench_tmp/count"
		return
	fi
	sleep .2
	# Of datagrams of many sizes the mean is known.
	awk -v was="$1 $2" -v now="$(card_counters)" -v sizes="${load%% *}" -v headers=$HEADERS '
		/^seconds/ { s = $2 }
		END {
			split(was, a); split(now, b); k = split(sizes, size, "-")
			print (b[2] - a[2] - headers * (b[1] - a[1])) / ((size[1] + size[k]) / 2), s
		}' "$bench_tmp/sent"
}

# Datagrams out a second and a CPU second, in $wall and $cpu.
measure() { # STARTER
	local pid counter before after processes was=(0 0)
	start_counters
	"$1"
	pid=$!
	bench_pids+=("$pid")
	if ! wait_bound $IN "$pid"; then
		[ -z "$counter" ] || { kill "$counter"; wait "$counter" 2>/dev/null; }
		return 1
	fi
	sleep .2
	[ "$counter" ] || read -ra was < <(card_counters)
	mapfile -t processes < <(family "$pid")
	before=$(cpu_seconds "${processes[@]}")
	# The receivers go before the source: it is for the tee to lose something.
	# shellcheck disable=SC2086 # words
	nice -n 10 "${source_core[@]}" "$B/bench-udp" send "$input:$IN" "$SECONDS_EACH" $load >"$bench_tmp/sent"
	read_counters "${was[@]}" >"$bench_tmp/got"
	# Once more: under load a plugin may have been born late.
	mapfile -t processes < <(family "$pid")
	after=$(cpu_seconds "${processes[@]}")
	stop_all "${processes[@]}"
	read -r wall cpu < <(awk -v c0="$before" -v c1="$after" '{
		printf "%.0f %.0f\n", ($2 > 0 ? $1 / $2 : 0), (c1 > c0 ? $1 / (c1 - c0) : 0) }' "$bench_tmp/got")
}

# Datagrams of a run that ours gave to the kernel.
runs() {
	awk '/^receiver_sent\{/ { n += $2 } /^receiver_runs\{/ { r += $2 } END { if (r) printf "%.1f", n / r; else printf "-" }' "$bench_tmp/stats"
}

# Ours and each peer in turns: a noisy machine is noisy for all.
compare() { # WHAT WAY "SIZES [gso] [SOURCES]" "PEER GOAL..." [OPTION...]
	local what=$1 load=$3 r who i options=("${@:5}") way input receivers
	local peers names=(ours)
	[[ "$2 $1" == *"$ONLY"* ]] || return
	if { [ "$2" = card ] || [ "$2" = cable ]; } && [ -z "$have_card" ]; then
		echo "$what, $2: no interface to send to could be made here"
		return
	fi
	declare -A walls=() cpus=() goal=()
	read -ra peers <<<"$4"
	for ((i = 0; i < ${#peers[@]}; i += 2)); do
		who=${peers[i]} goal[$who]=${peers[i + 1]}
		if [ "$who" = bare ] || command -v "$who" >/dev/null || [ -x "/usr/sbin/$who" ]; then
			names+=("$who")
		else
			echo "$what: $who is not installed"
		fi
	done
	set_way "$2"
	for ((r = 0; r < ROUNDS; r++)); do
		for who in "${names[@]}"; do
			measure "start_$who" || { echo "$what: $who did not start: $(tail -1 "$bench_tmp/log")"; return; }
			walls[$who]+=" $wall" cpus[$who]+=" $cpu"
		done
	done
	for who in "${names[@]}"; do
		# shellcheck disable=SC2086 # words
		wall=$(median ${walls[$who]}) cpu=$(median ${cpus[$who]})
		if [ "$who" = ours ]; then
			our_wall=$wall our_cpu=$cpu
			continue
		fi
		printf '%-6s %-34s %9s %9s %-8s %5s x  %9s %9s %5s x  (goal %s; runs of %s)\n' "$way" "$what" "$our_cpu" "$cpu" "$who" \
			"$(ratio "$our_cpu" "$cpu")" "$our_wall" "$wall" "$(ratio "$our_wall" "$wall")" "${goal[$who]}" "$(runs)"
	done
}

open_card "$@"
echo "replication to 4 receivers, datagrams out a CPU second, then a second; ours, peer, ratio"
echo "bare: a loop of recvmmsg and UDP_SEGMENT sends and nothing else, which is what the kernel asks for"
echo "card: toward a network, the card cuts runs; cable: the kernel does; ours, host: sockets here with and without UDP_GRO"
for way in card cable ours host; do
	compare "v5-sized, plain input" $way 1464 "nfacctd 4 nfcapd 4 bare -"
done
compare "two workers, 8 exporters" card "1464 8" "nfacctd 4 nfcapd 4" --workers 2
compare "two workers, 8 exporters" host "1464 8" "nfacctd 4 nfcapd 4" --workers 2
for way in card cable ours host; do
	compare "v5-sized, input as UDP GRO" $way "1464 gso" "nfacctd 7 bare -"
done
compare "the same, source kept" card "1464 gso" "nfacctd 7" -S
compare "the same, source kept" ours "1464 gso" "nfacctd 7" -S
compare "every datagram another size" card 100-1464 "nfcapd 1.3"
compare "every datagram another size" host 100-1464 "nfcapd 1.3"
