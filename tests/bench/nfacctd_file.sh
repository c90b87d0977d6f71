#!/usr/bin/env bash
# CPU per flow record, capture file to sums, against Debian's nfacctd on the same file.
#
# The reference hands records to its plugin process through a ring that drops when
# it is full; it is given a ring as large as the run needs (its best case), and the
# script says when its sums came out wrong all the same.  What either program takes
# to start and end with an empty capture is measured apart, and is not in the figures.
# Of several runs the least counts: other programs only add to it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
peer=${PEER_NFACCTD:-/usr/sbin/nfacctd}
# Of sFlow; it starts as the other does.
sfacctd=${PEER_SFACCTD:-/usr/sbin/sfacctd}
# More would be lost in the reference's ring, however large, and what is lost costs it nothing.
records=${BENCH_RECORDS:-1000000}
seven="src_host, dst_host, proto, tos, src_as, in_iface, out_iface"

scenario() { # PROTOCOL HOSTS REMOTES [EXPORTERS [TIMES-THE-RECORDS]]
	cat <<EOF
seed: 42
start: 2026-01-01T00:00:00Z
rate: 100000 records/s
duration: $((${5:-1} * records / 100000))s
exporters:
EOF
	for ((x = 1; x <= ${4:-1}; x++)); do
		cat <<EOF
  - address: 127.0.0.$x
    port: 40001
    protocol: $1
    domain: 1
EOF
	done
	cat <<EOF
customers:
  - prefix: 100.64.0.0/16
    hosts: $2
remotes:
  - prefix: 198.18.0.0/15
    hosts: $3
EOF
}

craft() { # NAME PROTOCOL HOSTS REMOTES [EXPORTERS [TIMES-THE-RECORDS]] -> $capture
	capture=$bench_tmp/$1-$2.pcap
	[ -e "$capture" ] && return
	scenario "$2" "$3" "$4" "${5:-1}" "${6:-1}" >"$bench_tmp/scenario.yaml"
	"$B/pcapgen" craft --scenario "$bench_tmp/scenario.yaml" --write "$capture" >/dev/null 2>"$bench_tmp/err" ||
		{ cat "$bench_tmp/err"; exit 1; }
}

config() { # AGGREGATE EXTRA
	cat <<EOF
plugins: print
print_output: csv
print_output_file: $bench_tmp/sums.csv
print_refresh_time: 86400
aggregate: $1
$2
EOF
}

rows_and_octets() { # of the file of sums
	awk -F, 'NR > 1 { n += $NF } END { printf "%d %.0f", NR - 1, n }' "$bench_tmp/sums.csv" 2>/dev/null
}

# Less what a run with an empty capture takes: $start, in ns, 0 to keep it in.
measure() { # PROGRAM CONFIG CAPTURE RUNS -> $cost (ns a record), $rows, $octets
	local costs=() cpu
	for ((run = 0; run < $4; run++)); do
		rm -f "$bench_tmp/sums.csv"
		cpu_of cpu timeout 120 "$1" -f "$2" -I "$3"
		costs+=("$(awk -v c="$cpu" -v s="$start" -v n="$records" 'BEGIN { printf "%.1f", (c * 1e9 - s) / n }')")
	done
	# The reference's writer may outlive its parent.
	[ "$1" = "$peer" ] && sleep 0.5
	cost=$(least "${costs[@]}")
	read -r rows octets <<<"$(rows_and_octets)"
}

measure_start() { # PROGRAM CONFIG -> $start
	start=0
	measure "$1" "$2" "$bench_tmp/empty.pcap" 9
	start=$(awk -v c="$cost" -v n="$records" 'BEGIN { printf "%.0f", c * n }')
}

milliseconds() { # NS
	awk -v n="$1" 'BEGIN { printf "%.1f ms", n / 1e6 }'
}

compare() { # LABEL AGGREGATE CAPTURE
	local ours ours_octets ours_rows note=
	config "$2" "" >"$bench_tmp/ours.conf"
	start=$our_start
	measure "$B/nfacctd" "$bench_tmp/ours.conf" "$3" 9
	ours=$cost ours_octets=$octets ours_rows=$rows
	if [ ! -x "$peer" ]; then
		bench_line "$1, $ours_rows rows" "$ours ns" "no Debian ${peer##*/}" - "${goal:-50x}"
		return
	fi
	config "$2" "$ring
pcap_savefile: $3" >"$bench_tmp/peer.conf"
	start=$peer_start
	measure "$peer" "$bench_tmp/peer.conf" "$3" 3
	[ "$octets" = "$ours_octets" ] ||
		note=", peer booked $(awk -v a="$octets" -v b="$ours_octets" 'BEGIN { printf "%.0f", 100 * a / b }') % of the octets"
	bench_line "$1, $ours_rows rows" "$ours ns" "$cost ns" "$(ratio "$cost" "$ours")x" "${goal:-50x}$note"
}

