#!/bin/bash
# replicator_source.sh - the exporter's source is kept through sockets and raw,
# IPv4 and IPv6, from 0 octets to several fragments, at an MTU of 1500 and 1280;
# the receiving kernel finds every checksum right.

# Functions are called by name, and one body is for the shell of another namespace.
# shellcheck disable=SC2317,SC2016
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/netns.sh
. "$HERE/netns.sh"
netns_enter replicator_source "$@"
e2e_begin replicator_source

ip link set lo up
if ! { namespace exporter && namespace living && link exporter 10.8.0.1 10.8.0.2 &&
	link living 10.9.0.1 10.9.0.2 &&
	ip addr add fd00:8::1/64 dev to-exporter nodad && ip addr add fd00:9::1/64 dev to-living nodad &&
	in_namespace exporter ip addr add fd00:8::2/64 dev far nodad &&
	in_namespace living ip addr add fd00:9::2/64 dev far nodad &&
	in_namespace living ip route add default via fd00:9::1; } 2>"$TMP/links"; then
	e2e_skip "no veth: $(head -1 "$TMP/links")"
fi

SIZES="1 100 1232 1233 1452 1453 1472 1473 4000 4000 8000"
MANY=$(wc -w <<<"$SIZES")

cat >"$TMP/tee.conf" <<-END
	plugins: tee[a]
	nfacctd_port: 2055
	tee_receivers: $TMP/map
	tee_transparent: true
	stats_file: $TMP/tee.tsv
END
cat >"$TMP/map" <<-END
	id=1 ip=10.9.0.2:3000
	id=2 ip=10.9.0.2:3001 source=raw
	id=3 ip=10.9.0.2:3002 source=own
	id=4 ip=[fd00:9::2]:3000 source=exporter
	id=5 ip=[fd00:9::2]:3001 source=raw
END

living_start() { # NAME PORT
	rm -f "$TMP/$1.tsv"
	nsenter -t "${PID[living]}" -n "$REPLICATOR" -p "$2" -d 1 --stats "$TMP/$1.tsv" 127.0.0.1/9 \
		>"$TMP/$1.log" 2>&1 &
	PID[$1]=$!
	wait_for 5 test -e "$TMP/$1.tsv"
}

has_received() { # NAME COUNT
	[ "$(stat_value "$TMP/$1.tsv" received_datagrams 2>/dev/null || echo 0)" -ge "$2" ]
}

send_sizes() { # NAMESPACE HOST
	in_namespace "$1" bash -c 'exec 3>"/dev/udp/$1/2055"; shift
		for n; do head -c "$n" /dev/urandom | dd bs=65507 iflag=fullblock status=none >&3; done' - "$2" $SIZES
}

wrong_sums() {	# in the living namespace
	in_namespace living awk '$1 == "Udp:" { n += $7 } $1 ~ /InCsumErrors/ { n += $2 } END { print n + 0 }' \
		/proc/net/snmp /proc/net/snmp6
}

saw() { # NAME SOURCE: sizes of what came from there, in order
	sed -n "s/.*[^0-9]\([0-9][0-9]*\) octets from \(\[$2\]\|$2\):.*/\1/p" "$TMP/$1.log" | tr '\n' ' '
}

for mtu in 1500 1280; do
	ip link set dev to-living mtu "$mtu" && in_namespace living ip link set dev far mtu "$mtu"
	must start_daemon tee 2055 "$REPLICATOR" --config "$TMP/tee.conf"
	must living_start socket 3000
	must living_start raw 3001
	must living_start own 3002
	send_sizes exporter 10.8.0.1
	send_sizes exporter fd00:8::1
	for name in socket raw; do
		check "mtu $mtu, $name: all came" wait_for 5 has_received $name $((2 * MANY))
	done
	check "mtu $mtu, own source: all came" wait_for 5 has_received own $((2 * MANY))
	for name in tee socket raw own; do
		stop_daemon $name
	done
	for name in socket raw; do
		check_equal "mtu $mtu, $name: every size from the IPv4 exporter" "$SIZES " "$(saw $name 10.8.0.2)"
		check_equal "mtu $mtu, $name: every size from the IPv6 exporter" "$SIZES " "$(saw $name fd00:8::2)"
	done
	check_equal "mtu $mtu, own source: all from there" "$SIZES $SIZES " "$(saw own 10.9.0.1)"
	check_equal "mtu $mtu: no checksum was wrong" 0 "$(wrong_sums)"
	check_equal "mtu $mtu: the other family is a named loss" "$((4 * MANY))" "$(stat_sum "$TMP/tee.tsv" ^receiver_family)"
	check_equal "mtu $mtu: sent raw" $((2 * MANY)) "$(stat_value "$TMP/tee.tsv" source_raw_datagrams)"
done

# An exporter that is a live socket of this host: no second socket can have its address.
must start_daemon tee 2055 "$REPLICATOR" -S -p 2055 --stats "$TMP/tee.tsv" 10.9.0.2/3000
must living_start socket 3000
exec 3>/dev/udp/10.9.0.1/2055
printf one >&3
printf three >&3
check "live socket of this host: both came" wait_for 5 has_received socket 2
exec 3>&-
# All capabilities but one are gone by now.
check_equal "only CAP_NET_RAW is left" 0000000000002000 "$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/${PID[tee]}/status")"
check "tee ends in order" stop_daemon tee
check "receiver ends in order" stop_daemon socket
check_equal "live socket of this host: its own source" "3 5 " "$(saw socket 10.9.0.1)"
check_equal "live socket of this host: raw" 2 "$(stat_value "$TMP/tee.tsv" source_raw_datagrams)"

e2e_end
