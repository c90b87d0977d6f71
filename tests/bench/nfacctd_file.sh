#!/usr/bin/env bash
# CPU per flow record, capture file to sums, against Debian's nfacctd on the same file.
#
# The reference hands records to its plugin process through a ring that drops when
# it is full; it is given a ring as large as the run needs (its best case), and the
# script says when its sums came out wrong all the same.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
peer=${PEER_NFACCTD:-/usr/sbin/nfacctd}
records=${BENCH_RECORDS:-1000000}

scenario() { # PROTOCOL
	cat <<EOF
seed: 42
start: 2026-01-01T00:00:00Z
rate: 100000 records/s
duration: $((records / 100000))s
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

sum_of_file() {
	awk -F, 'NR > 1 { n += $NF } END { printf "%.0f", n }' "$bench_tmp/sums.csv" 2>/dev/null
}

measure() { # LABEL PROGRAM CONFIG -> $cost (ns a record), $sum
	local costs=() cpu
	for _ in 1 2 3; do
		rm -f "$bench_tmp/sums.csv"
		cpu_of cpu timeout 120 "$1" -f "$2" -I "$3"
		# The reference's writer may outlive its parent.
		sleep 0.3
		costs+=("$(awk -v c="$cpu" -v n="$records" 'BEGIN { printf "%.1f", c * 1e9 / n }')")
	done
	cost=$(median "${costs[@]}")
	sum=$(sum_of_file)
}

echo "nfacctd: CPU per flow record, $records records from a capture file to sums"
for key in sum_host "src_host, dst_host, proto, tos, src_as, in_iface, out_iface"; do
	for protocol in netflow5 netflow9 ipfix; do
		capture=$bench_tmp/$protocol.pcap
		if [ ! -e "$capture" ]; then
			scenario "$protocol" >"$bench_tmp/scenario.yaml"
			"$B/pcapgen" craft --scenario "$bench_tmp/scenario.yaml" --write "$capture" >/dev/null 2>"$bench_tmp/err" ||
				{ cat "$bench_tmp/err"; exit 1; }
		fi
		config "$key" "" >"$bench_tmp/ours.conf"
		measure "$B/nfacctd" "$bench_tmp/ours.conf" "$capture"
		ours=$cost ours_sum=$sum
		note=
		if [ -x "$peer" ]; then
			config "$key" "plugin_pipe_size: 1000000000
plugin_buffer_size: 1000000
pcap_savefile: $capture" >"$bench_tmp/peer.conf"
			measure "$peer" "$bench_tmp/peer.conf" "$capture"
			[ "$sum" = "$ours_sum" ] || note=" (peer's sums: $sum of $ours_sum)"
			bench_line "$protocol, ${key%%, dst_host*}" "$ours ns" "$cost ns" "$(ratio "$cost" "$ours")x" "50x$note"
		else
			bench_line "$protocol, ${key%%, dst_host*}" "$ours ns" "no Debian nfacctd" - 50x
		fi
	done
done