# Where the time goes: each run does one thing more than the one before.
stages() { # PROTOCOL CAPTURE
	local before=0 stage conf
	: >"$bench_tmp/nobody"
	start=$our_start
	printf '  %-9s' "$1"
	for stage in read decode key+sum; do
		conf=$(config none "")
		case $stage in
		read) conf=$(config none "nfacctd_allow_file: $bench_tmp/nobody") ;;
		key+sum) conf=$(config sum_host "") ;;
		esac
		printf '%s\n' "$conf" >"$bench_tmp/stage.conf"
		measure "$B/nfacctd" "$bench_tmp/stage.conf" "$2" 9
		printf '%s %s ns, ' "$stage" "$(awk -v a="$cost" -v b="$before" 'BEGIN { printf "%.1f", a - b }')"
		before=$cost
	done
	printf 'all %s ns a record\n' "$before"
}

ring="plugin_pipe_size: 1000000000
plugin_buffer_size: 1000000"
craft many netflow5 20000 5000
head -c 24 "$capture" >"$bench_tmp/empty.pcap"
config sum_host "" >"$bench_tmp/ours.conf"
measure_start "$B/nfacctd" "$bench_tmp/ours.conf"
our_start=$start
if [ -x "$peer" ]; then
	# With a ring of its default size: a large one is what it needs to lose nothing.
	config sum_host "pcap_savefile: $bench_tmp/empty.pcap" >"$bench_tmp/peer.conf"
	measure_start "$peer" "$bench_tmp/peer.conf"
	peer_start=$start
fi
echo "nfacctd: CPU per flow record, $records records from a capture file (in the page cache) to sums"
echo "beside starting and ending: ours $(milliseconds "$our_start"), peer $(milliseconds "${peer_start:-0}")"
for protocol in netflow5 netflow9 ipfix; do
	craft many "$protocol" 20000 5000
	compare "$protocol, sum_host" sum_host "$capture"
done
craft many sflow5 20000 5000
peer=$sfacctd goal=none compare "sflow5, sum_host" sum_host "$capture"
for protocol in netflow5 netflow9 ipfix; do
	craft few "$protocol" 20 10
	compare "$protocol, 7 primitives" "$seven" "$capture"
done
# Nearly each record is a row of its own: printing it is most of the work, in either program.
craft many ipfix 20000 5000
compare "ipfix, 7 primitives, all new" "$seven" "$capture"
echo "ours by stage, each beside the run without it (the least of 9; decode: one sum of all, key+sum: sum_host):"
for protocol in netflow5 netflow9 ipfix; do
	craft many "$protocol" 20000 5000
	stages "$protocol" "$capture"
done
# Wall clock, for once: the same work in less time.  The capture is read several times, because starting
# and ending, which no second worker makes shorter, is not taken off here.  Beside it stands what the
# machine gives: two runs of one worker at once, each in what time, over one alone.
craft eight ipfix 20000 5000 8 4
for run in 1 2 again; do
	config sum_host "nfacctd_workers: ${run/again/1}
pcap_savefile_replay: ${BENCH_REPLAYS:-6}" | sed "s/sums.csv/sums-$run.csv/" >"$bench_tmp/workers-$run.conf"
done
wall() { # OUTPUT-VARIABLE RUN... -> us until all have ended
	local -n _wall=$1
	local began run pids=()
	shift
	began=$(date +%s%N)
	for run in "$@"; do
		rm -f "$bench_tmp/sums-$run.csv"
		"$B/nfacctd" -f "$bench_tmp/workers-$run.conf" -I "$capture" 2>/dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	_wall+=($((($(date +%s%N) - began) / 1000)))
}
one=() two=() both=()
for _ in 1 2 3 4 5; do
	wall one 1
	wall two 2
	wall both 1 again
done
for run in 1 2; do
	LC_ALL=C sort "$bench_tmp/sums-$run.csv" | md5sum >"$bench_tmp/rows-$run"
done
cmp -s "$bench_tmp/rows-1" "$bench_tmp/rows-2" || echo "two workers: ROWS DIFFER"
alone=$(least "${one[@]}") shared=$(least "${two[@]}") doubled=$(least "${both[@]}")
bench_line "ipfix, 8 exporters, two workers over one, wall" "$shared us" "$alone us" "$(ratio "$alone" "$shared")x" 1.7x
bench_line "two runs of one worker at once, wall" "$doubled us" "$alone us" "$(ratio "$((2 * alone))" "$doubled")x" "none: the machine's own"
