#!/bin/bash
# nfcapd_truth.sh - what `pcapgen craft --to` sends is, in Debian's nfcapd and
# nfdump, what --truth says, record by record: the second judge of the encoders
# beside tshark, live.  NetFlow v1, v5, v7, v9 and IPFIX; it reads no v8, and no
# sFlow, whose second judge is Debian's sfacctd: sums by flow for v2, v4, v5.
#
# nfcapd 1.7.1's own laws, which are not ours:
#	- a v5 header's interval multiplies the counters (so does the truth here)
#	- the masks of v5 and v7, the ToS of ICMP: not kept
#	- the type of ICMP: in v9 from IE 32 only, ours is the port's (IE 11)
#	- a v9 sampler of options is not applied
#	- an options data record does not step IPFIX's sequence number, though RFC 7011
#	  3.1 says so: one error an announcement, so no IPFIX exporter here announces
# sfacctd 1.7.7's: no traffic class of IPv6, no type of ICMP, no destination AS in v2.
. "$(dirname "$0")/lib.sh"

e2e_begin nfcapd_truth

# `nfdump -o raw` -> exporter src dst sport dport proto tos flags in out sas das
# smask dmask hop packets octets first last.
# shellcheck disable=SC2016
from_nfdump='
function flush(    i, line) {
	if ("src addr" in r) {
		if (!("ip next hop" in r)) r["ip next hop"] = "0.0.0.0"
		if ("ICMP" in r) { split(r["ICMP"], p, "."); r["src port"] = 0; r["dst port"] = p[1] * 256 + p[2] }
		line = r["ip exporter"]
		for (i = 1; i <= n; i++) line = line "\t" ((names[i] in r) ? r[names[i]] : 0)
		print line
	}
	split("", r)
}
BEGIN {
	n = split("src addr,dst addr,src port,dst port,proto,src tos,tcp flags,input,output,src as,dst as," \
		"src mask,dst mask,ip next hop,in packets,in bytes,first,last", names, ",")
}
/^Flow Record:/ { flush() }
/ = / {
	name = $0; sub(/ *=.*/, "", name); sub(/^ */, "", name)
	value = $0; sub(/^[^=]*= */, "", value); sub(/ .*/, "", value)
	if (name == "tcp flags") value = index("0123456789abcdef", substr(value, 3, 1)) * 16 + \
		index("0123456789abcdef", substr(value, 4, 1)) - 17
	r[name] = value
}
END { flush() }'

# The truth with nfcapd's laws applied; ours of a v5 header with 1 in N.
# shellcheck disable=SC2016
as_nfcapd='
function number(v) { return v == "" ? 0 : v }
BEGIN { FS = OFS = "\t" }
NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
{
	times = $c["version"] == 5 ? $c["sampling"] : 1
	icmp = $c["proto"] == 1 || $c["proto"] == 58
	no_mask = $c["version"] <= 7
	$c["packets"] *= times; $c["octets"] = sprintf("%.0f", $c["octets"] * times)
	print $c["exporter"], $c["src"], $c["dst"], $c["sport"],
		icmp && $c["version"] == 9 ? 0 : $c["dport"], $c["proto"], icmp ? 0 : $c["tos"],
		$c["tcpflags"], $c["in_if"], $c["out_if"], number($c["src_as"]), number($c["dst_as"]),
		no_mask ? 0 : $c["src_mask"], no_mask ? 0 : $c["dst_mask"], $c["next_hop"], $c["packets"],
		$c["octets"], $c["first_ms"], $c["last_ms"]
}'

scenario() { # EXPORTER...
	local n=0 keys
	printf 'seed: 5\nstart: 2026-02-28T23:59:50Z\nduration: 1s\nrate: 3000 records/s\nexporters:\n'
	for keys; do
		n=$((n + 1))
		printf '  - { address: 127.0.0.%s, %s }\n' $((10 + n)) "$keys"
	done
	cat <<-YAML
		customers:
		  - { prefix: 10.1.0.0/24, hosts: 50, as: 64501, interface: 11, next_hop: 10.1.0.254 }
		  - { prefix: 10.2.0.0/16, as: 4200000001, interface: 65535, weight: 2 }
		  - { prefix: 2001:db8:1::/48, hosts: 30, as: 64501, interface: 11, next_hop: 2001:db8:1::fe }
		remotes:
		  - { prefix: 198.51.100.0/24, as: 65010, interface: 1, next_hop: 192.0.2.1 }
		  - { prefix: 2001:db8:f000::/36, hosts: 500, as: 4200000010, interface: 3, next_hop: 2001:db8::1 }
		applications:
		  - { proto: tcp, port: 44300, weight: 50 }
		  - { proto: udp, port: 60053, tos: 184, weight: 30 }
		  - { proto: icmp, port: 3328, weight: 5 }	# timestamp, 13 * 256
		flows:
		  octets: { kind: pareto, min: 60, max: 10G, alpha: 0.5 }
		  lasting_ms: { kind: uniform, min: 0, max: 100000 }
	YAML
}

