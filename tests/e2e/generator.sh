#!/bin/bash
# generator.sh - pcapgen's craft and replay from the outside: what is sent is
# what is written, replayed truth is crafted truth, every mistake has its line
# and its exit status, a signal and a full disk lose nothing silently.
# shellcheck disable=SC2016
. "$(dirname "$0")/lib.sh"

e2e_begin generator
PORT=$(free_udp_port)	# nobody needs to listen: what counts is what the kernel took
cd "$TMP" || exit 1

cat >s.yaml <<-'YAML'
	seed: 3
	start: 2026-01-05T12:00:00Z
	duration: 2s
	rate: 1500 records/s
	exporters:
	  - { name: a, address: 127.0.4.1, port: 50401, protocol: netflow5, sampling: 10 }
	  - { name: b, address: 127.0.4.2, port: 50402, protocol: netflow9, domain: 2, sampling: 100 }
	  - { name: c, address: 127.0.4.3, port: 50403, protocol: ipfix, domain: 3, weight: 3 }
	  - { name: d, address: 127.0.4.4, port: 50404, protocol: sflow5, domain: 4, sampling: 64, counters_every: 5 }
	  - { name: e, address: 127.0.4.5, port: 50405, protocol: netflow1 }
	  - { name: f, address: 127.0.4.6, port: 50406, protocol: netflow7, sequence: 4294967000 }
	  - { name: g, address: 127.0.4.7, port: 50407, protocol: netflow8, aggregation: 8, domain: 5 }
	  - { name: h, address: 127.0.4.8, port: 50408, protocol: netflow8, aggregation: 13, domain: 6 }
	  - { name: i, address: 127.0.4.9, port: 50409, protocol: sflow2, sampling: 64, counters_every: 5 }
	  - { name: j, address: 127.0.4.10, port: 50410, protocol: sflow4, sampling: 64, agent: '2001:db8::1' }
	customers: [ { prefix: 10.0.0.0/24, as: 64500, interface: 3 }, { prefix: '2001:db8::/64', interface: 4 } ]
	remotes: [ { prefix: 198.51.100.0/24, as: 65010, interface: 1 }, { prefix: '2001:db8:1::/64', interface: 2 } ]
	flows: { octets: { kind: pareto, min: 60, max: 20G, alpha: 0.5 } }
YAML

figure() { # NAME FILE
	awk -F'\t' -v n="$1" '$1 == n { print $2 }' "$2"
}

# ---- what is written is what is sent ---------------------------------------------
must "$PCAPGEN" craft --scenario s.yaml --write s.pcap --truth written.tsv >written.txt
must "$PCAPGEN" craft --scenario s.yaml --to 127.0.0.1:$PORT --truth sent.tsv --late 60000 >sent.txt
check_equal "records in the summary and in the truth" "$(figure records written.txt)" "$(tail -n +2 written.tsv | wc -l)"
check_equal "octets in the summary and in the truth" "$(figure octets written.txt)" \
	"$(awk -F'\t' 'NR > 1 { s += $22 } END { printf "%.0f", s }' written.tsv)"
check_equal "exporters add up" "$(figure records written.txt)" \
	"$(awk -F'\t' '/^exporter_records/ { s += $2 } END { print s }' written.txt)"
# Times of sFlow and of sending are those of the clock; the rest is the scenario's.
clockless='BEGIN { FS = OFS = "\t" } { $27 = ""; if ($26 ~ /^sflow/) $24 = $25 = ""; print }'
check "sent and written are the same" cmp -s <(awk "$clockless" sent.tsv) <(awk "$clockless" written.tsv)
check "the schedule took its time" awk -v s="$(figure seconds sent.txt)" 'BEGIN { exit !(s >= 1.9 && s < 60) }'

# ---- one worker or several: the same octets, also where the clock decides on templates -----------
sed 's/duration: 2s/duration: 9s/; s/protocol: ipfix,/protocol: ipfix, refresh: 2s,/; s/rate: .*/rate: 40000 records\/s/' s.yaml >workers.yaml
for w in 1 3; do
	must "$PCAPGEN" craft --scenario workers.yaml --write w$w.pcap --truth w$w.tsv --workers $w >w$w.txt
done
check "three workers write what one writes" cmp -s w1.pcap w3.pcap
check "... and the same truth" cmp -s w1.tsv w3.tsv
check_equal "... of $(figure records w1.txt) records" "$(figure records w1.txt)" "$(tail -n +2 w3.tsv | wc -l)"

