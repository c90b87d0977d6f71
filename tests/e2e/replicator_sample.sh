#!/usr/bin/env bash
# replicator_sample.sh - one datagram in ten, the honest way: the collector reads
# all that it gets, misses nothing in the numbers, has every template and counter
# sample, and sFlow's own arithmetic comes to the truth.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_sample

IN=$(free_udp_port) ALL=$(free_udp_port) TENTH=$(free_udp_port)
cat >"$TMP/scenario.yaml" <<-END
	seed: 3
	duration: 4s
	rate: 40000 records/s
	exporters:
	  - { name: a, address: 127.0.6.1, protocol: netflow5 }
	  - { name: b, address: 127.0.6.2, protocol: netflow9, domain: 2, refresh_datagrams: 20 }
	  - { name: c, address: 127.0.6.3, protocol: ipfix, domain: 3, refresh_datagrams: 20 }
	  - { name: d, address: 127.0.6.4, protocol: sflow5, domain: 4, sampling: 100, counters_every: 10 }
	customers:
	  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }
	remotes:
	  - { prefix: 198.51.100.0/24, hosts: 10, interface: 1 }
	applications:
	  - { proto: tcp, port: 443 }
END
cat >"$TMP/map" <<-END
	id=1 ip=127.0.0.1:$ALL
	id=2 ip=127.0.0.1:$TENTH sample=10
END
printf 'listen_ip: 127.0.0.1\nlisten_port: %s\ntee_receivers: %s\nstats_file: %s\nreceive_buffer: 67108864\n' \
	"$IN" "$TMP/map" "$TMP/tee.tsv" >"$TMP/tee.conf"

collector() { # NAME PORT
	cat >"$TMP/$1.conf" <<-END
		nfacctd_ip: 127.0.0.1
		nfacctd_port: $2
		nfacctd_pipe_size: 67108864
		nfacctd_stats_file: $TMP/$1.tsv
		nfacctd_renormalize: true
		plugins: print
		aggregate: peer_src_ip, export_proto_version, flows
		print_refresh_time: 60
		print_output: csv
		print_output_file: $TMP/$1.csv
	END
	must start_daemon "$1" "$2" "$NFACCTD" -f "$TMP/$1.conf"
}
collector all "$ALL"
collector tenth "$TENTH"
must start_daemon tee "$IN" "$REPLICATOR" --config "$TMP/tee.conf"
must "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" >"$TMP/craft.log"
wait_udp_drained "$IN"
check "tee ends in order" stop_daemon tee
for name in all tenth; do
	port=${name^^}
	wait_udp_drained "${!port}"
	check "$name ends in order" stop_daemon $name
done

of() { # COUNTER PORT POOL
	stat_value "$TMP/tee.tsv" "receiver_$1{receiver=\"127.0.0.1:$2\",pool=\"pool $3\"}"
}
total=$(of received "$TENTH" 2) sent=$(of sent "$TENTH" 2) stripped=$(of stripped "$TENTH" 2)
echo "     $total datagrams, $sent sent, of which $stripped without their data"
check_equal "each is sent or left out" "$total" "$((sent + $(of sampled "$TENTH" 2)))"
check "a tenth is chosen, within four standard deviations" \
	awk -v n="$total" -v k="$((sent - stripped))" 'BEGIN { d = k - n / 10; exit !(d * d <= 16 * n * .09) }'
check "some only tell templates or counters" test "$stripped" -gt 20
check_equal "the collector of a tenth: damaged" 0 "$(stat_sum "$TMP/tenth.tsv" "^damaged[{]")"
drops=$(dropped tee all tenth)
for what in sequence_lost sequence_gaps; do
	[ "$drops" -gt 0 ] || check_equal "the collector of a tenth: $what" 0 "$(stat_sum "$TMP/tenth.tsv" "^$what")"
done
if [ "$drops" -eq 0 ]; then
	check_equal "counter samples are all there" "$(stat_sum "$TMP/all.tsv" '^counter_samples')" \
		"$(stat_sum "$TMP/tenth.tsv" '^counter_samples')"
	check_equal "templates too" "$(stat_sum "$TMP/all.tsv" '^templates$')" "$(stat_sum "$TMP/tenth.tsv" '^templates$')"
else
	echo "     what arrived is not compared: the kernel dropped $drops buffers"
fi

column() { # FILE COLUMN VERSION EXPORTER
	awk -F, -v name="$2" -v version="$3" -v who="$4" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		NR > 1 && $at["EXPORT_PROTO_VERSION"] == version && $at["PEER_SRC_IP"] == who { n += $at[name] } END { printf "%.0f\n", n }' "$TMP/$1.csv"
}
# sFlow and v5 tell the rate: the sums are the same, but for chance. v9 and IPFIX do not: they are a tenth.
# A hundred datagrams and more are chosen of sFlow, three hundred of the others: five standard deviations.
near() { # A B FACTOR SLACK
	awk -v a="$1" -v b="$2" -v f="$3" -v s="$4" 'BEGIN { exit !(a > 0 && b > (1 - s) * a * f && b < (1 + s) * a * f) }'
}
# SFlow's own version is 5, too: it has its agent's address, NetFlow whose source is not kept is us.
check "sFlow: the packets of a tenth, by their rate, are those of all" near "$(column all PACKETS 5 127.0.6.4)" \
	"$(column tenth PACKETS 5 127.0.6.4)" 1 .45
check "NetFlow v5: the same by its header's interval" near "$(column all PACKETS 5 127.0.0.1)" \
	"$(column tenth PACKETS 5 127.0.0.1)" 1 .45
check "NetFlow v5: a tenth of the records" near "$(column all FLOWS 5 127.0.0.1)" "$(column tenth FLOWS 5 127.0.0.1)" .1 .45
check "NetFlow v9: a tenth of the records" near "$(column all FLOWS 9 127.0.0.1)" "$(column tenth FLOWS 9 127.0.0.1)" .1 .45
check "IPFIX: a tenth of the records" near "$(column all FLOWS 10 127.0.0.1)" "$(column tenth FLOWS 10 127.0.0.1)" .1 .45

e2e_end
