#!/bin/bash
# replicator_proxy.sh - exporters behind a PROXY header: our nfacctd books them
# under their own addresses, IPv4 exporters through an IPv6 path too, and
# believes nobody that it was not told to.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_proxy

IN=$(free_udp_port) TRUSTING=$(free_udp_port) SIX=$(free_udp_port) WARY=$(free_udp_port)
cat >"$TMP/scenario.yaml" <<-END
	seed: 12
	duration: 1s
	rate: 1000 records/s
	exporters:
	  - { name: a, address: 127.0.0.41, protocol: netflow9 }
	  - { name: b, address: 127.0.0.42, protocol: sflow5, families: 4 }
	customers:
	  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }
	remotes:
	  - { prefix: 198.51.100.0/24, hosts: 10, interface: 1 }
	applications:
	  - { proto: tcp, port: 443 }
END
cat >"$TMP/map" <<-END
	id=1 ip=127.0.0.1:$TRUSTING source=proxy
	id=2 ip=[::1]:$SIX source=proxy
	id=3 ip=127.0.0.1:$WARY source=proxy
END
printf 'plugins: tee[a]\nnfacctd_ip: 127.0.0.1\nnfacctd_port: %s\ntee_receivers: %s\nstats_file: %s\n' \
	"$IN" "$TMP/map" "$TMP/tee.tsv" >"$TMP/tee.conf"

collector() { # NAME ADDRESS PORT [LINE]
	cat >"$TMP/$1.conf" <<-END
		nfacctd_ip: $2
		nfacctd_port: $3
		nfacctd_stats_file: $TMP/$1.tsv
		plugins: print
		aggregate: peer_src_ip
		print_refresh_time: 60
		print_output: csv
		print_output_file: $TMP/$1.csv
		${4:-}
	END
	must start_daemon "$1" "$3" "$NFACCTD" -f "$TMP/$1.conf"
}
collector trusting 127.0.0.1 "$TRUSTING" "nfacctd_proxy_protocol_from: 10.0.0.0/8, 127.0.0.1"
collector six ::1 "$SIX" "nfacctd_proxy_protocol_from: ::1"
collector wary 127.0.0.1 "$WARY" "nfacctd_proxy_protocol_from: 10.0.0.0/8"
must start_daemon tee "$IN" "$REPLICATOR" --config "$TMP/tee.conf"
check "generator" "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" --truth "$TMP/truth.tsv" \
	>"$TMP/craft.log"
wait_udp_drained "$IN"
check "tee ends in order" stop_daemon tee
for name in trusting six wary; do
	check "$name ends in order" stop_daemon $name
done

# Octets by exporter.
truth() {
	awk -F'\t' 'FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next } { o[$c["exporter"]] += $c["octets"] }
		END { for (e in o) printf "%s %d\n", e, o[e] }' "$TMP/truth.tsv" | sort
}
sums() { # NAME
	awk -F, 'FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next } { print $c["PEER_SRC_IP"], $c["BYTES"] }' \
		"$TMP/$1.csv" | sort
}
for name in trusting six; do
	drops=$(dropped tee $name)
	if [ "$drops" -eq 0 ]; then
		check_equal "$name: octets by exporter" "$(truth)" "$(sums $name)"
	else
		echo "     $name: octets by exporter: not compared, the kernel dropped $drops buffers"
		check_equal "$name: exporters" "$(truth | cut -d' ' -f1)" "$(sums $name | cut -d' ' -f1)"
	fi
	check_equal "$name: every datagram had a header" "$(stat_value "$TMP/$name.tsv" datagrams_received)" \
		"$(stat_value "$TMP/$name.tsv" datagrams_proxied)"
done
check_equal "wary: none is believed" 0 "$(stat_value "$TMP/wary.tsv" datagrams_proxied)"
check_equal "wary: all are refused" "$(stat_value "$TMP/wary.tsv" datagrams_received)" \
	"$(stat_value "$TMP/wary.tsv" 'datagrams_refused{cause="version"}')"

e2e_end
