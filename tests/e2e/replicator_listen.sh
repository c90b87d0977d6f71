#!/bin/bash
# replicator_listen.sh - one process on several addresses and ports, with
# workers, and rules that tell the ports apart.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
e2e_begin replicator_listen

A=$(free_udp_port) B6=$(free_udp_port) C=$(free_udp_port) OUT=$(free_udp_port)
cat >"$TMP/tee.conf" <<-END
	plugins: tee[a]
	nfacctd_ip: 127.0.0.1
	nfacctd_port: $A
	listen_also: [::1]:$B6, 127.0.0.1:$C
	workers: 2
	tee_receivers: $TMP/map
	stats_file: $TMP/tee.tsv
	control: $TMP/control
END
cat >"$TMP/map" <<-END
	id=1 ip=127.0.0.1:$OUT port=$A
	id=2 ip=127.0.0.1:$OUT port=$B6,$C
	id=3 ip=127.0.0.1:$OUT else=true
END

received() { # COUNT
	[ "$(stat_value "$TMP/tee.tsv" received_datagrams 2>/dev/null || echo 0)" -eq "$1" ]
}
sent() { # POOL
	stat_value "$TMP/tee.tsv" "receiver_sent{receiver=\"127.0.0.1:$OUT\",pool=\"pool $1\"}"
}

must start_daemon tee "$A" "$REPLICATOR" --config "$TMP/tee.conf"
check "the second address" is_bound "$B6"
check "the third" is_bound "$C"
# From a socket each, so that both workers of a port may get some.
for i in 1 2 3 4 5; do
	echo "$i" >"/dev/udp/127.0.0.1/$A"
	echo "$i" >"/dev/udp/::1/$B6"
	[ $i -gt 3 ] || echo "$i" >"/dev/udp/127.0.0.1/$C"
done
check "all came" wait_for 5 received 13
check_equal "to the first port" 5 "$(sent 1)"
check_equal "to the others" 8 "$(sent 2)"
check_equal "to no other" 0 "$(sent 3)"

cp "$TMP/tee.conf" "$TMP/second.conf"
sed -i "s/nfacctd_port: .*/nfacctd_port: $(free_udp_port)/; /control/d; /stats_file/d" "$TMP/second.conf"
"$REPLICATOR" --config "$TMP/second.conf" >"$TMP/second" 2>&1
check_equal "an address in use: status" 1 $?
check "an address in use: message" grep -q "listen on \[::1\]:$B6: Address already in use" "$TMP/second"

# Another takes over all of its sockets.
sed 's/tee.tsv/new.tsv/' "$TMP/tee.conf" >"$TMP/new.conf"
"$REPLICATOR" --config "$TMP/new.conf" --take-over >"$TMP/new.log" 2>&1 &
PID[new]=$!
check "handed over" wait_gone "${PID[tee]}" 5
unset 'PID[tee]'
echo 6 >"/dev/udp/127.0.0.1/$C"
came() { # its counters go on where those of the other ended
	[ "$(stat_value "$TMP/new.tsv" received_datagrams 2>/dev/null || echo 0)" -eq 14 ]
}
check "and goes on, its counters too" wait_for 5 came
check "ends in order" stop_daemon new

for bad in "127.0.0.1" "127.0.0.1:0" "127.0.0.1:70000" "nobody.invalid:1"; do
	printf 'receivers: %s\nlisten_also: %s\n' "$TMP/none" "$bad" >"$TMP/bad.conf"
	"$REPLICATOR" --config "$TMP/bad.conf" --check >"$TMP/bad" 2>&1
	check_equal "listen_also: $bad: status" 2 $?
	check "listen_also: $bad: message" grep -q "listen_also: \"$bad\": " "$TMP/bad"
done

e2e_end
