#!/usr/bin/env bash
# replicator_dedup.sh - two replicators in parallel, one of them is killed in the
# middle: behind a third with a window for second copies every datagram is
# there once.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_dedup

IN=$(free_udp_port) LEFT=$(free_udp_port) RIGHT=$(free_udp_port) MERGE=$(free_udp_port) ONE=$(free_udp_port)
replicator_scenario 2 2000 netflow9 8 >"$TMP/scenario.yaml"
start_tee() { # NAME PORT OPTION...
	local name=$1 port=$2
	shift 2
	must start_daemon "$name" "$port" "$REPLICATOR" -b 16777216 -p "$port" --stats "$TMP/$name.tsv" "$@"
}
start_collector one "$ONE"
# The copies come from two sources, and may reach different workers.
start_tee merge "$MERGE" --dedup 10000 --workers 3 "127.0.0.1/$ONE"
start_tee left "$LEFT" "127.0.0.1/$MERGE"
start_tee right "$RIGHT" "127.0.0.1/$MERGE"
start_tee split "$IN" "127.0.0.1/$LEFT" "127.0.0.1/$RIGHT"

"$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" >"$TMP/craft.tsv" 2>"$TMP/craft.log" &
PID[craft]=$!
must wait_for 10 has_received "$TMP/left.tsv" 500
kill -9 "${PID[left]}"
wait "${PID[left]}" 2>/dev/null
unset 'PID[left]'
check "traffic still runs" kill -0 "${PID[craft]}"
wait "${PID[craft]}"
unset 'PID[craft]'
sent=$(stat_value "$TMP/craft.tsv" datagrams)
for port in $IN $RIGHT $MERGE $ONE; do
	wait_udp_drained "$port"
done
for name in split right merge one; do
	check "$name ends in order" stop_daemon "$name"
done
drops=$(dropped split right merge one)
unless_dropped "$drops" "every datagram once" "$sent" "$(stat_value "$TMP/one.tsv" received_datagrams)"
duplicates=$(stat_value "$TMP/merge.tsv" duplicate_datagrams)
check "second copies were dropped: $duplicates" test "$duplicates" -ge 500
check_equal "and are accounted for" "$(stat_value "$TMP/merge.tsv" received_datagrams)" \
	"$(($(stat_value "$TMP/merge.tsv" "receiver_sent{receiver=\"127.0.0.1:$ONE\",pool=\"*\"}") + duplicates))"
check_equal "no copy was forgotten inside the window" 0 "$(stat_value "$TMP/merge.tsv" dedup_early)"

# ---- a circle over another replicator, which a window cuts ---------------------------

AWAY=$(free_udp_port) HOME_=$(free_udp_port)
start_tee here "$HOME_" --dedup 60000 "127.0.0.1/$AWAY"
start_tee there "$AWAY" "127.0.0.1/$HOME_"
replicator_scenario 1 200 netflow5 2 >"$TMP/few.yaml"
must "$PCAPGEN" craft --scenario "$TMP/few.yaml" --to "127.0.0.1:$HOME_" >"$TMP/few.tsv" 2>"$TMP/few.log"
few=$(stat_value "$TMP/few.tsv" datagrams)
came_back() {
	[ "$(stat_value "$TMP/here.tsv" duplicate_datagrams)" = "$few" ]
}
check "a circle: each of $few datagrams comes back once" wait_for 5 came_back
check "here ends in order" stop_daemon here
check "there ends in order" stop_daemon there
check_equal "and went round once" "$((2 * few)) $few" \
	"$(stat_value "$TMP/here.tsv" received_datagrams) $(stat_value "$TMP/there.tsv" received_datagrams)"

e2e_end
