#!/bin/bash
# replicator_isolation.sh - what a dead, refusing or unroutable receiver costs
# the healthy ones: nothing.
#
# Three network namespaces, no root needed where the kernel lets users have
# them: an exporter, the tee, and a network with one host that lives (10.9.0.2)
# and two addresses that nobody has (10.9.0.77, 10.9.0.78), whose datagrams
# wait for a neighbour that never answers.  3000 datagrams of 1400 octets at
# about 1000 a second; a tee with one blocking socket delivers 3 % of them.

# Functions are called by name, and one body is for the shell of another namespace.
# shellcheck disable=SC2317,SC2016
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/netns.sh
. "$HERE/netns.sh"
netns_enter replicator_isolation "$@"
e2e_begin replicator_isolation
COUNT=3000

# ---- the networks -------------------------------------------------------------

ip link set lo up
if ! { namespace exporter && namespace living && link exporter 10.8.0.1 10.8.0.2 &&
	link living 10.9.0.1 10.9.0.2; } 2>"$TMP/links"; then
	e2e_skip "no veth: $(head -1 "$TMP/links")"
fi

# ---- the run -------------------------------------------------------------------

# COUNT datagrams of 1400 octets from the exporter to the tee, ten at a time and then a pause of so many
# seconds; descriptor 4 is a pipe that stays empty, which makes read's time limit a pause.  A tee that has
# no processor is waited for: what its buffer drops is not what is asked here.
export_flows() { # COUNT PAUSE
	in_namespace exporter bash -c '
		waits() {
			local file own queues
			for file in udp udp6; do
				while read -r _ own _ _ queues _; do
					[ "${own##*:}" != 0807 ] || [ $((16#${queues##*:})) -lt 65536 ] || return 0
				done <"/proc/$1/net/$file"
			done 2>/dev/null
			return 1
		}
		printf -v payload "%*s" 1400 x
		exec 3>/dev/udp/10.8.0.1/2055 4<> <(:)
		for ((i = 0; i < $1; i += 10)); do
			for k in 0 1 2 3 4 5 6 7 8 9; do printf "%s" "$payload" >&3; done
			read -rt "$2" -u 4
			[ $((i % 50)) -ne 0 ] || while waits "$3"; do read -rt 0.01 -u 4; done
		done' export_flows "$1" "$2" "${PID[tee]}"
}

# A replicator as collector: it counts what came, and passes it to nobody's port on its own lo.
living_start() {
	# Not through in_namespace: $! is to be the program, not a shell around it.
	nsenter -t "${PID[living]}" -n "$REPLICATOR" -p 3000 -d 1 --stats "$TMP/living.tsv" 127.0.0.1/9 \
		>"$TMP/living.out" 2>"$TMP/living.log" &
	PID[collector]=$!
	wait_file "$TMP/living.tsv" 10
}

has_received() { # FILE NUMBER
	[ "$(stat_value "$1" received_datagrams)" -ge "$2" ] 2>/dev/null
}

# For every receiver: received = what became of it, and received is what came in.
adds_up() { # FILE
	awk -F'\t' -v count="$COUNT" '
		match($1, /^receiver_[a-z]+\{/) {
			what = substr($1, 10, RLENGTH - 10)
			who = substr($1, RLENGTH)
			if (what == "received") { in_[who] = $2; n++ }
			else if (what !~ /^(sent_octets|icmp_errors|calls|runs|told|untold|down|records|records_kept|unread_octets)$/) out[who] += $2
		}
		END {
			for (who in in_)
				if (in_[who] != count || out[who] != in_[who]) {
					print "     " who ": received " in_[who] ", accounted " out[who]
					bad = 1
				}
			exit bad || n == 0
		}' "$1"
}

run() { # NAME OPTION...
	local name=$1 start end
	shift
	rm -f "$TMP/tee.tsv" "$TMP/living.tsv"
	must living_start
	start_daemon tee 2055 "$REPLICATOR" -p 2055 --stats "$TMP/tee.tsv" "$@" \
		10.9.0.77/3000 10.9.0.2/3000 10.9.0.78/3000 10.9.0.2/9 203.0.113.1/3000 || return
	start=$(date +%s%N)
	export_flows "$COUNT" 0.007
	wait_for 10 has_received "$TMP/tee.tsv" "$COUNT"
	end=$(date +%s%N)
	wait_for 5 has_received "$TMP/living.tsv" "$COUNT"
	check "$name: tee ends in order" stop_daemon tee
	check "$name: collector ends in order" stop_daemon collector
	check_equal "$name: the tee received all" "$COUNT" "$(stat_value "$TMP/tee.tsv" received_datagrams)"
	check_equal "$name: the healthy receiver has all" "$COUNT" "$(stat_value "$TMP/living.tsv" received_datagrams)"
	check_equal "$name: and was sent all" "$COUNT" \
		"$(stat_value "$TMP/tee.tsv" 'receiver_sent{receiver="10.9.0.2:3000",pool="*"}')"
	check "$name: every receiver adds up" adds_up "$TMP/tee.tsv"
	check_equal "$name: no route is a named loss" "$COUNT" \
		"$(stat_value "$TMP/tee.tsv" 'receiver_unreachable{receiver="203.0.113.1:3000",pool="*"}')"
	echo "     $name: $(((end - start) / 1000000)) ms; a dead neighbour: sent $(stat_value "$TMP/tee.tsv" \
		'receiver_sent{receiver="10.9.0.77:3000",pool="*"}'), socket full $(stat_value "$TMP/tee.tsv" \
		'receiver_eagain{receiver="10.9.0.77:3000",pool="*"}')"
}

run "two dead neighbours"
run "two dead neighbours, small send buffers" -b 65536
run "source kept" -S
check_equal "source kept: the collector saw the exporter in each datagram" "$COUNT" \
	"$(grep -c 'octets from 10\.8\.0\.2:' "$TMP/living.log")"

# Datagrams larger than the MTU of 1500 leave in fragments, with either source.
large() { # NAME OPTION...
	local name=$1
	shift
	rm -f "$TMP/tee.tsv" "$TMP/living.tsv"
	must living_start
	start_daemon tee 2055 "$REPLICATOR" -p 2055 --stats "$TMP/tee.tsv" "$@" 10.9.0.2/3000 || return
	in_namespace exporter bash -c 'exec 3>/dev/udp/10.8.0.1/2055
		for n in 1472 1473 4000 4000 4000 8000; do
			dd if=/dev/zero bs=$n count=1 status=none >&3
		done'
	wait_for 5 has_received "$TMP/living.tsv" 6
	check "$name: tee ends in order" stop_daemon tee
	check "$name: collector ends in order" stop_daemon collector
	check_equal "$name: every length arrived" "1472 1473 4000 4000 4000 8000 " \
		"$(sed -n 's/.*[^0-9]\([0-9][0-9]*\) octets from .*/\1/p' "$TMP/living.log" | tr '\n' ' ')"
}
large "large datagrams"
large "large datagrams, source kept" -S

# ---- the queue of a link ------------------------------------------------------------

# A link that is slower than what is sent: what its queue drops was not sent.
slow_link() {
	tc qdisc add dev to-living root handle 1: htb default 1 &&
		tc class add dev to-living parent 1: classid 1:1 htb rate 1mbit quantum 10000 &&
		tc qdisc add dev to-living parent 1:1 pfifo limit 4
}
queue() { # NAME OPTION...
	local name=$1 sent
	shift
	rm -f "$TMP/tee.tsv" "$TMP/living.tsv"
	must living_start
	start_daemon tee 2055 "$REPLICATOR" -p 2055 --stats "$TMP/tee.tsv" "$@" 10.9.0.2/3000 || return
	export_flows 2000 0.0001
	wait_for 5 has_received "$TMP/tee.tsv" 2000
	check "$name: tee ends in order" stop_daemon tee
	sent=$(stat_value "$TMP/tee.tsv" 'receiver_sent{receiver="10.9.0.2:3000",pool="*"}')
	wait_for 5 has_received "$TMP/living.tsv" "$sent"
	check "$name: collector ends in order" stop_daemon collector
	check "$name: the queue dropped most" test "$sent" -lt 1500
	check_equal "$name: what counts as sent arrived" "$sent" "$(stat_value "$TMP/living.tsv" received_datagrams)"
	check_equal "$name: the rest is accounted for" 2000 "$((sent + $(
		stat_value "$TMP/tee.tsv" 'receiver_eagain{receiver="10.9.0.2:3000",pool="*"}')))"
}
if slow_link 2>"$TMP/tc"; then
	queue "the link's queue"
	queue "the link's queue, source kept" -S
else
	echo "     the queue of a link: not tried: $(head -1 "$TMP/tc")"
fi

e2e_end
