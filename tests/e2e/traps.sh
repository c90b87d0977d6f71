#!/bin/bash
# traps.sh - every trap of the wire formats, from the octets of a datagram to the
# rows that nfacctd prints: where documents are read in several ways or products
# are known to be wrong (traps.tsv; each expected value is a document's, or
# arithmetic on what the datagram says).  The codecs have vectors of their own in
# tests/wire; this is the way through the whole collector.
. "$(dirname "$0")/lib.sh"

e2e_begin traps
columns=$(printf '%s,' src_host dst_host src_port dst_port proto tos tcpflags in_iface out_iface \
	src_as dst_as src_mask dst_mask)

number() { # OCTETS VALUE -> hex, the least octet last
	printf "%0$(($1 * 2))x" "$2"
}

reversed() { # VALUE -> hex of 4 octets, the least octet first (the capture's own words)
	local h
	h=$(number 4 "$1")
	printf '%s' "${h:6:2}${h:4:2}${h:2:2}${h:0:2}"
}

# One Ethernet frame around each datagram.
capture() { # "SOURCE:PORT:HEX ..." -> a capture on stdout
	local hex one source port payload n a
	hex="d4c3b2a1$(reversed $((4 << 16 | 2)))0000000000000000ffff000001000000"
	for one in $1; do
		IFS=: read -r source port payload <<<"$one"
		n=$((${#payload} / 2))
		IFS=. read -r -a a <<<"$source"
		hex+=$(reversed 1700000000)00000000$(reversed $((n + 42)))$(reversed $((n + 42)))
		hex+=0000000000000000000000000800
		hex+=4500$(number 2 $((n + 28)))0000000040110000
		hex+=$(printf '%02x%02x%02x%02x' "${a[@]}")c6336409
		hex+=$(number 2 "$port")$(number 2 2055)$(number 2 $((n + 8)))0000$payload
	done
	# shellcheck disable=SC2059
	printf "$(sed 's/../\\x&/g' <<<"$hex")"
}

rows() { # COLUMN... < the printed file
	awk -F, -v want="$*" '
		/PACKETS|TIMESTAMP/ { for (i = 1; i <= NF; i++) c[$i] = i; if (!n) n = split(want, w, " "); next }
		{
			line = ""
			for (i = 1; i <= n; i++) line = line (i > 1 ? "," : "") $c[w[i]]
			gsub(" ", "T", line); print line
		}' | LC_ALL=C sort | paste -sd' '
}

while IFS=$'\t' read -r name further aggregate wanted datagrams expected; do
	case $name in '#'*) continue ;; esac
	capture "$datagrams" >trap.pcap
	cat >trap.conf <<-CONF
		plugins: print
		print_output: csv
		print_output_file: $TMP/trap.csv
		print_refresh_time: 86400
		print_output_file_append: true
		aggregate: $([ "$aggregate" = hosts ] && echo "${columns%,}" || echo "$aggregate")
		$([ "$further" = - ] || echo "$further")
	CONF
	: >trap.csv
	must "$NFACCTD" -f trap.conf -I trap.pcap >trap.log 2>&1
	got=$(rows "$wanted" <trap.csv)
	check_equal "$name" "$expected" "${got:--}"
done <"$E2E_HERE/traps.tsv"
e2e_end