# ---- the collector reads every protocol, and comes to the sums that the truth expects ----
cat >sums.conf <<-CONF
	plugins: print
	print_output: csv
	print_output_separator: \t
	print_output_file: $TMP/sums.csv
	print_output_file_append: true
	print_refresh_time: 86400
	nfacctd_stats_file: $TMP/sums.stats
	aggregate: src_host, dst_host, src_port, dst_port, proto, tos, in_iface, out_iface, src_as, dst_as, src_mask, dst_mask
CONF
must "$NFACCTD" -f sums.conf -I s.pcap >sums.log 2>&1
must "$PCAPGEN" expect --truth written.tsv --conf sums.conf >expected.tsv
check "there is a sum for each of the $(tail -n +2 expected.tsv | wc -l) expected, and no other" \
	cmp -s <(grep -v '^SRC_AS' sums.csv | sort) <(tail -n +2 expected.tsv | sort)

for law in lost gaps late duplicates restarts; do
	check_equal "by each protocol's law of sequence numbers: $law" 0 "$(stat_value sums.stats sequence_$law)"
done

# ---- replay: the witness reads what craft says ------------------------------------
must "$PCAPGEN" replay s.pcap --to 127.0.0.1:$PORT --speed max --sources 127.0.4.0/24 --truth replayed.tsv >replayed.txt
check_equal "all datagrams replayed" "$(figure datagrams written.txt)" "$(figure datagrams replayed.txt)"
check_equal "every packet read is sent or named" "$(figure packets_read replayed.txt)" "$(awk -F'\t' '
	$1 ~ /^(datagrams|send_errors|not_udp|not_exports|other_port|cut|fragments|joined)$/ { s += $2 } END { print s }' replayed.txt)"
# The replayed ones are wider, by columns behind the 28th.
portless='BEGIN { FS = OFS = "\t" } NR > 1 { NF = 28; $3 = $27 = ""; if ($26 ~ /^sflow/) $24 = $25 = ""; print }'
check "the truth of a replay is the truth of its making" cmp -s <(awk "$portless" replayed.tsv) <(awk "$portless" written.tsv)
must "$PCAPGEN" replay s.pcap --to 127.0.0.1:$PORT --speed max --loop 3 --sources 127.0.4.0/24 --truth loop.tsv >loop.txt
check_equal "three loops, three times the octets" "$(( $(figure octets written.txt) * 3 ))" "$(figure octets loop.txt)"
now=$(date +%s)
must "$PCAPGEN" replay s.pcap --to 127.0.0.1:$PORT --speed max --reanchor --sources 127.0.4.0/24 --truth anchored.tsv >/dev/null
check "re-anchored flows end now" awk -F'\t' -v now="$now" \
	'NR > 1 && $25 != "" { d = $25 / 1000 - now; if (d < -5 || d > 30) bad = 1 } END { exit bad || NR < 2 }' anchored.tsv
check "re-anchoring moves all times of an exporter alike" test "$(paste written.tsv anchored.tsv |
	awk -F'\t' 'NR > 1 && $26 !~ /^sflow/ { print $2, $(28 + 24) - $24, $(28 + 25) - $25 }' | sort -u | wc -l)" = 7

