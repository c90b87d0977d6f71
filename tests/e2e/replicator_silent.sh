#!/usr/bin/env bash
# replicator_silent.sh - a collector's host falls silent while all links stay, as
# when it is switched off behind a switch.  Its share moves, or its spool is
# filled, when a probe is not answered, when the kernel misses the neighbour, or
# when the router before it says so; and all of it comes back.  With IPv4 and IPv6.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/netns.sh
. "$HERE/netns.sh"
netns_enter replicator_silent "$@"
e2e_begin replicator_silent

ip link set lo up
must namespace far1
if ! link far1 10.9.1.1 10.9.1.2 2>"$TMP/links"; then
	e2e_skip "no veth: $(head -1 "$TMP/links")"
fi
must namespace far2
must link far2 10.9.2.1 10.9.2.2
# A kernel takes half a minute to miss a neighbour; here two seconds.
soon() { # INTERFACE
	sysctl -q -w "net.ipv4.neigh.$1.base_reachable_time_ms=500" \
		"net.ipv4.neigh.$1.delay_first_probe_time=1" "net.ipv4.neigh.$1.retrans_time_ms=200"
}
# 10.9.4.2 is behind a router, 10.9.3.2.
must soon to-far2
must namespace router
must link router 10.9.3.1 10.9.3.2
must namespace far4
must in_namespace router ip link add beyond type veth peer name far netns "${PID[far4]}"
must in_namespace router ip addr add 10.9.4.1/24 dev beyond
must in_namespace router ip link set beyond up
must in_namespace router sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.neigh.beyond.base_reachable_time_ms=500 \
	net.ipv4.neigh.beyond.delay_first_probe_time=1 net.ipv4.neigh.beyond.retrans_time_ms=200
must in_namespace far4 ip addr add 10.9.4.2/24 dev far
must in_namespace far4 ip link set far up
must in_namespace far4 ip route add default via 10.9.4.1
must ip route add 10.9.4.0/24 via 10.9.3.2
# The same with IPv6: collector N is fd00:9:N::2.
soon6() { # INTERFACE
	sysctl -q -w "net.ipv6.neigh.$1.base_reachable_time_ms=500" \
		"net.ipv6.neigh.$1.delay_first_probe_time=1" "net.ipv6.neigh.$1.retrans_time_ms=200"
}
POOLS="1 2 3 4 5"
if { ip addr add fd00:9:1::1/64 dev to-far1 nodad && in_namespace far1 ip addr add fd00:9:1::2/64 dev far nodad; } 2>/dev/null; then
	POOLS="$POOLS 6 7"
	must ip addr add fd00:9:2::1/64 dev to-far2 nodad
	must in_namespace far2 ip addr add fd00:9:2::2/64 dev far nodad
	must soon6 to-far2
	must ip addr add fd00:9:3::1/64 dev to-router nodad
	must in_namespace router ip addr add fd00:9:3::2/64 dev far nodad
	must in_namespace router ip addr add fd00:9:4::1/64 dev beyond nodad
	# Errors to all who ask: the longest silence between two tells how long one has to be for "back".
	must in_namespace router sysctl -q -w net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0 \
		net.ipv6.neigh.beyond.base_reachable_time_ms=500 \
		net.ipv6.neigh.beyond.delay_first_probe_time=1 net.ipv6.neigh.beyond.retrans_time_ms=200
	must in_namespace far4 ip addr add fd00:9:4::2/64 dev far nodad
	must in_namespace far4 ip route add default via fd00:9:4::1
	for i in 1 2; do
		must in_namespace far$i ip route add default via fd00:9:$i::1
	done
	must ip route add fd00:9:4::/64 via fd00:9:3::2
	# Neighbours are not asked from an address that is new: the first datagrams would meet an error.
	settled() {
		[ -z "$(ip -6 addr show tentative; for i in far1 far2 router far4; do in_namespace $i ip -6 addr show tentative; done)" ]
	}
	wait_for 10 settled
else
	echo "     IPv6: not tried, this kernel has none"
fi
for_each() { # COMMAND, with the number and the addresses of each host that falls silent
	"$1" 2 10.9.2.2/24 fd00:9:2::2/64
	"$1" 4 10.9.4.2/24 fd00:9:4::2/64
}
has_ipv6() {
	[ "$POOLS" != "1 2 3 4 5" ]
}

{
	printf 'seed: 5\nduration: 100s\nrate: 4000 records/s\nexporters:\n'
	for i in $(seq 40); do
		echo "  - { name: e$i, address: 127.0.1.$i, port: 5000, protocol: netflow5 }"
	done
	printf 'customers:\n  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }\n'
	printf 'remotes:\n  - { prefix: 198.51.100.0/24, interface: 1 }\n'
	printf 'applications:\n  - { proto: tcp, port: 443 }\n'
} >"$TMP/scenario.yaml"
mkdir "$TMP/spool"
# Port 300N of pool N: 1 and 6 by the neighbour, 2 by a probe, 3 and 7 by the router, 4 and 5 with a spool.
cat >"$TMP/map" <<-END
	id=1 ip=10.9.1.2:3001,10.9.2.2:3001 balance-alg=rendezvous
	id=2 ip=10.9.1.2:3002,10.9.2.2:3002 balance-alg=rendezvous probe=8022
	id=3 ip=10.9.1.2:3003,10.9.4.2:3003 balance-alg=rendezvous
	id=4 ip=10.9.2.2:3004 spool=$TMP/spool
	id=5 ip=10.9.4.2:3005 spool=$TMP/spool