netflow() {
	local port
	port=$(free_udp_port)
	mkdir "$TMP/nfcapd"
	scenario "protocol: netflow1" "protocol: netflow5, domain: 258" "protocol: netflow5, sampling: 10" \
		"protocol: netflow5, uptime: 4294967s" "protocol: netflow7" \
		"protocol: netflow9, families: 4, domain: 9" "protocol: netflow9, families: 6, refresh_datagrams: 3" \
		"protocol: netflow9, families: both, counter_octets: 4, uptime: 4294967s" \
		"protocol: netflow9, families: both, sampling: 100" "protocol: ipfix, families: 4, domain: 10" \
		"protocol: ipfix, families: 6, records: 7" "protocol: ipfix, families: both, counter_octets: 4" \
		>"$TMP/s.yaml"
	start_daemon nfcapd "$port" nfcapd -b 127.0.0.1 -p "$port" -w "$TMP/nfcapd" -t 3600 -B 8000000
	must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --to "127.0.0.1:$port" --truth "$TMP/s.tsv" >/dev/null
	wait_udp_drained "$port"
	stop_daemon nfcapd
	check_equal "nfcapd: no sequence errors, no bad packets" "Sequence Errors: 0, Bad Packets: 0" \
		"$(sed -n 's/^Ident.*\(Sequence.*\)/\1/p' "$TMP/nfcapd.log" | sort -u)"
	TZ=UTC nfdump -R "$TMP/nfcapd" -o raw 2>"$TMP/nfdump.err" | awk "$from_nfdump" | sort >"$TMP/got"
	awk "$as_nfcapd" "$TMP/s.tsv" | sort >"$TMP/want"
	check "nfcapd: $(wc -l <"$TMP/want") records of 12 exporters, every column" cmp -s "$TMP/got" "$TMP/want" ||
		diff "$TMP/want" "$TMP/got" | head -8
}

# Sums by flow, sorted: src dst sport dport proto tos in out sas das smask dmask, packets, octets.
# shellcheck disable=SC2016
sums='
function key(version, src, dst, sport, dport, proto, tos, in_if, out_if, sas, das, smask, dmask) {
	if (src ~ /:/) tos = 0
	if (proto ~ /icmp/) sport = dport = 0
	if (version == 2) das = 0
	return src "\t" dst "\t" sport "\t" dport "\t" proto "\t" tos "\t" in_if "\t" out_if "\t" sas "\t" das \
		"\t" smask "\t" dmask
}
function add(k, packets, octets) { p[k] += packets; o[k] += octets }
END { for (k in p) printf "%s\t%.0f\t%.0f\n", k, p[k], o[k] }
BEGIN { of[6] = "tcp"; of[17] = "udp"; of[1] = "icmp"; of[58] = "ipv6-icmp" }
NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }'
# shellcheck disable=SC2016
of_truth='{ add(key(version, $c["src"], $c["dst"], $c["sport"], $c["dport"], of[$c["proto"]], $c["tos"], $c["in_if"],
	$c["out_if"], $c["src_as"], $c["dst_as"], $c["src_mask"], $c["dst_mask"]), $c["packets"], $c["octets"]) }'
# shellcheck disable=SC2016
of_sfacctd='{ add(key(version, $c["SRC_IP"], $c["DST_IP"], $c["SRC_PORT"], $c["DST_PORT"], $c["PROTOCOL"], $c["TOS"],
	$c["IN_IFACE"], $c["OUT_IFACE"], $c["SRC_AS"], $c["DST_AS"], $c["SRC_MASK"], $c["DST_MASK"]), $c["PACKETS"],
	$c["BYTES"]) }'

# Its writer may outlive it; a line of names stands before the sums.
has_written() {
	[ "$(wc -l <"$TMP/want")" -lt "$(wc -l <"$TMP/sfacctd.csv")" ]
}

sflow() { # VERSION
	scenario "protocol: sflow$1, sampling: 64, counters_every: 3" "protocol: sflow$1, families: 6, agent: 192.0.2.9" \
		"protocol: sflow$1, families: both, sampling: 512, agent: '2001:db8::9'" >"$TMP/s.yaml"
	must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --write "$TMP/s.pcap" --truth "$TMP/s.tsv" >/dev/null
	cat >"$TMP/sfacctd.conf" <<-CONF
		plugins: print
		print_output: csv
		print_output_file: $TMP/sfacctd.csv
		print_refresh_time: 86400
		plugin_pipe_size: 100000000
		plugin_buffer_size: 100000
		sfacctd_as: sflow
		sfacctd_net: sflow
		aggregate: src_host, dst_host, src_port, dst_port, proto, tos, in_iface, out_iface, src_as, dst_as, src_mask, dst_mask
		pcap_savefile: $TMP/s.pcap
	CONF
	rm -f "$TMP/sfacctd.csv"
	awk -F'\t' -v version="$1" "$sums $of_truth" "$TMP/s.tsv" | sort >"$TMP/want"
	timeout 60 /usr/sbin/sfacctd -f "$TMP/sfacctd.conf" >"$TMP/sfacctd.log" 2>&1
	wait_for 10 has_written
	awk -F, -v version="$1" "$sums $of_sfacctd" "$TMP/sfacctd.csv" | sort >"$TMP/got"
	check "sfacctd: sFlow v$1, $(wc -l <"$TMP/want") sums of $(($(wc -l <"$TMP/s.tsv") - 1)) samples" \
		cmp -s "$TMP/got" "$TMP/want" || diff "$TMP/want" "$TMP/got" | head -8
}

for program in nfcapd nfdump; do
	command -v $program >/dev/null || e2e_skip "no $program"
done
netflow
if [ -x /usr/sbin/sfacctd ]; then
	for version in 2 4 5; do
		sflow $version
	done
fi
e2e_end