# ---- mistakes: status, one line, nothing made ---------------------------------------
mistake() { # STATUS TEXT COMMAND...
	local want=$1 text=$2 got
	shift 2
	timeout 60 "$PCAPGEN" "$@" >out.txt 2>err.txt
	got=$?
	check "${*:1:8}: exit $want, \"$text\"" test "$got" = "$want" -a "$(grep -cF -- "$text" err.txt)" = 1 ||
		{ echo "     exit $got"; head -3 err.txt; }
}
mistake 2 'unknown command "carft"' carft
mistake 2 '--scenario FILE is missing' craft --to 127.0.0.1:9
mistake 2 'either --to HOST:PORT or --write FILE' craft --scenario s.yaml
mistake 2 'either --to HOST:PORT or --write FILE' craft --scenario s.yaml --to 127.0.0.1:9 --write x
mistake 2 'HOST:PORT or [IPV6]:PORT is expected' craft --scenario s.yaml --to 127.0.0.1
mistake 2 '--rate "0"' craft --scenario s.yaml --write x.pcap --rate 0
mistake 2 'a capture needs a rate' craft --scenario s.yaml --write x.pcap --rate max
mistake 2 '--workers "17"' craft --scenario s.yaml --write x.pcap --workers 17
mistake 2 '--workers goes with --write' craft --scenario s.yaml --to 127.0.0.1:9 --workers 2
mistake 2 '--seed "-1"' craft --scenario s.yaml --write x.pcap --seed -1
mistake 2 'nowhere.yaml: No such file or directory' craft --scenario nowhere.yaml --write x.pcap
mistake 2 'standard output' craft --scenario s.yaml --write - --truth -
mistake 2 'FLOWS.pcap is missing' replay --to 127.0.0.1:9
mistake 2 '--speed "0"' replay s.pcap --to 127.0.0.1:9 --speed 0
mistake 2 'only one of --keep-source' replay s.pcap --to 127.0.0.1:9 --keep-source --source 127.0.0.1
mistake 3 's.yaml: ' replay s.yaml --to 127.0.0.1:9
mistake 3 'nowhere.pcap' replay nowhere.pcap --to 127.0.0.1:9
mistake 3 '/nowhere/x.pcap: No such file' craft --scenario s.yaml --write /nowhere/x.pcap
mistake 3 '--truth /nowhere/t' craft --scenario s.yaml --write x.pcap --truth /nowhere/t
mistake 3 'different address families' craft --scenario s.yaml --to '[::1]:9'
mistake 3 'has no address left for exporter 2' replay s.pcap --to 127.0.0.1:$PORT --sources 127.0.4.0/31 --speed max
mistake 4 'missed the schedule' craft --scenario s.yaml --to 127.0.0.1:$PORT --late 0
# A disk that is full: the truth ends where the file does, and it says where that is.
disk_full() {
	local there
	(
		trap '' XFSZ
		ulimit -f 90
		exec "$PCAPGEN" craft --scenario s.yaml --write full.pcap --truth - 2>said
	) | cat >full.tsv
	[ "${PIPESTATUS[0]}" = 3 ] || return
	there=$(sed -n 's/.*full\.pcap: File too large: it has the first \([0-9]*\) datagrams, and so has the truth$/\1/p' said)
	[ "${there:-0}" -gt 5 ] && [ "$(tshark -r full.pcap 2>/dev/null | wc -l)" = "$there" ] &&
		[ "$(figure datagrams said)" = "$there" ] && [ "$(figure records said)" = "$(tail -n +2 full.tsv | wc -l)" ]
}
if command -v tshark >/dev/null; then
	check "craft to a full disk: how much of it is there" disk_full || cat said
fi
if [ -w /dev/full ]; then
	mistake 3 '/dev/full' craft --scenario s.yaml --write /dev/full
	mistake 3 '--truth /dev/full: No space left' craft --scenario s.yaml --write x.pcap --truth /dev/full
fi
printf 'duration: 1s\nrate: 5\nexporters: [{adress: 127.0.0.1, protocol: ipfix}]\n' >bad.yaml
mistake 2 'bad.yaml:3:14: unknown key "adress" in an exporter; did you mean "address"?' craft --scenario bad.yaml --write x.pcap
sed 's/127.0.4.3/198.51.100.99/' s.yaml >foreign.yaml
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
	chmod 755 "$TMP" && chmod 644 foreign.yaml
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all \
		"$PCAPGEN" craft --scenario foreign.yaml --to 127.0.0.1:$PORT >out.txt 2>err.txt
	check_equal "a foreign source without privilege" 3 $?
	check "... says what it needs" grep -q 'exporter "c": source 198.51.100.99:50403 .* CAP_NET_ADMIN' err.txt
fi

# ---- a cut capture: what is whole is sent, the cut is told ----------------------------
head -c 50000 s.pcap >cut.pcap
mistake 3 'cut.pcap' replay cut.pcap --to 127.0.0.1:$PORT --speed max --truth cut.tsv
check "what was whole before the cut is in the truth" test "$(wc -l <cut.tsv)" -gt 100

# ---- a signal ends it in order ----------------------------------------------------------
sed 's/duration: 2s/duration: 1h/' s.yaml >long.yaml
"$PCAPGEN" craft --scenario long.yaml --to 127.0.0.1:$PORT --truth signal.tsv >signal.txt 2>signal.err &
PID[craft]=$!
wait_for 20 test -e signal.tsv
wait_for 20 grep -q ":C4E1 " /proc/net/udp	# port 50401
kill -TERM "${PID[craft]}"
wait "${PID[craft]}"
check_equal "status after a signal" 1 $?
check_equal "truth after a signal is whole" "$(figure records signal.txt)" "$(tail -n +2 signal.tsv | wc -l)"
unset 'PID[craft]'

e2e_end