END
! has_ipv6 || cat >>"$TMP/map" <<-END
	id=6 ip=[fd00:9:1::2]:3006,[fd00:9:2::2]:3006 balance-alg=rendezvous
	id=7 ip=[fd00:9:1::2]:3007,[fd00:9:4::2]:3007 balance-alg=rendezvous
END
printf 'listen_port: 2055\ntee_receivers: %s\nstats_file: %s\n' "$TMP/map" "$TMP/tee.tsv" >"$TMP/tee.conf"

of() { # COUNTER COLLECTOR POOL
	local host=10.9.$2.2
	[ "$3" -lt 6 ] || host="[fd00:9:$2::2]"
	stat_value "$TMP/tee.tsv" \
		"receiver_$1{receiver=\"$host:$((3000 + $3))\",pool=\"pool $3\"}" 2>/dev/null || echo 0
}
is() { # COUNTER COLLECTOR POOL VALUE
	[ "$(of "$1" "$2" "$3")" = "$4" ]
}
more() { # COUNTER COLLECTOR POOL THAN
	[ "$(of "$1" "$2" "$3")" -gt "$4" ]
}
silent_of() { # POOL: its receiver that falls silent
	case $1 in 3 | 5 | 7) echo 4 ;; *) echo 2 ;; esac
}

# Sockets of collectors; the first of each host accepts connections at the port that is probed.
for host in 1 2 4; do
	options=(--metrics "10.9.$host.2:8022")
	for pool in $POOLS; do
		nsenter -t "${PID[far$host]}" -n "$REPLICATOR" -p 300$pool "${options[@]}" 127.0.0.1/9 2>"$TMP/c$host$pool.log" &
		PID[c$host$pool]=$!
		options=()
	done
done
for host in 1 2 4; do
	for pool in $POOLS; do
		must wait_for 5 grep -q listening "$TMP/c$host$pool.log"
	done
done
must start_daemon tee 2055 "$REPLICATOR" --config "$TMP/tee.conf"
"$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to 127.0.0.1:2055 >"$TMP/craft.log" 2>&1 &
PID[craft]=$!
for pool in $POOLS; do
	host=$(silent_of $pool)
	check "pool $pool: its collector is sent datagrams" wait_for 5 more sent "$host" $pool 50
	check_equal "pool $pool: nobody is down" "0 0" "$(of down 1 $pool) $(of down "$host" $pool)"
done

silent=$(date +%s%3N)
fall_silent() { # HOST ADDRESS ADDRESS6
	must in_namespace "far$1" ip addr del "$2" dev far
	! has_ipv6 || must in_namespace "far$1" ip addr del "$3" dev far
}
for_each fall_silent
for pool in $POOLS; do
	host=$(silent_of $pool)
	check "pool $pool: found out" wait_for 20 is down "$host" $pool 1
	echo "     after at most $(($(date +%s%3N) - silent)) ms (the statistics are a second apart)"
	gone[pool]=$(of sent "$host" $pool) spooled[pool]=$(of spooled "$host" $pool)
done
for pool in ${POOLS/4 5/}; do
	check "pool $pool: its share is elsewhere" wait_for 10 more sent 1 $pool $(($(of sent 1 $pool) + 100))
done
for pool in 4 5; do
	host=$(silent_of $pool)
	check "pool $pool: the spool is filled" wait_for 10 more spooled "$host" $pool $((spooled[pool] + 100))
done
for pool in $POOLS; do
	host=$(silent_of $pool)
	check "pool $pool: nothing is sent to it" test $(($(of sent "$host" $pool) - gone[pool])) -lt 5
	check_equal "pool $pool: the other one is there" 0 "$(of down 1 $pool)"
done

back=$(date +%s%3N)
come_back() { # HOST ADDRESS ADDRESS6
	must in_namespace "far$1" ip addr add "$2" dev far
	! has_ipv6 || must in_namespace "far$1" ip addr add "$3" dev far nodad
}
for_each come_back
must in_namespace far4 ip route add default via 10.9.4.1
! has_ipv6 || in_namespace far4 ip route replace default via fd00:9:4::1
for pool in $POOLS; do
	host=$(silent_of $pool)
	check "pool $pool: it is back" wait_for 35 is down "$host" $pool 0
	check "pool $pool: and sent datagrams" wait_for 10 more sent "$host" $pool $((gone[pool] + 50))
done
echo "     back after $(($(date +%s%3N) - back)) ms"
for pool in 4 5; do
	check "pool $pool: what waited is sent" wait_for 10 is spool_waiting "$(silent_of $pool)" $pool 0
done
kill "${PID[craft]}"
wait "${PID[craft]}" 2>/dev/null
unset 'PID[craft]'
check "tee ends in order" stop_daemon tee
for pool in $POOLS; do
	host=$(silent_of $pool)
	check_equal "pool $pool: the account adds up" "$(of received "$host" $pool)" \
		$(($(of sent "$host" $pool) + $(of balanced "$host" $pool) + $(of eagain "$host" $pool) + $(
			of refused "$host" $pool) + $(of unreachable "$host" $pool) + $(of spooled "$host" $pool) + $(
			of other "$host" $pool)))
done

e2e_end
