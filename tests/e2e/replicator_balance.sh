#!/bin/bash
# replicator_balance.sh - 100 exporters over four collectors by rendezvous
# hashing: one collector's link goes down, its exporters move with their
# templates and no others do, and they move back.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/netns.sh
. "$HERE/netns.sh"
netns_enter replicator_balance "$@"
e2e_begin replicator_balance
EXPORTERS=100

ip link set lo up
if ! { namespace exporter && link exporter 10.8.0.1 10.8.0.2 &&
	in_namespace exporter ip addr add 10.8.1.1/24 dev lo && ip route add 10.8.1.0/24 via 10.8.0.2; } 2>"$TMP/links"; then
	e2e_skip "no veth: $(head -1 "$TMP/links")"
fi
for i in 1 2 3 4; do
	must namespace far$i
	must link far$i 10.9.$i.1 10.9.$i.2
done

{	# Templates once, at the start.
	printf 'seed: 5\nduration: 100s\nrate: 3000 records/s\nexporters:\n'
	for i in $(seq $EXPORTERS); do
		[ $((i % 2)) = 0 ] && protocol=netflow9 || protocol=ipfix
		echo "  - { name: e$i, address: 10.8.1.$i, port: 5000, protocol: $protocol, domain: 1, refresh: 0s, refresh_datagrams: 0 }"
		in_namespace exporter ip addr add "10.8.1.$i/32" dev lo 2>/dev/null
	done
	printf 'customers:\n  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }\n'
	printf 'remotes:\n  - { prefix: 198.51.100.0/24, interface: 1 }\n'
	printf 'applications:\n  - { proto: tcp, port: 443 }\n'
} >"$TMP/scenario.yaml"

cat >"$TMP/tee.conf" <<-END
	plugins: tee[a]
	nfacctd_port: 2055
	tee_receivers: $TMP/map
	tee_transparent: true
	stats_file: $TMP/tee.tsv
END
echo "id=1 ip=10.9.1.2:3000,10.9.2.2:3000,10.9.3.2:3000,10.9.4.2:3000 balance-alg=rendezvous" >"$TMP/map"

for i in 1 2 3 4; do
	cat >"$TMP/c$i.conf" <<-END
		nfacctd_ip: 10.9.$i.2
		nfacctd_port: 3000
		nfacctd_stats_file: $TMP/c$i.tsv
		plugins: print
		aggregate: peer_src_ip
		print_refresh_time: 1
		print_output: csv
		print_output_file: $TMP/c$i-%s.csv
		print_history: 1s
	END
	nsenter -t "${PID[far$i]}" -n "$NFACCTD" -f "$TMP/c$i.conf" >"$TMP/c$i.log" 2>&1 &
	PID[c$i]=$!
done
is_ready() {
	grep -qs 'listening' "$TMP/$1.log"
}
for i in 1 2 3 4; do
	must wait_for 10 is_ready c$i
done

sent() { # COLLECTOR
	stat_value "$TMP/tee.tsv" "receiver_sent{receiver=\"10.9.$1.2:3000\",pool=\"pool 1\"}" 2>/dev/null || echo 0
}
down() { # COLLECTOR
	[ "$(stat_value "$TMP/tee.tsv" "receiver_down{receiver=\"10.9.$1.2:3000\",pool=\"pool 1\"}" 2>/dev/null)" = 1 ]
}
up() { # COLLECTOR
	! down "$1"
}
sent_more() { # COLLECTOR THAN
	[ "$(sent "$1")" -gt "$2" ]
}

must start_daemon tee 2055 "$REPLICATOR" --config "$TMP/tee.conf"
in_namespace exporter "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to 10.8.0.1:2055 >"$TMP/craft.log" 2>&1 &
PID[craft]=$!
for i in 1 2 3 4; do
	check "collector $i has a share" wait_for 5 sent_more $i 30
done
cut=$(date +%s%3N)
in_namespace far2 ip link set dev far down
check "link down: found out" wait_for 3 down 2
echo "     found out after at most $(($(date +%s%3N) - cut)) ms (the statistics are a second apart)"
gone=$(sent 2)
check "its exporters are elsewhere" wait_for 3 sent_more 1 $(($(sent 1) + 30))
check "and nothing is sent to it" test "$(($(sent 2) - gone))" -lt 5
mended=$(date +%s%3N)
in_namespace far2 ip link set dev far up
in_namespace far2 ip route add default via 10.9.2.1 2>/dev/null
check "link up: found out" wait_for 8 up 2
check "its exporters are back" wait_for 3 sent_more 2 $((gone + 20))
echo "     back after $(($(date +%s%3N) - mended)) ms"
kill "${PID[craft]}"
wait "${PID[craft]}" 2>/dev/null
unset 'PID[craft]'
check "tee ends in order" stop_daemon tee
for i in 1 2 3 4; do
	check "collector $i ends in order" stop_daemon c$i
	check_equal "collector $i could read everything" 0 "$(stat_value "$TMP/c$i.tsv" 'damaged{cause="no_template"}')"
	cat "$TMP/c$i"-*.csv 2>/dev/null | sed -n 's/^\(10[0-9.]*\),.*/\1/p' | sort -u >"$TMP/exporters$i"
done
# Who was ever at collector 2 was at one other while that was down; of the others nobody moved.
check_equal "every exporter was seen" $EXPORTERS "$(cat "$TMP"/exporters? | sort -u | wc -l)"
check_equal "nobody else moved" 0 "$(sort "$TMP"/exporters[134] | uniq -d | wc -l)"
moved=$(cat "$TMP"/exporters[134] | sort -u | comm -12 - "$TMP/exporters2" | wc -l)
check_equal "all of its exporters moved" "$(wc -l <"$TMP/exporters2")" "$moved"
check "about a quarter: $moved" test "$moved" -gt 10 -a "$moved" -lt 45

e2e_end
