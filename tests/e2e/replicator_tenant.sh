#!/bin/bash
# replicator_tenant.sh - each tenant gets its own records of v5, v9, IPFIX and
# sFlow exporters, exactly, in no more datagrams than came, numbered without a
# gap.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
e2e_begin replicator_tenant

IN=$(free_udp_port) ONE=$(free_udp_port) TWO=$(free_udp_port) WEB=$(free_udp_port)
cat >"$TMP/scenario.yaml" <<-END
	seed: 11
	duration: 2s
	rate: 4000 records/s
	exporters:
	  - { name: a, address: 127.0.0.31, protocol: netflow5 }
	  - { name: b, address: 127.0.0.32, protocol: netflow9, domain: 2 }
	  - { name: c, address: 127.0.0.33, protocol: ipfix, domain: 3 }
	  - { name: d, address: 127.0.0.34, protocol: sflow5, domain: 4, sampling: 100, families: 4 }
	customers:
	  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }
	  - { prefix: 10.2.0.0/24, hosts: 20, interface: 12, weight: 3 }
	remotes:
	  - { prefix: 198.51.100.0/24, hosts: 10, interface: 1 }
	applications:
	  - { proto: tcp, port: 443, weight: 3 }
	  - { proto: udp, port: 53 }
END
cat >"$TMP/map" <<-END
	id=1 ip=127.0.0.1:$ONE networks=10.1.0.0/24
	id=2 ip=127.0.0.1:$TWO networks=10.2.0.0/24
	id=3 ip=127.0.0.1:$WEB networks=10.2.0.0/24 filter=tcp_and_port_443
END
printf 'plugins: tee[a]\nnfacctd_ip: 127.0.0.1\nnfacctd_port: %s\ntee_receivers: %s\nstats_file: %s\n' \
	"$IN" "$TMP/map" "$TMP/tee.tsv" >"$TMP/tee.conf"

collector() { # NAME PORT
	cat >"$TMP/$1.conf" <<-END
		nfacctd_ip: 127.0.0.1
		nfacctd_port: $2
		nfacctd_stats_file: $TMP/$1.tsv
		plugins: print
		aggregate: src_host, dst_host, proto, src_port, dst_port
		print_refresh_time: 60
		print_output: csv
		print_output_file: $TMP/$1.csv
	END
	must start_daemon "$1" "$2" "$NFACCTD" -f "$TMP/$1.conf"
}
collector one "$ONE"
collector two "$TWO"
collector web "$WEB"
must start_daemon tee "$IN" "$REPLICATOR" --config "$TMP/tee.conf"
check "generator" "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" --truth "$TMP/truth.tsv" \
	>"$TMP/craft.log"
wait_udp_drained "$IN"
check "tee ends in order" stop_daemon tee
for port in $ONE $TWO $WEB; do
	wait_udp_drained "$port"
done
for name in one two web; do
	check "$name ends in order" stop_daemon $name
done

# Packets and octets of the truth's records that match, as printed sums; columns of the blueprint's truth file.
truth() { # NETWORK [PORT]
	awk -F'\t' -v net="$1" -v port="${2:-}" '
		FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		(index($c["src"], net) == 1 || index($c["dst"], net) == 1) &&
		(port == "" || ($c["proto"] == 6 && ($c["sport"] == port || $c["dport"] == port))) {
			n++; packets += $c["packets"]; octets += $c["octets"]
		}
		END { printf "%d %d %d\n", n, packets, octets }' "$TMP/truth.tsv"
}
sums() { # NAME
	awk -F, -v n="$(stat_value "$TMP/$1.tsv" records_decoded)" '
		FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		{ packets += $c["PACKETS"]; octets += $c["BYTES"] }
		END { printf "%d %d %d\n", n, packets, octets }' "$TMP/$1.csv"
}
check_equal "tenant one: its records, packets, octets" "$(truth 10.1.0.)" "$(sums one)"
check_equal "tenant two: its records, packets, octets" "$(truth 10.2.0.)" "$(sums two)"
check_equal "by expression: the web's" "$(truth 10.2.0. 443)" "$(sums web)"
check_equal "no record of another's" 0 "$(grep -c '10\.2\.0\.' "$TMP/one.csv")"
for name in one two web; do
	check_equal "$name: nothing damaged" 0 "$(stat_sum "$TMP/$name.tsv" '^damaged')"
	check_equal "$name: nothing refused" 0 "$(stat_sum "$TMP/$name.tsv" '^datagrams_refused')"
	check_equal "$name: no gap in the numbers" 0 "$(stat_sum "$TMP/$name.tsv" '^sequence_(lost|gaps|late|duplicates)')"
done
# What one receiver got: fewer datagrams, and nothing without a name.
for port in $ONE $TWO $WEB; do
	value() { stat_sum "$TMP/tee.tsv" "^receiver_$1.*:$port\""; }
	check_equal "$port: adds up" "$(value 'received')" "$(($(value 'sent\{') + $(value merged)))"
	check "$port: no more datagrams than came: $(value 'sent\{') of $(value received)" test \
		"$(value 'sent\{')" -le "$(value received)"
	check_equal "$port: every record was read" "$(($(wc -l <"$TMP/truth.tsv") - 1))" "$(value 'records\{')"
done

e2e_end
