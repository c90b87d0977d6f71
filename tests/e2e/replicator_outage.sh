#!/usr/bin/env bash
# replicator_outage.sh - a receiver with a spool is away and comes back: what
# was sent meanwhile arrives then, once, at the pace that was asked for, while
# the live datagrams do not wait; also over a restart of the replicator.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_outage

IN=$(free_udp_port) ONE=$(free_udp_port) AWAY=$(free_udp_port)
mkdir "$TMP/spool"
replicator_scenario 2 1000 netflow5 4 "cycle: 64" >"$TMP/scenario.yaml"
cat >"$TMP/map" <<END
id=1 ip=127.0.0.1:$ONE
id=2 ip=127.0.0.1:$AWAY spool=$TMP/spool spool_size=10 spool_rate=2000
END
cat >"$TMP/tee.conf" <<END
listen_ip: 127.0.0.1
listen_port: $IN
tee_receivers: $TMP/map
stats_file: $TMP/tee.tsv
control: $TMP/control
END

export_flows() {
	local before=$total
	must "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" >"$TMP/craft.tsv"
	must wait_udp_drained "$IN"
	# What came, not what was sent: a machine that is too busy drops some before the tee.
	total=$(received_now "$TMP/control")
	must test "$total" -gt $((before + 300))
	must wait_for 5 counts received_datagrams "$total"
}
counts() { # NAME NUMBER: a counter of the tee has come so far
	[ "$(stat_value "$TMP/tee.tsv" "$1")" -ge "$2" ] 2>/dev/null
}
of() { # COUNTER: of the receiver that goes away
	stat_value "$TMP/tee.tsv" "receiver_$1{receiver=\"127.0.0.1:$AWAY\",pool=\"pool 2\"}"
}
is_empty() {
	[ "$(of spool_waiting)" = 0 ] 2>/dev/null
}
total=0

start_collector one "$ONE"
start_collector first "$AWAY"
must start_daemon tee "$IN" "$REPLICATOR" --config "$TMP/tee.conf"
export_flows
check_equal "both there: nothing is spooled" "$total 0" "$(of sent) $(of spooled)"

check "the receiver goes" stop_daemon first
unless_dropped "$(dropped first)" "with everything" "$total" "$(stat_value "$TMP/first.tsv" received_datagrams)"
before=$(of sent)
export_flows
check_equal "what it misses is in the spool, or was on its way when it went" "$total" \
	"$(($(of sent) + $(of spooled) + $(of refused)))"
lost=$(($(of sent) + $(of refused) - before))
check "that is few: $lost" test "$lost" -le 200
spooled=$(of spooled)

# The file outlives us.
check "the tee ends in order" stop_daemon tee
must start_daemon tee "$IN" "$REPLICATOR" --config "$TMP/tee.conf"
total=0
check "a new process finds them" wait_for 5 grep -q "receiver 127.0.0.1:$AWAY: $spooled datagrams wait in" "$TMP/tee.log"

start_collector back "$AWAY"
# While it is not yet believed to be back, live datagrams go behind those that wait.
export_flows
start=$(date +%s%N)
check "the spool is empty in the end" wait_for 15 is_empty
spooled=$((spooled + $(of spooled)))
end=$(date +%s%N)
check_equal "all that waited was sent" "$spooled 0 0" "$(of replayed) $(of replay_lost) $(of spool_overwritten)"
check "not faster than asked for" test $(((end - start) / 1000000)) -ge $((spooled * 1000 / 2000))
wait_udp_drained "$AWAY"
for name in tee back one; do
	check "$name ends in order" stop_daemon "$name"
done
# Empty datagrams, which ask whether it is there, are no NetFlow.
unless_dropped "$(dropped back)" "the receiver has what was live and what had waited" "$(($(of sent) + spooled))" \
	"$(stat_value "$TMP/back.tsv" 'received_datagrams{protocol="netflow5"}')"
check_equal "its account adds up" "$(of received)" \
	"$(($(of sent) + $(of spooled) + $(of refused) + $(of eagain) + $(of unreachable) + $(of other)))"
check_equal "the other one has everything" "$total" \
	"$(stat_value "$TMP/tee.tsv" "receiver_sent{receiver=\"127.0.0.1:$ONE\",pool=\"pool 1\"}")"

e2e_end
